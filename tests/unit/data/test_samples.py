"""Sample files that an empty project can be filled with: they come in whole, as the README of the samples says."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.data.samples import sample_file
from core.settings import Settings
from core.workspace import Workspace


@pytest.mark.parametrize(("task", "rows", "labelled"), [("question_answering", 110, 102), ("generation", 120, 120)])
def test_a_sample_comes_in_whole_and_can_be_frozen(task: str, rows: int, labelled: int, tmp_path: Path) -> None:
    path, columns = sample_file(task) or (Path(), {})
    with Workspace.open(tmp_path, Settings(home=tmp_path, offline=True)) as workspace:
        project = workspace.create_project("Sample", task=task)
        report = project.import_file(path, **columns)  # type: ignore[arg-type]
        assert (report.added, report.labelled, report.rejected) == (rows, labelled, [])
        if task == "question_answering":
            assert project.progress().per_label == {"answer": 84, "no answer": 18}
        assert project.freeze(test=0.2, dev=0.1).id


def test_tasks_with_a_sample_project_need_no_file() -> None:
    assert sample_file("classification") is None
