"""The labeling desk of a project of relations: pairs are marked in plain texts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

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


def test_a_relation_that_is_marked_already_is_labelled_as_ever(open_page: Open, sentences: Project) -> None:
    sentences.add_items([{"text": "[E1] Eva [/E1] leads [E2] Zeta [/E2]"}])
    marked = sentences.item_ids()[-1]
    sentences.go_to(marked, user="ann")
    app = open_page("annotate")
    assert not app.get("bidi_component")
    press(app, f"label_{marked}_{sentences.label_named('boss').id}")
    assert sentences.item(marked).label == "boss"
