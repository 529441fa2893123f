"""The label schema: names, keys, colours, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.errors import InputError, RefusedError
from core.project import Project


def test_keys_are_digits_then_letters_without_collision(project: Project) -> None:
    project.add_labels([f"label {i}" for i in range(20)])
    keys = [label.key for label in project.labels]
    assert keys[:10] == list("1234567890")
    assert len(set(keys)) == len(keys)
    assert not set(keys) & set("crus")


def test_more_labels_than_keys_still_work(project: Project) -> None:
    project.add_labels([f"label {i}" for i in range(148)])
    assert len(project.labels) == 150
    assert project.labels[-1].key == ""
    assert project.labels[-1].colour.startswith("#")


@pytest.mark.parametrize("name", ["", "   ", "\u200b", "a\u200bb", "re\u202efund", "x" * 101, "a\x00b"])
def test_names_nobody_can_tell_apart_are_refused(project: Project, name: str) -> None:
    with pytest.raises(InputError):
        project.add_label(name)
    assert len(project.labels) == 2


@pytest.mark.parametrize("name", ["<b>bold</b>", ":red[x]", "'; DROP TABLE labels; --", "../up", "退款", "מוחזר"])
def test_any_visible_name_is_kept_as_it_is(project: Project, name: str) -> None:
    assert project.add_label(name).name == name
    assert project.label_named(name).name == name


def test_taken_names_and_keys_are_refused(project: Project) -> None:
    with pytest.raises(InputError, match="already"):
        project.add_label("refund")
    with pytest.raises(InputError, match="already"):
        project.rename_label("delivery", "refund")
    with pytest.raises(InputError, match="belongs to"):
        project.edit_label("delivery", key="1")
    with pytest.raises(InputError, match="cannot be the key"):
        project.edit_label("delivery", key="c")
    with pytest.raises(InputError, match="itself"):
        project.merge_labels("refund", "refund")


def test_used_label_is_not_removed(project: Project, add: Callable[..., list[int]]) -> None:
    add(2, labelled=2)
    with pytest.raises(RefusedError, match="1 items"):
        project.remove_label("refund")
    project.add_label("spare")
    project.remove_label("spare")
    assert [label.name for label in project.labels] == ["refund", "delivery"]


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "url(x)", "#12345g"])
def test_only_colours_are_colours(project: Project, colour: str) -> None:
    with pytest.raises(InputError, match="not a colour"):
        project.add_label("new", colour=colour)
    with pytest.raises(InputError, match="not a colour"):
        project.edit_label("refund", colour=colour)
    assert project.edit_label("refund", colour="#ABCDEF").colour == "#ABCDEF"


def test_label_that_stands_for_merged_ones_is_in_use(project: Project, add: Callable[..., list[int]]) -> None:
    ids = add(1, labelled=1)
    project.merge_labels("refund", into="delivery")
    with pytest.raises(RefusedError, match="1 items"):
        project.remove_label("delivery")
    project.exclude(ids)
    with pytest.raises(RefusedError, match="1 items"):
        project.remove_label("delivery")


def test_changes_of_one_handle_survive_another(project: Project) -> None:
    other = project.workspace.project(project.id)
    project.update(guidelines="Read twice.")
    other.update(name="Support mails")
    fresh = project.workspace.project(project.id)
    assert (fresh.name, fresh.info.guidelines) == ("Support mails", "Read twice.")


def test_a_change_that_is_refused_in_one_point_changes_nothing(project: Project) -> None:
    taken = project.labels[1].key
    with pytest.raises(InputError):
        project.change_label("refund", "money back", key=taken, description="new")
    assert [label.name for label in project.labels] == ["refund", "delivery"]
    changed = project.change_label("refund", "money back", key="m", description="new")
    assert (changed.name, changed.key, changed.description) == ("money back", "m", "new")
