"""Labeling through the project: what is on disk, what undo brings back, where a person resumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError, NotFoundError, RefusedError
from core.project import Project
from core.records import ItemFilter, Suggestion
from core.workspace import Workspace

Add = Callable[..., list[int]]


def test_label_is_kept_with_all_that_was_known(project: Project, add: Add) -> None:
    item_id = add()[0]
    shown = Suggestion(label="delivery", score=0.75, model="m1")
    project.label(item_id, "refund", user="ann", suggestion=shown, elapsed_ms=1200)
    item = project.item(item_id)
    assert (item.label, item.annotator, item.label_source) == ("refund", "ann", "human")
    event = project.history(item_id)[-1]
    assert (event.suggested, event.suggested_score, event.suggested_by) == ("delivery", 0.75, "m1")
    assert (event.accepted, event.elapsed_ms) == (False, 1200)
    assert project.suggestion_counts() == {"m1": (0, 1)}


def test_newest_label_wins_and_history_stays(project: Project, add: Add) -> None:
    item_id = add()[0]
    project.label(item_id, "refund", user="ann")
    project.label(item_id, "delivery", user="bob")
    assert (project.item(item_id).label, project.item(item_id).annotator) == ("delivery", "bob")
    assert [event.user for event in project.history(item_id)] == ["ann", "bob"]
    assert project.progress().per_label == {"delivery": 1}


def test_unknown_label_and_item_change_nothing(project: Project, add: Add) -> None:
    item_id = add()[0]
    with pytest.raises(InputError, match="'nope' is not a label"):
        project.label(item_id, "nope", user="ann")
    with pytest.raises(NotFoundError):
        project.label(item_id + 999, "refund", user="ann")
    assert project.progress().labelled == 0
    assert not project.history(item_id)


def test_undo_goes_ten_deep_and_restores_what_was_there(project: Project, add: Add) -> None:
    ids = add(12)
    project.label(ids[0], "delivery", user="bob")
    for item_id in ids:
        project.label(item_id, "refund", user="ann")
    brought_back = [item.id for _ in range(12) if (item := project.undo("ann"))]
    assert brought_back == ids[::-1]
    assert project.progress().labelled == 1
    assert (project.item(ids[0]).label, project.item(ids[0]).annotator) == ("delivery", "bob")
    assert project.undo("ann") is None


def test_undo_shows_the_item_again(project: Project, add: Add) -> None:
    ids = add(3)
    project.label(ids[0], "refund", user="ann")
    project.skip(ids[1], user="ann")
    undone = project.undo("ann")
    assert undone is not None
    assert undone.id == ids[1]
    following = project.next_item("ann")
    assert following is not None
    assert following.id == ids[1]


def test_person_resumes_exactly_where_they_stopped(workspace: Workspace, project: Project, add: Add) -> None:
    ids = add(8)
    project.go_to(ids[4], user="ann")
    project.label(ids[4], "refund", user="ann")
    project.skip(ids[5], user="ann")
    home = workspace.path
    workspace.close()
    with Workspace.open(home, workspace.settings) as again:
        project = again.project(project.id)
        resumed = project.next_item("ann")
        assert resumed is not None
        assert resumed.id == ids[6]
        assert project.progress("ann").skipped == 1
        other = project.next_item("bob")
        assert other is not None
        assert other.id == ids[0]


def test_go_to_survives_a_restart(workspace: Workspace, project: Project, add: Add) -> None:
    ids = add(4)
    project.label(ids[2], "refund", user="bob")
    project.go_to(ids[2], user="ann")
    workspace.close()
    with Workspace.open(workspace.path, workspace.settings) as again:
        shown = again.project(project.id).next_item("ann")
        assert shown is not None
        assert (shown.id, shown.label) == (ids[2], "refund")


def test_flags_carry_a_note(project: Project, add: Add) -> None:
    ids = add(2)
    project.flag(ids[0], "is this ours?", user="ann")
    assert project.item(ids[0]).flag == "is this ours?"
    assert [item.id for item in project.items(ItemFilter(flagged=True))] == [ids[0]]
    project.unflag(ids[0], user="bob")
    assert project.item(ids[0]).flag is None
    assert project.progress().flagged == 0


def test_bulk_label_and_filters(project: Project, add: Add) -> None:
    ids = add(6, labelled=2)
    assert project.bulk_label(ids[2:4], "refund", user="ann") == 2
    assert project.count(ItemFilter(labels=("refund",))) == 3
    assert project.count(ItemFilter(labelled=False)) == 2
    assert project.count(ItemFilter(annotators=("ann",))) == 2
    assert project.count(ItemFilter(text="TEXT 5")) == 1
    assert project.count(ItemFilter(text="' OR 1=1; DROP TABLE items; --")) == 0
    assert project.count() == 6


def test_rename_and_merge_touch_no_event(project: Project, add: Add) -> None:
    ids = add(4, labelled=4)
    events = [len(project.history(i)) for i in ids]
    project.rename_label("refund", "money back", user="ann")
    assert project.item(ids[0]).label == "money back"
    project.merge_labels("money back", into="delivery", user="ann")
    assert {project.item(i).label for i in ids} == {"delivery"}
    assert project.count(ItemFilter(labels=("delivery",))) == 4
    assert project.progress().per_label == {"delivery": 4}
    assert [event.kind for event in project.schema_events()] == ["merge", "rename", "add", "add"]
    assert [len(project.history(i)) for i in ids] == events


def test_pace_counts_answers_a_minute(project: Project, add: Add) -> None:
    for item_id in add(5):
        project.label(item_id, "refund", user="ann")
    pace = project.progress("ann").per_minute
    assert pace is not None
    assert pace > 60


def test_undo_reaches_past_what_cannot_be_undone(project: Project, add: Add) -> None:
    ids = add(24)
    for item_id in ids[:3]:
        project.label(item_id, "refund", user="ann")
    for item_id in ids[3:15]:
        project.go_to(item_id, user="ann")
    project.bulk_label(ids[12:], "delivery", user="ann")
    undone = project.undo("ann")
    assert undone is not None
    assert (undone.id, undone.label) == (ids[2], None)


def test_skipped_items_stay_aside_when_the_project_changes(project: Project, add: Add) -> None:
    ids = add(4)
    project.skip(ids[0], user="ann")
    project.skip(ids[1], user="ann")
    project.add_items([{"text": "came later"}])
    project.label(ids[2], "refund", user="ann")
    project.label(ids[3], "refund", user="ann")
    last = project.next_item("ann")
    assert last is not None
    assert last.text == "came later"
    project.label(last.id, "refund", user="ann")
    assert project.next_item("ann") is None
    assert project.progress("ann").skipped == 2


def test_skipped_items_brought_back_stay_back(project: Project, add: Add) -> None:
    ids = add(2)
    project.skip(ids[0], user="ann")
    project.label(ids[1], "refund", user="ann")
    project.forget_skipped("ann")
    project.add_items([{"text": "came later"}])
    assert project.progress("ann").skipped == 0
    project.label(project.item_ids()[2], "refund", user="ann")
    following = project.next_item("ann")
    assert following is not None
    assert following.id == ids[0]


def test_item_taken_out_by_cleaning_is_not_shown(project: Project, add: Add) -> None:
    ids = add(3)
    project.label(ids[0], "refund", user="ann")
    project.exclude([ids[0]], user="bob")
    with pytest.raises(RefusedError, match="taken out"):
        project.go_to(ids[0], user="ann")
    undone = project.undo("ann")
    assert undone is not None
    assert (undone.id, undone.label, undone.excluded) == (ids[0], None, True)
    following = project.next_item("ann")
    assert following is not None
    assert following.id == ids[1]


def test_undo_brings_no_removed_label_back(project: Project, add: Add) -> None:
    """A label that an undo could bring back, or that another was merged into, is still in use."""
    ids = add(3)
    project.add_label("spare")
    project.label(ids[0], "spare", user="ann")
    project.label(ids[0], "refund", user="ann")
    project.remove_label("spare", user="bob")
    undone = project.undo("ann")
    assert undone is not None
    assert undone.label is None
    assert project.progress().labelled == 0
    assert project.count(ItemFilter(labelled=True)) == 0


def test_labels_imported_with_their_annotator_are_not_undone(project: Project, add: Add, tmp_path: Path) -> None:
    ids = add(3)
    project.label(ids[0], "refund", user="ann")
    project.export(tmp_path / "all.jsonl", "jsonl")
    other = project.workspace.create_project("Copy")
    other.import_file(tmp_path / "all.jsonl", text="text", label="label")
    assert other.annotators() == {"ann": 1}
    assert other.undo("ann") is None
    assert other.progress().labelled == 1


def test_item_taken_out_by_cleaning_takes_no_label(project: Project, add: Add) -> None:
    ids = add(3)
    batch = project.exclude(ids[:1], user="bob")
    with pytest.raises(InputError, match=rf"Item {ids[0]} was taken out by cleaning \(by hand\)") as caught:
        project.label(ids[0], "refund", user="ann")
    assert "Clean" in caught.value.hint
    with pytest.raises(InputError, match="taken out"):
        project.bulk_label(ids, "refund", user="ann")
    assert project.progress().labelled == 0
    assert not project.history(ids[0])
    project.undo_cleaning(batch.id)
    project.label(ids[0], "refund", user="ann")
    assert project.progress().labelled == 1


def test_bulk_step_is_undone_as_a_whole(project: Project, add: Add) -> None:
    """What stood before comes back, what came later stays, and nobody's own undo is touched."""
    ids = add(6)
    project.label(ids[0], "delivery", user="bob")
    project.bulk_label(ids[:4], "refund", user="ann")
    project.bulk_label(ids[4:], "refund", user="ann")
    project.label(ids[1], "delivery", user="bob")
    second, first = project.bulk_steps()
    assert [(step.label, step.items, step.user, step.undone) for step in (first, second)] == [
        ("refund", 4, "ann", False),
        ("refund", 2, "ann", False),
    ]
    assert project.undo_bulk(first.id, user="eve") == 4
    assert [project.item(i).label for i in ids] == ["delivery", "delivery", None, None, "refund", "refund"]
    assert project.progress().per_label == {"delivery": 2, "refund": 2}
    assert [step.undone for step in project.bulk_steps()] == [False, True]
    for step_id in (first.id, project.history(ids[0])[0].id, 999):
        with pytest.raises(NotFoundError, match="bulk step"):
            project.undo_bulk(step_id, user="eve")
    assert project.undo("eve") is None
    undone = project.undo("bob")
    assert undone is not None
    assert (undone.id, undone.label) == (ids[1], None)


def test_undone_bulk_step_brings_no_removed_label_back(project: Project, add: Add) -> None:
    ids = add(3)
    project.add_label("spare")
    project.bulk_label(ids[:2], "spare", user="ann")
    project.bulk_label(ids, "refund", user="ann")
    project.remove_label("spare")
    newest, _ = project.bulk_steps()
    project.undo_bulk(newest.id, user="ann")
    assert project.progress().labelled == 0
    assert project.count(ItemFilter(labelled=True)) == 0
    assert project.bulk_steps()[1].label is None


def test_bulk_labels_that_came_with_a_file_are_no_step(project: Project, add: Add, tmp_path: Path) -> None:
    project.bulk_label(add(3), "refund", user="ann")
    project.export(tmp_path / "all.jsonl", "jsonl")
    other = project.workspace.create_project("Copy")
    other.import_file(tmp_path / "all.jsonl", text="text", label="label")
    assert [item.label_source for item in other.items()] == ["bulk"] * 3
    assert other.bulk_steps() == []
