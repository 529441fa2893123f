"""Importing and freezing while people label: nobody waits, and at the end all of it is there, or nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from core.data import importing, versions
from core.errors import InputError, NotFoundError, RefusedError
from core.project import Project
from core.storage import imports
from core.workspace import Workspace

Add = Callable[..., list[int]]


class Stopped:
    """Holds work in another thread at one place until the block ends."""

    def __init__(self) -> None:
        self.there, self.go_on = threading.Event(), threading.Event()
        self.error: Exception | None = None

    def here(self) -> None:
        self.there.set()
        assert self.go_on.wait(30)


@contextmanager
def held_up(work: Callable[[], object], stop: Stopped) -> Iterator[Stopped]:
    """Run ``work`` in a thread and enter the block when it has reached the place where ``stop.here`` is called."""

    def run() -> None:
        try:
            work()
        except Exception as error:
            stop.error = error

    thread = threading.Thread(target=run)
    thread.start()
    assert stop.there.wait(30)
    try:
        yield stop
    finally:
        stop.go_on.set()
        thread.join(30)


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "many.csv"
    path.write_text("text,label\n" + "".join(f"row {i},{'late' if i % 2 else ''}\n" for i in range(20)), "utf-8")
    return path


@pytest.fixture
def slow_insert(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    """Imports stop when their rows are written but nobody can see them yet."""
    stop, insert = Stopped(), imports.insert_staged

    def stopped(*arguments: Any) -> imports.InsertCounts:
        counts = insert(*arguments)
        if any(str(argument).endswith(".csv") for argument in arguments):
            stop.here()
        return counts

    monkeypatch.setattr(imports, "insert_staged", stopped)
    return stop


def in_time(work: Callable[[], object]) -> bool:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(10)
    return not thread.is_alive()


def test_labeling_goes_on_while_an_import_is_stored(
    workspace: Workspace, project: Project, add: Add, csv: Path, slow_insert: Stopped
) -> None:
    ids = add(3)
    other = workspace.create_project("Other", labels=["a"])
    other.add_items([{"text": "elsewhere"}])
    with held_up(lambda: project.import_file(csv, label="label"), slow_insert) as stop:
        assert in_time(lambda: project.label(ids[0], "refund", user="ann"))
        assert in_time(lambda: other.label(other.item_ids()[0], "a", user="ann"))
        assert in_time(lambda: other.add_label("b"))
        assert in_time(lambda: workspace.create_project("Meanwhile"))
        assert (project.count(), project.progress().labelled) == (3, 1)
        assert [label.name for label in project.labels] == ["refund", "delivery"]
    assert stop.error is None
    progress = project.progress()
    assert (progress.total, progress.labelled, progress.per_label) == (23, 11, {"late": 10, "refund": 1})
    assert [item.position for item in project.items()] == list(range(23))
    shown = project.next_item("ann")
    assert shown is not None
    assert shown.id == ids[1]
    assert project.count() == 23


def test_the_schema_waits_for_an_import_that_counts_on_it(
    project: Project, add: Add, tmp_path: Path, slow_insert: Stopped
) -> None:
    """A label removed in between would leave the imported rows with one that does not exist."""
    add(2)
    path = tmp_path / "a.csv"
    path.write_text("text,label\nlate,delivery\n", encoding="utf-8")
    refused: list[Exception] = []

    def remove() -> None:
        try:
            project.remove_label("delivery")
        except RefusedError as error:
            refused.append(error)

    with held_up(lambda: project.import_file(path, label="label"), slow_insert):
        waiting = threading.Thread(target=remove)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join(20)
    assert refused
    assert project.items()[-1].label == "delivery"


def test_an_import_into_a_project_deleted_meanwhile_leaves_nothing(
    workspace: Workspace, project: Project, csv: Path, slow_insert: Stopped
) -> None:
    with held_up(lambda: project.import_file(csv, label="label"), slow_insert) as stop:
        project.delete()
    assert isinstance(stop.error, NotFoundError)
    for table in ("items", "item_texts", "label_events", "imports", "labels"):
        assert workspace.database.read(f"SELECT count(*) FROM {table}") == [(0,)], table


def test_a_backup_and_a_restore_meet_an_import(
    workspace: Workspace, project: Project, add: Add, csv: Path, slow_insert: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.workspace.RESTORE_PATIENCE", 0.05)
    copy = workspace.backup()
    with held_up(lambda: project.import_file(csv), slow_insert), pytest.raises(RefusedError, match="being stored"):
        workspace.restore(copy)
    assert project.count() == 20
    workspace.restore(copy)
    assert project.count() == 0


def test_kill_in_an_import_leaves_nothing_of_it(tmp_path: Path, csv: Path) -> None:
    code = (
        "import os, sys; from core.settings import Settings; from core.workspace import Workspace\n"
        "from core.project.data import ProjectData\n"
        "w = Workspace.open(sys.argv[1], Settings(offline=True)); p = w.create_project('P', labels=['a'])\n"
        "p.add_items([{'text': 'before'}]); i = p.item_ids()[0]\n"
        "read = ProjectData._read_board\n"
        "def killed(self, since=0, bare=False):\n"
        "    if since < 2: return read(self, since, bare)\n"
        "    import threading; w.database._marks_written = 0.0\n"
        "    t = threading.Thread(target=w.create_project, args=('Q',)); t.start(); t.join()\n"
        "    os.kill(os.getpid(), 9)\n"
        "p.label(i, 'a', user='ann')\n"
        "ProjectData._read_board = killed\n"
        "p.import_file(sys.argv[2], label='label')"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "home"), str(csv)]
    assert subprocess.run(arguments, timeout=120, check=False).returncode == -9
    with Workspace.open(tmp_path / "home") as workspace:
        assert [project.name for project in workspace.projects()] == ["P", "Q"]
        project = workspace.projects()[0]
        assert [(item.text, item.label) for item in project.items()] == [("before", "a")]
        assert [label.name for label in project.labels] == ["a"]
        assert project.imports()[0].filename == "api"
        assert len(project.imports()) == 1
        assert project.import_file(csv, label="label").added == 20


# ---------------------------------------------------------------- rows of a program


def test_rows_of_a_program_need_no_process(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing.subprocess, "Popen", None)
    report = project.add_items(
        [{"text": "one", "label": "refund", "split": "val", "id": 7, "tags": ["a", 1], "n": 1.5, "none": None}]
    )
    assert (report.added, report.labelled, report.rejected) == (1, 1, [])
    item = project.items()[0]
    assert (item.label, item.split, item.external_id, item.source) == ("refund", "dev", "7", "api")
    assert item.meta == {"tags": '["a", 1]', "n": "1.5"}


def test_rows_of_a_program_are_checked_like_a_file(project: Project) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "fine"},
        {"text": "  "},
        {"text": "nul \0"},
        {"text": "x" * 1_000_001},
        {"text": "half \ud800"},
        {"text": "when", "at": datetime(2026, 1, 1)},
        {"text": "where", "split": "elsewhere"},
        {"text": "what", "label": "in\u200bvisible"},
        {"text": " fine "},
    ]
    report = project.add_items(rows)
    assert (report.added, report.duplicates) == (1, 1)
    assert [row.row for row in report.rejected] == [2, 3, 4, 5, 6, 7, 8]
    assert [label.name for label in project.labels] == ["refund", "delivery"]
    half = project.add_items([{"text": "\ud800"}])
    assert half.added == 0 and "half a character" in half.rejected[0].reason, "the column is there, the text is not"
    with pytest.raises(InputError, match="no column 'text'"):
        project.add_items([{"words": "fine"}])
    with pytest.raises(InputError):
        project.add_items([])


def test_what_is_added_counts_without_reading_the_project_again(project: Project, add: Add) -> None:
    ids = add(4, labelled=2)
    project.next_item("ann")
    project.skip(ids[2], user="ann")
    project.add_items([{"text": "new", "label": "refund"}, {"text": "newer", "label": "fresh"}, {"text": "newest"}])
    added = project.progress("ann")
    project._changed(items=True)
    assert added == project.progress("ann")
    assert (added.total, added.labelled, added.skipped) == (7, 4, 1)
    assert added.per_label == {"refund": 2, "delivery": 1, "fresh": 1}


def test_feedback_comes_first_but_takes_nothing_out_of_a_hand(project: Project, add: Add) -> None:
    ids = add(3)
    shown = project.next_item("ann")
    project.add_items([{"text": "the answer was wrong"}], source="feedback: customer service", user="visitor")
    feedback = project.item_ids()[-1]
    again = project.next_item("ann")
    assert shown is not None
    assert again is not None
    assert again.id == shown.id == ids[0]
    other = project.next_item("bob")
    assert other is not None
    assert (other.id, other.source) == (feedback, "feedback: customer service")
    project.label(feedback, "refund", user="bob")
    following = project.next_item("bob")
    assert following is not None
    assert following.id == ids[1]
    project.add_items([{"text": "wrong again"}], source="feedback: customer service")
    project._changed(items=True)  # as after a restart
    first = project.next_item("eve")
    assert first is not None
    assert first.text == "wrong again"


# ---------------------------------------------------------------- freezing


def test_labeling_goes_on_while_a_version_is_written(
    project: Project, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = add(24, labelled=20)
    stop, write = Stopped(), versions.write_version

    def stopped(*arguments: Any, **named: Any) -> Any:
        stop.here()
        return write(*arguments, **named)

    monkeypatch.setattr(versions, "write_version", stopped)
    with held_up(project.freeze, stop):
        assert in_time(lambda: project.label(ids[20], "refund", user="ann"))
        assert in_time(lambda: project.label(ids[0], "delivery", user="ann"))
        assert in_time(lambda: project.rename_label("refund", "money"))
    assert stop.error is None
    version = project.versions()[0]
    assert version.labels == ["refund", "delivery"]
    assert sum(version.rows(split) for split in ("train", "dev", "test")) == 20
    frozen = [versions.read_split(version.path, split) for split in ("train", "dev", "test")]
    assert {i: v for rows in frozen for i, v in zip(rows.ids, rows.values, strict=True)}[ids[0]] == "refund"


def test_versions_frozen_at_once_get_numbers_of_their_own(project: Project, add: Add) -> None:
    add(24, labelled=20)
    threads = [threading.Thread(target=project.freeze) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [version.number for version in project.versions()] == [3, 2, 1]


def test_a_version_of_a_project_deleted_meanwhile_leaves_no_folder(
    workspace: Workspace, project: Project, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(24, labelled=20)
    write = versions.write_version

    def delete_after(*arguments: Any, **named: Any) -> Any:
        written = write(*arguments, **named)
        with project._held():
            project._state.deleted = True
        return written

    monkeypatch.setattr(versions, "write_version", delete_after)
    with pytest.raises(NotFoundError):
        project.freeze()
    assert list((workspace.path / "versions").iterdir()) == []
