"""The labeling desk: one key labels, saves and goes on, and never touches a text that nobody has read."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from core.errors import StorageError
from core.project import Project
from core.records import Suggestion
from core.workspace import Workspace

Open = Callable[..., AppTest]
SUGGESTION = Suggestion(label="delivery", score=0.81, model="m1")


def button(app: AppTest, key: str) -> Button:
    return next(b for b in app.button if b.key == key)


def texts(app: AppTest) -> list[str]:
    return [m.value.removeprefix("##### ") for m in app.markdown if m.value.startswith("##### ")]


def label_keys(app: AppTest, item_id: int) -> list[str]:
    return [b.key for b in app.button if b.key and b.key.startswith(f"label_{item_id}_")]


def test_a_press_labels_saves_and_shows_the_next_text(open_page: Open, project: Project) -> None:
    first, second, _ = project.items()
    app = open_page("annotate")
    assert texts(app) == [first.text]
    refund = project.labels[0]
    button(app, f"label_{first.id}_{refund.id}").click().run()
    assert project.item(first.id).label == "refund"
    assert texts(app)[0].startswith("Where is my parcel")
    assert any("Saved" in caption.value for caption in app.caption)
    event = project.history(first.id)[-1]
    assert (event.user, event.source) == ("ann", "human")
    assert event.elapsed_ms is not None and event.elapsed_ms >= 0
    assert label_keys(app, second.id) and not label_keys(app, first.id)


def test_a_late_second_press_is_booked_on_no_text(open_page: Open, project: Project) -> None:
    """The press is sent while the first text is still on screen and arrives after the second was shown."""
    first, second, _ = project.items()
    refund, delivery = project.labels
    app = open_page("annotate")
    early = button(app, f"label_{first.id}_{refund.id}")
    late = button(app, f"label_{first.id}_{delivery.id}")
    early.click().run()
    late.click()
    app.run()
    assert project.item(first.id).label == "refund"
    assert project.item(second.id).label is None
    assert project.progress().labelled == 1


def test_two_presses_in_one_message_give_one_answer(open_page: Open, project: Project) -> None:
    first, second, _ = project.items()
    app = open_page("annotate")
    for label in project.labels:
        button(app, f"label_{first.id}_{label.id}").click()
    app.run()
    assert project.progress().labelled == 1
    assert project.item(second.id).label is None
    assert len([e for e in project.history(first.id) if e.kind == "label"]) == 1


def test_every_widget_of_the_card_belongs_to_its_item(open_page: Open, project: Project) -> None:
    """A constant key would let Streamlit hand a late press to the next text."""
    first = project.items()[0]
    app = open_page("annotate")
    on_card = [b.key or "" for b in app.button if b.proto.shortcut]
    assert on_card and all(str(first.id) in key.split("_") for key in on_card)


def test_shortcuts_do_not_collide(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Many", labels=[f"label {n}" for n in range(150)])
    project.add_items([{"text": "one"}], user="ann")
    app = open_page("annotate", project=str(project.id))
    shortcuts = [b.proto.shortcut for b in app.button if b.proto.shortcut]
    assert len(shortcuts) > 50 and len(shortcuts) == len(set(shortcuts))
    app.selectbox(key=f"find_{project.items()[0].id}").select("label 149").run()
    assert project.items()[0].label == "label 149"


def test_suggestion_is_accepted_and_recorded(
    open_page: Open, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Project, "suggest", lambda self, ids: {i: [SUGGESTION] for i in ids})
    first = project.items()[0]
    app = open_page("annotate")
    accept = button(app, f"accept_{first.id}")
    assert "81" in accept.label and accept.proto.shortcut.lower() == "enter"
    accept.click().run()
    event = project.history(first.id)[-1]
    assert (event.suggested, event.suggested_by) == ("delivery", "m1")
    assert event.suggested_score == pytest.approx(0.81)
    assert event.accepted is True
    second = project.items()[1]
    button(app, f"suggestions_{second.id}").click().run()
    assert not [b for b in app.button if b.key and b.key.startswith("accept_")]
    button(app, f"label_{second.id}_{project.labels[0].id}").click().run()
    assert project.history(second.id)[-1].suggested is None, "a hidden suggestion was not shown"


def test_undo_skip_and_coming_back(open_page: Open, project: Project) -> None:
    first, second, third = project.items()
    app = open_page("annotate")
    button(app, f"label_{first.id}_{project.labels[0].id}").click().run()
    button(app, f"undo_{second.id}").click().run()
    assert project.item(first.id).label is None
    assert texts(app) == [first.text]
    button(app, f"skip_{first.id}").click().run()
    button(app, f"label_{second.id}_{project.labels[0].id}").click().run()
    button(app, f"label_{third.id}_{project.labels[1].id}").click().run()
    assert texts(app) == []
    next(b for b in app.button if "skipped" in b.label).click().run()
    assert texts(app) == [first.text]


def test_a_reload_resumes_where_this_person_stopped(open_page: Open, project: Project) -> None:
    first = project.items()[0]
    app = open_page("annotate")
    button(app, f"label_{first.id}_{project.labels[0].id}").click().run()
    shown = texts(app)
    assert texts(open_page("annotate")) == shown
    assert texts(open_page("annotate", **{"as": "bob"})) != shown, "the text is claimed for ann"


def test_a_failed_write_is_loud_and_keeps_the_answer(
    open_page: Open, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.items()[0]
    app = open_page("annotate")
    with monkeypatch.context() as broken:

        def fail(*args: object, **kwargs: object) -> None:
            raise StorageError("The disk is full.", "Free some space.")

        broken.setattr(Project, "label", fail)
        button(app, f"label_{first.id}_{project.labels[0].id}").click().run()
        assert any("refund" in error.value for error in app.error)
        assert project.item(first.id).label is None
    button(app, f"again_{first.id}").click().run()
    assert project.item(first.id).label == "refund"
    assert not app.error


HOSTILE = ["a :red[b] c", "<script>alert(1)</script>", "costs $x$ or $y$", "# title", "![i](http://evil/x.png)"]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_and_labels_are_never_markup(open_page: Open, workspace: Workspace, text: str) -> None:
    project = workspace.create_project("P " + text[:10], labels=[text, "other"])
    project.add_items([{"text": text}], user="ann")
    app = open_page("annotate", project=str(project.id))
    drawn = [m.value for m in app.markdown] + [b.label for b in app.button]
    assert drawn
    for raw in (r":red\[", r"<script", r"\$x", r"!\[i", r"##### #"):
        assert not any(re.search(rf"(?<!\\){raw}", shown) for shown in drawn), raw


def test_long_text_is_plain(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Long", labels=["a", "b"])
    project.add_items([{"text": "**long** " * 200}], user="ann")
    app = open_page("annotate", project=str(project.id))
    assert any(t.value.startswith("**long** **long**") for t in app.text)


def test_go_to_a_text_by_link_and_by_number(open_page: Open, project: Project) -> None:
    third = project.items()[2]
    app = open_page("annotate", item=str(third.id))
    assert texts(app) == [third.text]
    app = open_page("annotate")
    app.number_input[0].set_value(2)
    next(b for b in app.button if b.label == "Show it").click().run()
    assert texts(app) == ["Where is my parcel\\?"]


def test_without_labels_or_texts_the_next_step_is_named(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Empty")
    app = open_page("annotate", project=str(project.id))
    assert [b.label for b in app.button] == ["Define labels"]
    project.add_label("a")
    project.add_label("b")
    assert [b.label for b in open_page("annotate", project=str(project.id)).button] == ["Import texts"]


def test_a_suggestion_on_its_way_holds_its_place_and_is_then_recorded(
    open_page: Open, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project.items()[0]
    monkeypatch.setattr(Project, "suggest", lambda self, ids: {})
    monkeypatch.setattr(Project, "thinking", lambda self, item_id: True)
    app = open_page("annotate")
    waiting = button(app, f"none_{first.id}")
    assert waiting.disabled and "Thinking" in waiting.label
    keys = label_keys(app, first.id)
    monkeypatch.setattr(Project, "suggest", lambda self, ids: {i: [SUGGESTION] for i in ids})
    app.run()
    assert button(app, f"accept_{first.id}") and label_keys(app, first.id) == keys
    button(app, keys[1]).click().run()
    assert project.history(first.id)[-1].accepted is True


def test_a_model_that_has_nothing_to_say_is_not_awaited(open_page: Open, project: Project) -> None:
    app = open_page("annotate")
    assert project.workspace.suggester(project.id).wait(20)
    app.run()
    assert button(app, f"none_{project.items()[0].id}").label == "No suggestion"
