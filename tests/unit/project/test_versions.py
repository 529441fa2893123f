"""Freezing: shares, seeds, duplicates that must not straddle, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data import versions as files
from core.errors import InputError, RefusedError
from core.project import Project
from core.training.run_folder import RunFolder
from core.workspace import Workspace


def fill(project: Project, per_label: int = 20) -> None:
    project.add_items(
        {"text": f"{label} {i}", "label": label} for label in ("refund", "delivery") for i in range(per_label)
    )


def test_split_is_stratified_seeded_and_frozen(project: Project) -> None:
    fill(project)
    first, again, other = project.freeze(seed=0), project.freeze(seed=0), project.freeze(seed=1)
    assert first.counts["test"] == {"refund": 4, "delivery": 4}
    assert first.counts["dev"] == {"refund": 2, "delivery": 2}
    assert first.hash == again.hash != other.hash
    assert [version.number for version in project.versions()] == [3, 2, 1]
    before = (first.path / "train.parquet").read_bytes()
    project.label(project.item_ids()[0], "delivery", user="ann")
    project.rename_label("refund", "money")
    assert (first.path / "train.parquet").read_bytes() == before
    assert project.version(first.id).labels == ["refund", "delivery"]


def test_texts_that_differ_in_case_only_stay_together(project: Project) -> None:
    rows = [{"text": text, "label": "refund" if i % 2 else "delivery"} for i in range(30)
            for text in (f"Hello {i}", f"hello  {i}!")]  # fmt: skip
    project.add_items(rows)
    version = project.freeze(test=0.3, dev=0.2)
    place: dict[str, str] = {}
    for split in ("train", "dev", "test"):
        for text in files.read_split(version.path, split).texts:
            key = text.lower().replace(" ", "").rstrip("!")
            assert place.setdefault(key, split) == split


def test_too_few_examples_are_refused_with_counts_and_a_way_out(project: Project) -> None:
    fill(project)
    project.add_items([{"text": "odd one", "label": "rare"}])
    with pytest.raises(RefusedError, match="rare: 1") as caught:
        project.freeze()
    assert "merge" in caught.value.hint
    assert not project.versions()
    assert project.freeze(labels=["refund", "delivery"]).labels == ["refund", "delivery"]


def test_one_class_or_none_is_refused(project: Project) -> None:
    with pytest.raises(RefusedError, match="Nothing is labelled"):
        project.freeze()
    project.add_items({"text": f"t {i}", "label": "refund"} for i in range(9))
    with pytest.raises(RefusedError, match="two classes"):
        project.freeze()


def test_imported_split_is_used_and_dev_comes_out_of_train(project: Project) -> None:
    project.add_items(
        {"text": f"{label} {i}", "label": label, "split": "test" if i < 5 else "train"}
        for label in ("refund", "delivery")
        for i in range(25)
    )
    version = project.freeze(split="imported", dev=0.1, seed=0)
    assert version.rows("test") == 10
    assert version.rows("dev") == 4
    assert version.rows("train") == 36


def test_imported_split_without_test_is_refused(project: Project) -> None:
    fill(project)
    with pytest.raises(RefusedError):
        project.freeze(split="imported")
    with pytest.raises(InputError, match="no split"):
        project.freeze(split="elsewhere")


def test_label_in_test_that_train_lacks_is_refused(project: Project) -> None:
    fill(project)
    project.add_items({"text": f"new {i}", "label": "unseen", "split": "test"} for i in range(4))
    with pytest.raises(RefusedError, match="unseen"):
        project.freeze(split="imported")


def test_excluded_items_are_left_out(project: Project) -> None:
    fill(project)
    project.exclude(project.item_ids()[:10])
    assert sum(project.freeze().rows(split) for split in ("train", "dev", "test")) == 30


def test_texts_without_a_label_are_frozen_along(project: Project) -> None:
    fill(project)
    held_back = files.read_split(project.freeze().path, "test").texts[0]
    project.add_items([{"text": text} for text in ("open one", "open two", "junk", f" {held_back.upper()}!", "three")])
    project.add_items([{"text": "kept for the test", "split": "test"}])
    open_ids = project.item_ids()[40:]
    project.exclude([open_ids[2]])
    project.flag(open_ids[4], "what is this?", user="ann")
    version = project.freeze()
    assert files.read_split(version.path, "unlabelled").texts == ["open one", "open two"]
    assert version.rows("unlabelled") == 2 and version.rows("train") == 28
    run = project.configure(version, "baseline", None, "auto", {})
    folder = RunFolder.create(project.workspace.path / "elsewhere", run.model_copy(update={"id": "r1"}), version.path)
    assert list(folder.data().unlabelled) == ["open one", "open two"]


def test_of_many_texts_without_a_label_some_are_drawn_by_the_seed(project: Project) -> None:
    fill(project)
    project.add_items([{"text": f"open {i}"} for i in range(50)])
    first, again, other = (project.freeze(unlabelled=10, seed=seed) for seed in (0, 0, 1))
    drawn = [files.read_split(version.path, "unlabelled").texts for version in (first, again, other)]
    assert len(drawn[0]) == 10 and drawn[0] == drawn[1] != drawn[2] and first.hash == again.hash
    assert project.freeze(unlabelled=0).rows("unlabelled") == 0
    project.add_items([{"text": f"held back {i}", "split": "test"} for i in range(200)])
    assert project.freeze(unlabelled=50).rows("unlabelled") == 50, "what an import holds back is not drawn first"
    assert project.freeze(labels=["refund", "delivery"]).rows("unlabelled") == 0


def test_snapshot_says_what_it_is(project: Project) -> None:
    fill(project)
    version = project.freeze(test=0.25, dev=0.15, seed=7)
    record = json.loads((Path(version.path) / "version.json").read_text(encoding="utf-8"))
    assert record["options"]["seed"] == 7
    assert record["hash"] == version.hash


def test_a_worker_is_made_ready_for_the_run_on_a_new_version(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(project)
    asked: list[int] = []
    monkeypatch.setattr(project.workspace.runner, "expect", lambda: asked.append(1))
    project.freeze()
    assert asked == [1]


@pytest.mark.parametrize(
    "wrong", [{"test": 0.0}, {"test": float("nan")}, {"dev": -0.1}, {"seed": -1}, {"seed": 2**40}, {"test": 1.0}]
)
def test_shares_and_seeds_that_make_no_sense_are_refused(project: Project, wrong: dict[str, Any]) -> None:
    fill(project)
    with pytest.raises(InputError):
        project.freeze(**wrong)
    assert project.versions() == []


def test_what_the_schema_says_about_labels_reaches_the_run(project: Project) -> None:
    fill(project)
    project.edit_label("refund", description="Money is to come back.", example="Refund me")
    version = project.freeze()
    project.edit_label("refund", description="Changed since.")
    assert version.label_help["refund"].description == "Money is to come back."
    assert set(version.label_help) == {"refund"}
    config = project.configure(version, "baseline", None, "auto", {})
    assert config.label_help == version.label_help


def test_labels_that_change_after_a_freeze_leave_the_version_and_its_runs_alone(
    project: Project, workspace: Workspace
) -> None:
    fill(project)
    version = project.freeze()
    names, digest = list(version.labels), version.hash
    assert version.gone_labels == []
    workspace.pause_queue()
    before = project.train(version, method="baseline")
    project.rename_label("refund", "money back")
    project.add_labels(["praise"])
    version = project.version(version.id)
    assert (version.labels, version.hash, version.gone_labels) == (names, digest, ["refund"])
    after = project.train(version, method="baseline", seed=2)
    for run in (before, after):
        data = workspace.runner.folder(run.id).data()
        assert data.labels == names and {data.task.names(value)[0] for value in data.train.values} == set(names)
    assert project.freeze().gone_labels == []
