"""Pages on a project of questions about texts: marking answers, importing, reading the report, asking the model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.project import Project
from core.tasks.answers import answer_at
from core.workspace import Workspace
from tests.ui.conftest import button, open_on, plain, project_of, trained_on
from tests.ui.marking import drawn, say, words_of

Open = Callable[..., AppTest]
QUESTIONS = [("When was {} born?", "year"), ("Who was born?", "name"), ("Which prize did {} win in chemistry?", "")]


@pytest.fixture(scope="module")
def reading_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project of questions and its baseline."""
    rows: list[dict[str, Any]] = []
    for place in range(18):
        facts = {"name": f"Ada{place} <b>Lark</b>", "year": str(1800 + place)}
        context = f"{facts['name']} was born in {facts['year']}. The family lived in Turin for years."
        for words, fact in QUESTIONS:
            start = context.find(facts.get(fact, "-"))
            label = [answer_at(context, start, start + len(facts[fact]))] if fact else []
            rows.append({"text": context, "text_b": words.format(f"Ada{place}"), "label": label,
                         "split": "test" if place % 3 == 2 else "train"})  # fmt: skip
    home = tmp_path_factory.mktemp("reading")
    return trained_on(home, "Reading", "question_answering", rows, split="imported", dev=0.2)


@pytest.fixture
def reading(reading_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    yield from project_of(reading_home, monkeypatch)


@pytest.fixture
def waiting(workspace: Workspace) -> Project:
    project = workspace.create_project("Questions", task="question_answering")
    context = "Ada Lovelace was born in London 😀 on 10 December 1815."
    for question in ("When was Ada born?", "Which *prize* did she win?", "Where was she born?"):
        project.add_items([{"text": context, "text_b": question}])
    return project


def choose(app: AppTest, first: int, last: int) -> AppTest:
    return say(app, ("mark", first, last, 0))


def test_first_and_last_word_make_the_answer_and_enter_saves_it(open_page: Open, waiting: Project) -> None:
    first, second, third = waiting.item_ids()
    app = open_page("annotate")
    assert "##### When was Ada born?" in [plain(one.value) for one in app.markdown]
    assert words_of(app)[:5] == ["Ada", "Lovelace", "was", "born", "in"] and drawn(app)["lone"]
    assert not [b for b in app.button if (b.key or "").startswith("label_")], "there is no label to press"
    choose(app, 1, 2)
    choose(app, 8, 10)
    assert waiting.item(first).label is None, "nothing is saved before Enter"
    assert plain(button(app, f"accept_{first}").label) == "Save: 10 December 1815"
    button(app, f"nothing_{first}").click().run()
    assert waiting.item(first).label is None, "no answer does not throw away what is chosen"
    assert any("An answer is chosen" in one.value for one in app.caption)
    button(app, f"accept_{first}").click().run()
    assert [one["text"] for one in waiting.item(first).label] == ["10 December 1815"]
    assert any("Saved: 10 December 1815" in plain(one.value) for one in app.caption)
    button(app, f"accept_{second}").click().run()
    assert waiting.item(second).label is None and any("Nothing is chosen yet" in one.value for one in app.caption)
    button(app, f"nothing_{second}").click().run()
    assert waiting.item(second).label == []
    assert any("Saved: no answer" in one.value for one in app.caption)
    choose(app, 0, 0)
    button(app, f"answer_{third}_0_3").click().run()
    choose(app, 5, 5)
    button(app, f"accept_{third}").click().run()
    assert waiting.item(third).label == [{"start": 25, "end": 31, "text": "London"}]
    assert waiting.progress().per_label == {"answer": 2, "no answer": 1}


def test_an_answer_far_down_is_marked_like_any_other(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Long", task="question_answering")
    text = "so it goes " * 200 + "until Turin"
    project.add_items([{"text": text, "text_b": "Where does it end?"}])
    (item,) = project.item_ids()
    app = open_page("annotate")
    choose(app, 601, 601)
    say(app, ("back", 601, 601, 0))
    assert not drawn(app)["spans"]
    say(app, ("undo", 0, 0, 0))
    button(app, f"accept_{item}").click().run()
    assert project.item(item).label == [{"start": len(text) - 5, "end": len(text), "text": "Turin"}]


def test_the_import_knows_context_question_and_answer(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Import", task="question_answering")
    app = open_page("data", view="import")
    row = {
        "context": "Ada was born in London.",
        "question": "Where?",
        "answers": {"text": ["London"], "answer_start": [16]},
    }
    app.file_uploader[0].upload("rows.jsonl", (json.dumps(row) + "\n").encode()).run()
    chosen = {box.label: box.value for box in app.selectbox}
    assert (chosen["Text"], chosen["Question"], chosen["Answer"]) == ("context", "question", "answers")
    assert not app.exception and not app.error and not project.count()


def test_a_project_without_texts_is_offered_a_sample(open_page: Open, workspace: Workspace) -> None:
    project = workspace.create_project("Try", task="question_answering")
    app = open_page("data", view="import")
    button(app, f"import_{project.id}_sample").click().run(timeout=60)
    for _ in range(600):
        if project.count():
            break
        time.sleep(0.1)
    app.run()
    assert not app.exception and project.count() == 110
    other = open_page("data", view="import")
    assert not [b for b in other.button if (b.key or "").endswith("_sample")], "there are texts now"


def test_a_labelled_question_comes_back_with_its_answer(open_page: Open, waiting: Project) -> None:
    first = waiting.item_ids()[0]
    waiting.label(first, "10 December 1815", user="ann")
    waiting.go_to(first, user="ann")
    app = open_page("annotate")
    assert plain(button(app, f"accept_{first}").label) == "Save: 10 December 1815"


@pytest.mark.parametrize("part", ["beside", "replies", "classes", "confusion", "mistakes", "confidence"])
def test_every_part_of_the_report_is_there(reading: Project, part: str) -> None:
    app = open_on("evaluate", part=part, lang="zh_CN" if part == "classes" else "en")
    assert not app.exception and not app.error
    if part == "beside":
        assert app.subheader[0].value.startswith("Answers share")
        assert [metric.label for metric in app.metric][:2] == ["F1 of words", "Exact match"]
    if part == "replies":
        table = app.dataframe[0].value
        assert list(table.columns) == ["question", "expected", "given", "f1", "score"] and len(table) == 18
        assert "no answer" in table["expected"].tolist()


def test_the_playground_marks_the_answer_in_the_text(reading: Project) -> None:
    app = open_on("models", lang="en")
    next(one for one in app.text_area if one.label == "A text").set_value(
        "Eva <b>Lark</b> was born in 1911. They lived in Oslo."
    )
    next(one for one in app.text_input if one.label == "A question about it").set_value("When was Eva born?")
    next(b for b in app.button if b.label == "Ask the model").click().run(timeout=60)
    assert any(plain(heading.value).startswith("1911 ·") for heading in app.subheader)
    marked = next(one.value for one in app.markdown if "primary-background" in one.value)
    assert ":primary-background[**1911**]\\. They" in marked and "\\<b\\>" in marked
    assert any("there is an answer" in one.value for one in app.caption)


def test_the_list_reads_the_answers_out(reading: Project) -> None:
    app = open_on("data", lang="en")
    labels = app.dataframe[0].value["label"].tolist()
    assert "1800" in labels and "no answer" in labels
    assert not [b for b in app.button if b.label.startswith("Label all")]
