"""The labeling desk of a project of relations: pairs are marked in plain texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import StorageError
from core.project import Project
from core.records import ItemFilter
from core.workspace import Workspace
from tests.ui.marking import drawn, say

Open = Callable[..., AppTest]


@pytest.fixture
def sentences(workspace: Workspace) -> Project:
    project = workspace.create_project("Who works where", task="relation", labels=["job", "boss"])
    project.import_text("Ann <b> works for Acme.\nBob sleeps.")
    return project


def press(app: AppTest, key: str) -> AppTest:
    return next(b for b in app.button if b.key == key).click().run()


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_pairs_of_a_plain_text_become_items(open_page: Open, sentences: Project, language: str) -> None:
    first, second = sentences.item_ids()
    job = f"label_{first}_{sentences.label_named('job').id}"
    app = open_page("annotate", lang=language)
    say(app, ("mark", 0, 0, -1))
    press(app, job)
    assert not sentences.count(ItemFilter(labelled=True)), "one thing is no pair"
    say(app, ("mark", 6, 6, -2))
    assert [span["name"] for span in drawn(app)["spans"]] == ["1", "2"]
    press(app, job)
    (made,) = sentences.items(ItemFilter(labelled=True))
    assert (made.text, made.label) == ("[E1] Ann [/E1] <b> works for [E2] Acme [/E2].", "job")
    assert drawn(app)["item"] == first and not drawn(app)["spans"], "the same text, for its next pair"
    press(app, f"accept_{first}")
    assert sentences.item(first).excluded and drawn(app)["item"] == second and not app.exception


def pairs(project: Project) -> dict[str, str]:
    return {item.text: item.label for item in project.items(ItemFilter(labelled=True))}


def test_what_is_typed_ahead_of_the_server_relates_the_marks_of_its_moment(open_page: Open, sentences: Project) -> None:
    first, second = sentences.item_ids()
    job, boss = (sentences.label_named(name).id for name in ("job", "boss"))
    app = open_page("annotate")
    assert drawn(app)["relations"] == [{"id": job, "key": "1"}, {"id": boss, "key": "2"}]
    # The browser did not know yet that the first pair was gone: it meant the key, the server decides the kind.
    one, other = [("mark", 0, 0, -1), ("mark", 6, 6, -1)], [("mark", 4, 4, -1), ("mark", 0, 0, -1)]
    say(app, *one, ("relate", 0, 0, job), *other, ("relate", 0, 0, boss), ("relate", 0, 0, 999), ("mark", 5, 5, -1))
    made = {
        "[E1] Ann [/E1] <b> works for [E2] Acme [/E2].": "job",
        "[E2] Ann [/E2] <b> [E1] works [/E1] for Acme.": "boss",
    }
    assert pairs(sentences) == made
    assert [(span["from"], span["name"]) for span in drawn(app)["spans"]] == [(5, "1")]
    events = sentences.progress(user="ann").labelled
    app.run()
    assert sentences.progress(user="ann").labelled == events and pairs(sentences) == made, "made once"
    press(app, f"accept_{first}")
    assert drawn(app)["item"] == first and any("Something is marked here" in one.value for one in app.caption)
    say(app, ("back", 5, 5, 0), ("relate", 0, 0, job))
    assert any("Mark two things first" in one.value for one in app.caption)
    press(app, f"accept_{first}")
    assert drawn(app)["item"] == second and sentences.item(first).excluded
    press(app, f"undo_{second}")
    assert drawn(app)["item"] == first and not sentences.item(first).excluded and pairs(sentences) == made
    press(app, f"accept_{first}")
    press(app, f"skip_{second}")
    press(app, "undo_end")
    assert drawn(app)["item"] == second and sentences.item(first).excluded, "the newest first"
    assert not app.exception


def test_a_key_of_the_same_run_comes_after_the_relations(open_page: Open, sentences: Project) -> None:
    first, second = sentences.item_ids()
    job = sentences.label_named("job").id
    app = open_page("annotate")
    say(app, ("mark", 0, 0, -1), ("mark", 6, 6, -1), ("relate", 0, 0, job), press=f"undo_{first}")
    assert not pairs(sentences) and any("Taken back." in one.value for one in app.caption)
    sentences.go_to(first, user="ann")
    app = open_page("annotate")
    say(app, ("mark", 0, 0, -1), press=f"accept_{first}")
    assert drawn(app)["item"] == first, "Enter does not drop what is marked"
    say(app, ("mark", 6, 6, -1), ("relate", 0, 0, job), press=f"accept_{first}")
    assert list(pairs(sentences).values()) == ["job"] and sentences.item(first).excluded
    assert drawn(app)["item"] == second and any("This text is done" in one.value for one in app.caption)
    say(app, ("mark", 0, 0, -1), ("relate", 0, 0, job), press=f"skip_{second}")
    assert drawn(app)["item"] == second and any("Mark two things first" in one.value for one in app.caption)


def test_a_relation_that_cannot_be_made_leaves_its_marks(open_page: Open, sentences: Project) -> None:
    first, _second = sentences.item_ids()
    job = sentences.label_named("job").id
    ready = [("mark", 0, 0, -1), ("mark", 6, 6, -1), ("relate", 0, 0, job)]
    app = open_page("annotate")
    say(app, *ready)
    sentences.exclude([item.id for item in sentences.items(ItemFilter(labelled=True))])
    say(app, *ready)
    assert not app.exception and not any("Saved" in one.value for one in app.caption)
    assert len(drawn(app)["spans"]) == 2 and drawn(app)["item"] == first


def test_a_relation_waits_for_room_on_the_disk(
    open_page: Open, sentences: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, boss = (sentences.label_named(name).id for name in ("job", "boss"))
    app = open_page("annotate")
    with monkeypatch.context() as full:
        full.setattr(Project, "mark_relation", fails)
        marks = [("mark", 0, 0, -1), ("mark", 6, 6, -1)]
        say(app, *marks, ("relate", 0, 0, job), *reversed(marks), ("relate", 0, 0, boss))
        assert any("disk is full" in one.value for one in app.error) and not pairs(sentences)
    app.run()
    assert sorted(pairs(sentences).values()) == ["boss", "job"] and not app.error
    app.run()
    assert len(pairs(sentences)) == 2


def fails(*_args: object, **_named: object) -> None:
    raise StorageError("The disk is full.", "Free some space.")


def test_a_relation_that_is_marked_already_is_labelled_as_ever(open_page: Open, sentences: Project) -> None:
    sentences.add_items([{"text": "[E1] Eva [/E1] leads [E2] Zeta [/E2]"}])
    marked = sentences.item_ids()[-1]
    sentences.go_to(marked, user="ann")
    app = open_page("annotate")
    assert not app.get("bidi_component")
    press(app, f"label_{marked}_{sentences.label_named('boss').id}")
    assert sentences.item(marked).label == "boss"
