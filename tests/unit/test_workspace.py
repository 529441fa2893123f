"""The front door: the whole loop in a script, companions, restart, backup, deletion, tokens."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError, NotFoundError, RefusedError
from core.project import Project
from core.settings import Settings
from core.workspace import Workspace

SETTINGS = Settings(offline=True)
ImportToy = Callable[[Workspace], Project]


@pytest.fixture
def home(tmp_path: Path, tiny_bases: Path) -> Path:
    """A workspace folder with the tiny base model."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "bases").symlink_to(tiny_bases, target_is_directory=True)
    return home


@pytest.fixture
def import_toy(tmp_path: Path, toy_texts: Callable[..., list[tuple[str, str]]]) -> ImportToy:
    """Makes a project of 90 texts that can be learned, with a split column."""

    def make(workspace: Workspace) -> Project:
        project = workspace.create_project("Support intents", task="classification", labels=["refund", "delivery"])
        path = tmp_path / "tickets.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label", "part"])
            for i, (text, label) in enumerate(toy_texts(90)):
                writer.writerow([f"{text} {i}", label, "test" if i % 5 == 0 else "train"])
        report = project.import_file(path, text="text", label="label", split="part", on_duplicate="skip")
        assert (report.added, report.duplicates, report.rejected) == (90, 0, [])
        assert report.new_labels == ["greeting"]
        return project

    return make


def test_the_loop_from_csv_to_prediction(home: Path, tmp_path: Path, import_toy: ImportToy) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        project = import_toy(workspace)
        version = project.freeze(split="imported", dev=0.1, seed=0)
        assert version.rows("test") == 18
        run = project.train(version, method="lora", base="local:tiny", epochs=3)
        assert run.wait(240).state == "finished", run.error
        model = run.model
        assert model is not None
        result = model.evaluate(split="test")
        assert result.rows == 18
        assert set(result.per_class) == {"refund", "delivery", "greeting"}
        assert sum(map(sum, result.confusion)) == 18
        assert result.baseline is not None
        assert result.baseline.rows == 18
        (prediction,) = model.predict(["money back please"])
        assert prediction.label in version.labels
        assert prediction.score == max(prediction.scores.values())
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-4)
        assert model.id in {found.id for found in project.models()}
        assert "lora" in model.card().lower()
        with zipfile.ZipFile(model.archive(tmp_path / "model.zip")) as archive:
            assert any(name.endswith(".safetensors") for name in archive.namelist())
            assert not any(name.endswith((".bin", ".pkl", ".pt")) for name in archive.namelist())
        project.promote(model.id, user="ann")
        with pytest.raises(RefusedError, match="serves"):
            model.delete()
    with Workspace.open(home, SETTINGS) as again:
        champion = again.project(project.id).champion()
        assert champion is not None
        assert champion.predict(["money back please"]) == [prediction]


def test_every_first_run_brings_its_baseline(home: Path, import_toy: ImportToy) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        project = import_toy(workspace)
        version = project.freeze(split="imported")
        project.train(version, method="features", base="local:tiny").wait(120)
        assert sorted(run.method for run in project.runs()) == ["baseline", "features"]
        project.train(version, method="features", base="local:tiny", C=1.0).wait(120)
        assert sorted(run.method for run in project.runs()) == ["baseline", "features", "features"]
        tuned = project.models()[0].evaluate("dev")
        assert tuned.baseline is not None
        assert tuned.split == tuned.baseline.split == "dev"


def test_wrong_options_are_named(home: Path, import_toy: ImportToy) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        project = import_toy(workspace)
        version = project.freeze(split="imported")
        with pytest.raises(InputError, match="epochs"):
            project.train(version, method="full", epochs=-1)
        with pytest.raises(InputError, match="nonsense"):
            project.train(version, method="baseline", nonsense=1)
        with pytest.raises(NotFoundError, match="unheard"):
            project.train(version, method="unheard")
        assert project.runs() == []


def test_backup_and_restore_bring_labels_back(home: Path, import_toy: ImportToy) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        project = import_toy(workspace)
        first = project.item_ids()[0]
        project.label(first, "delivery", user="ann")
        copy = workspace.backup()
        project.label(first, "greeting", user="ann")
        workspace.create_project("Later")
        workspace.restore(copy)
        assert [found.name for found in workspace.projects()] == ["Support intents"]
        assert workspace.project(project.id).item(first).label == "delivery"
        assert copy in workspace.backups()
        assert len(workspace.backups()) == 2


def test_deleting_a_project_leaves_the_others(home: Path, import_toy: ImportToy) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        keep = workspace.create_project("Keep", labels=["a"])
        keep.add_items([{"text": "stays", "label": "a"}])
        gone = import_toy(workspace)
        gone.delete()
        assert [found.name for found in workspace.projects()] == ["Keep"]
        assert keep.item(keep.item_ids()[0]).label == "a"
        with pytest.raises(NotFoundError):
            workspace.project(gone.id)
        fresh = workspace.create_project("Fresh")
        assert fresh.id > gone.id


@pytest.mark.parametrize("name", ["", "   ", "\x00\u200b", "x" * 101])
def test_project_names_must_be_visible(home: Path, name: str) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        with pytest.raises(InputError):
            workspace.create_project(name)
        assert workspace.projects() == []


def test_project_with_bad_labels_is_not_half_made(home: Path) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        with pytest.raises(InputError):
            workspace.create_project("Half", labels=["a", "a"])
        assert workspace.projects() == []
        workspace.create_project("Half", labels=["a", "b"])
        with pytest.raises(InputError, match="already"):
            workspace.create_project("Half")


def test_tokens_are_hashed_and_can_be_revoked(home: Path) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        secret = workspace.create_token("notebook")
        assert workspace.check_token(secret)
        assert not workspace.check_token(secret + "x")
        assert not workspace.check_token("")
        workspace.revoke_token(workspace.tokens()[0].id)
        assert not workspace.check_token(secret)
    assert secret.encode() not in (home / "whetstone.duckdb").read_bytes()


def test_preferences_keep_any_json(home: Path) -> None:
    with Workspace.open(home, SETTINGS) as workspace:
        assert workspace.preference("theme", "light") == "light"
        workspace.set_preference("theme", {"name": "深色", "size": 2})
        workspace.set_preference("theme", {"name": "深色", "size": 3})
        assert workspace.preference("theme") == {"name": "深色", "size": 3}
