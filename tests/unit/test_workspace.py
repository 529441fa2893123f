"""The front door: the whole loop in a script, companions, restart, backup, deletion, tokens."""

from __future__ import annotations

import csv
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.errors import InputError, ModelError, NotFoundError, RefusedError, StudioError
from core.labeling.suggestions import ProjectSource
from core.model import Model
from core.project import Project, Version
from core.settings import Settings
from core.training.run_folder import RunConfig, RunFolder
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
    moved = home.rename(tmp_path / "elsewhere")
    with Workspace.open(moved, SETTINGS) as again:
        champion = again.project(project.id).champion()
        assert champion is not None and again.warnings == []
        assert champion.predict(["money back please"]) == [prediction]
        assert champion.evaluate(split="test").confusion == result.confusion


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


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace without base models."""
    with Workspace.open(tmp_path / "small", SETTINGS) as workspace:
        yield workspace


def frozen(workspace: Workspace, name: str = "Support") -> Version:
    """A project with one version of eight texts."""
    project = workspace.create_project(name, labels=["a", "b"])
    project.add_items([{"text": f"{name} {i}", "label": "ab"[i % 2]} for i in range(8)])
    return project.freeze(test=0.25, dev=0.25)


def finished_run(workspace: Workspace, version: Version, run_id: str = "20260101-000000-abcdef") -> str:
    """A run folder as a worker leaves it behind."""
    config = RunConfig(
        id=run_id,
        project_id=version.info.project_id,
        version_id=version.id,
        version_hash=version.hash,
        labels=version.labels,
        method="baseline",
    )
    folder = RunFolder.create(workspace.path / "runs", config, version.path)
    folder.unqueue()
    folder.model.mkdir()
    folder.write_result({"metrics": {"test": {"accuracy": 1.0}}})
    workspace.register(run_id)
    return run_id


def test_a_project_with_a_promoted_model_can_be_deleted(small: Workspace) -> None:
    version = frozen(small)
    project = version.project
    project.promote(finished_run(small, version))
    project.delete()
    assert (small.projects(), small.runs(), small.models()) == ([], [], [])
    assert not version.path.exists()


def test_a_handle_of_a_deleted_project_changes_nothing(small: Workspace, tmp_path: Path) -> None:
    project = frozen(small).project
    item_id = project.item_ids()[0]
    small.project(project.id).delete()
    for change in (
        lambda: project.label(item_id, "a", user="ann"),
        lambda: project.add_items([{"text": "late"}]),
        lambda: project.add_label("late"),
        lambda: project.freeze(),
        lambda: project.next_item("ann"),
    ):
        with pytest.raises(StudioError):
            change()
    tables = ("items", "label_events", "labels", "versions")
    assert [small.database.read(f"SELECT count(*) FROM {table}")[0][0] for table in tables] == [0, 0, 0, 0]


def test_registering_again_changes_nothing(small: Workspace) -> None:
    version = frozen(small)
    run_id = finished_run(small, version)
    before = small.project(version.info.project_id).revision
    assert small.run(run_id).model is not None
    small.register(run_id)
    assert small.project(version.info.project_id).revision == before
    assert [model.id for model in small.models()] == [run_id]


def test_restore_gives_no_number_twice(small: Workspace) -> None:
    """A run of a project that the backup lacks must not turn up in the next project that is made."""
    copy = small.backup()
    version = frozen(small)
    finished_run(small, version)
    items = version.project.item_ids()
    small.restore(copy)
    assert small.projects() == []
    with pytest.raises(NotFoundError):
        version.project.label(items[0], "a", user="ann")
    again = frozen(small, "Another")
    assert again.project.id > version.info.project_id
    assert again.id > version.id
    assert again.project.runs() == []
    assert min(again.project.item_ids()) > max(items)
    assert [warning for warning in small.warnings if "project that is gone" in warning]


def test_restore_registers_models_that_are_younger_than_the_backup(small: Workspace) -> None:
    version = frozen(small)
    copy = small.backup()
    run_id = finished_run(small, version)
    small.restore(copy)
    assert [model.id for model in small.models()] == [run_id]


def test_restore_waits_for_no_import(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.workspace.RESTORE_PATIENCE", 0.05)
    project = frozen(small).project
    copy = small.backup()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with project._held():
            entered.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(20)
    with pytest.raises(RefusedError, match="being stored"):
        small.restore(copy)
    leave.set()
    thread.join()
    small.restore(copy)
    assert project.count() == 8


def test_creating_a_project_keeps_no_page_waiting(small: Workspace) -> None:
    """While an import is being stored, a new project waits for its turn and everybody else goes on."""
    project = frozen(small).project
    with small.database.transaction():
        creating = threading.Thread(target=small.create_project, args=("New",))
        creating.start()
        creating.join(0.3)
        reading = threading.Thread(target=small.project, args=(project.id,))
        reading.start()
        reading.join(5)
        stuck = reading.is_alive()
    creating.join(20)
    assert not stuck
    assert [found.name for found in small.projects()] == ["Support", "New"]


def test_warnings_name_what_is_gone_and_what_is_left(small: Workspace) -> None:
    version = frozen(small)
    run_id = finished_run(small, version)
    assert small.warnings == []
    shutil.rmtree(small.path / "runs" / run_id)
    version.path.rename(version.path.with_name("77-1"))
    found = " ".join(small.warnings)
    for words in ("The files of version 1", f"The files of model {run_id}", "77-1 belongs to no version"):
        assert words in found
    with pytest.raises(ModelError):
        small.models()[0].card()
    small.delete_run(run_id)
    assert small.models() == []


def test_a_workspace_that_cannot_start_is_not_left_locked(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "runs").write_text("in the way")
    with pytest.raises(OSError):
        Workspace.open(home, SETTINGS)
    (home / "runs").unlink()
    Workspace.open(home, SETTINGS).close()


def test_finished_runs_are_read_once(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages list the runs at every key press: two hundred old ones must not make that slow."""
    version = frozen(small)
    ids = [finished_run(small, version, f"20260101-00000{i}-abcdef") for i in range(3)]
    assert [run.active for run in small.runs()] == [False] * 3
    asked: list[str] = []
    monkeypatch.setattr(small.runner, "state", asked.append)
    monkeypatch.setattr(small.runner, "config", asked.append)
    runs = version.project.runs()
    assert {run.id for run in runs} == set(ids)
    assert not any(run.active for run in runs)
    assert asked == []
    monkeypatch.undo()
    small.delete_run(ids[0])
    assert len(small.runs()) == 2
    with pytest.raises(NotFoundError):
        small.run(ids[0])


@pytest.mark.parametrize("killed_at", ["create_project", "import_file", "freeze", "submit", "set_preference"])
def test_a_first_start_that_is_killed_goes_on_at_the_next_one(tmp_path, monkeypatch, killed_at):
    """Each step fails once in the second sample project, as if the process had been killed there."""
    owner = Workspace if hasattr(Workspace, killed_at) else Project
    submitted: list[int] = []

    def submit(self: Workspace, config: RunConfig, version: Version) -> str:
        submitted.append(config.project_id)
        return "r"

    monkeypatch.setattr(Workspace, "submit", submit)
    monkeypatch.setattr(Workspace, "run", lambda self, run_id: None)
    monkeypatch.setattr("core.workspace.install_scenarios", lambda workspace: None)
    real, calls = getattr(owner, killed_at), []

    def killed(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 2 + (killed_at == "set_preference"):
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(owner, killed_at, killed)
    with pytest.raises(KeyboardInterrupt):
        Workspace.demo(tmp_path / "home", SETTINGS)
    with Workspace.demo(tmp_path / "home", SETTINGS) as workspace:
        found = workspace.projects()
        assert len({project.name for project in found}) == len(found) == 5
        assert all(len(project.versions()) == 1 and project.count() > 200 for project in found)
        assert set(submitted) == {project.id for project in found}
        for project in found:
            project.delete()
    with Workspace.demo(tmp_path / "home", SETTINGS) as workspace:
        assert workspace.projects() == [], "whoever deletes the samples does not find them again"


def test_a_damaged_run_record_is_named_and_takes_nothing_else_down(home):
    with Workspace.open(home, SETTINGS) as workspace:
        (home / "runs" / "broken").mkdir(parents=True)
        (home / "runs" / "broken" / "config.json").write_text("{broken")
        assert workspace.runs() == []
        assert any("broken cannot be read" in warning for warning in workspace.warnings)


def test_a_model_without_weights_says_so_whatever_it_is_asked(small: Workspace) -> None:
    version = frozen(small)
    whole = small.model(finished_run(small, version))
    lean = small.model(finished_run(small, version, "20260101-000001-abcdef"))
    assert small.remove_weights(lean.id)
    pair, writer = (Model(small, lean.info.model_copy(update={"task": task})) for task in ("pair", "generation"))
    of_pairs = Model(small, whole.info.model_copy(update={"task": "pair"}))
    for asked in (
        lambda: lean.predict(["a"]),
        lambda: pair.search(["a"], ["b"]),
        lambda: of_pairs.search(["a"], ["b"], rerank_with=pair),
        lambda: writer.write("a", lambda said: True),
        lambda: ProjectSource(version.project).scores(lean.id, ["a"]),
        lambda: version.project.promote(lean.id),
    ):
        with pytest.raises(ModelError, match="removed to save space"):
            asked()
