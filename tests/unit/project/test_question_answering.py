"""A project of questions about texts, from the file to the report and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError
from core.project import Project
from core.tasks.answers import answer_at
from core.workspace import Workspace

LOOKED_FOR = [("When was {} born?", "year"), ("Who was born?", "name"), ("Which prize did {} win in chemistry?", "")]


@pytest.fixture
def project(workspace: Workspace) -> Project:
    """An empty project of questions."""
    return workspace.create_project("Reading", task="question_answering")


def squad(count: int = 24, paragraphs: int = 2) -> dict[str, Any]:
    """A file in the form of SQuAD 2.0: three questions a context, the last without an answer."""
    articles = []
    for number in range(count // paragraphs):
        held = []
        for part in range(paragraphs):
            place = number * paragraphs + part
            facts = {"name": f"Ada{place} Lark", "year": str(1800 + place), "": ""}
            context = f"{facts['name']} was born in {facts['year']}. The family lived in Turin \U0001f600 for years."
            qas: list[dict[str, Any]] = []
            for words, fact in LOOKED_FOR:
                answers = [{"text": facts[fact], "answer_start": context.index(facts[fact])}] if fact else []
                question = {"id": f"{place}-{fact}", "question": words.format(facts["name"]), "answers": answers}
                qas.append({**question, "is_impossible": not fact})
            held.append({"context": context, "qas": qas})
        articles.append({"title": f"Article {number}", "paragraphs": held})
    return {"version": "v2.0", "data": articles}


def written(project: Project, tmp_path: Path, content: Any, name: str = "dev-v2.0.json") -> Path:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    preview = project.preview_file(path)
    assert (preview.guess.text, preview.guess.text_b) == ("context", "question"), preview.guess
    return path


def test_from_a_squad_file_to_an_evaluated_model(project: Project, tmp_path: Path) -> None:
    path = written(project, tmp_path, squad())
    preview = project.preview_file(path)
    assert preview.format == "squad" and preview.guess.label == "answers" and preview.guess.id == "id"
    report = project.import_file(path, text="context", text_b="question", label="answers", id="id")
    assert (report.added, report.labelled, report.rejected, report.new_labels) == (72, 72, [], [])
    assert project.label_counts() == {"answer": 48, "no answer": 24}
    first = project.items(limit=3)
    assert first[0].label == [{"start": 22, "end": 26, "text": "1800"}] and first[0].text[22:26] == "1800"
    assert first[2].label == [] and first[0].external_id == "0-year" and first[0].meta["title"] == "Article 0"
    version = project.freeze(test=0.3, dev=0.2, seed=0)
    from core.data.versions import read_split

    contexts = [set(read_split(version.path, split).texts) for split in ("train", "dev", "test")]
    assert not (contexts[0] & contexts[1] or contexts[0] & contexts[2] or contexts[1] & contexts[2])
    model = project.train(version, method="baseline").wait(timeout=120).model
    assert model is not None
    result = model.evaluate()
    assert result.headline[0] == "answer_f1" and result.headline[1] > 0.8
    assert result.figures["unanswerable_right"] > 0.5 and result.calibration is not None
    assert len(result.row_scores) == result.rows == len(result.replies)
    assert result.labels == ["answer", "no answer"] and np.sum(result.confusion) == result.rows
    assert "Answers share" in result.to_markdown() and "Questions and answers" in result.to_html()
    assert model.result["metrics"]["test"]["answer_f1"] == pytest.approx(result.figures["answer_f1"])
    said = model.predict(["Eva Lark was born in 1911. The family lived in Oslo for years."], ["When was Eva born?"])[0]
    assert [one["text"] for one in said.label] == ["1911"] and set(said.scores) == {"answer", "no answer"}
    with pytest.raises(InputError, match="compares two texts"):
        model.predict(["Eva was born in 1911."])
    assert "AutoModel" not in model.card() and '"threshold"' in model.card()
    out = tmp_path / "said.csv"
    assert model.predict_file(path, out, text="context", text_b="question").rows == 72
    assert ",1800," in out.read_text(encoding="utf-8-sig")


def test_a_tuned_encoder_stands_beside_the_baseline(project: Project, tmp_path: Path, tiny_bases: Path) -> None:
    project.workspace.runner.bases = tiny_bases
    path = written(project, tmp_path, squad(12))
    project.import_file(path, text="context", text_b="question", label="answers")
    version = project.freeze(test=0.3, dev=0.3, seed=0)
    estimate = project.estimate(version, "full", base="local:tiny")
    assert estimate is not None and estimate.cut_share == 0
    run = project.train(version, method="full", base="local:tiny", epochs=1, half_precision=False)
    model = run.wait(timeout=240).model
    assert model is not None
    result = model.evaluate()
    assert result.baseline is not None and result.baseline.figures["answer_f1"] >= 0
    assert "AutoModelForQuestionAnswering" in model.card()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_comes_back_to_the_same_answers(project: Project, tmp_path: Path, format: str) -> None:
    context = "Cafe\u0301 \U0001f600 Turin, [1] Turin and Oslo"  # a letter of two characters, which nothing may join
    value = [answer_at(context, context.rindex("Turin"), context.rindex("Turin") + 5), answer_at(context, 0, 5)]
    project.add_items(
        [
            {"text": context, "text_b": "Where?", "label": value},
            {"text": context, "text_b": "Which prize?", "label": []},
            {"text": context, "text_b": "When?"},
        ]
    )
    assert [item.label for item in project.items()] == [value, [], None]
    project.export(tmp_path / f"out.{format}", format)
    other = project.workspace.create_project("Back", task="question_answering")
    path = tmp_path / f"out.{format}"
    guess = other.preview_file(path).guess
    assert (guess.text, guess.text_b, guess.label) == ("text", "text_b", "label")
    other.import_file(path, text="text", text_b="text_b", label="label")
    assert [(i.text, i.text_b, i.label) for i in other.items()] == [
        (i.text, i.text_b, i.label) for i in project.items()
    ]


def test_rows_of_the_hub_and_plain_cells_come_in_and_what_does_not_fit_is_named(
    project: Project, tmp_path: Path
) -> None:
    context = "Ada was born in London."
    rows = [
        {"context": context, "question": "a?", "answers": {"text": ["London"], "answer_start": [16]}},
        {"context": context, "question": "b?", "answers": {"text": ["London"], "answer_start": [15]}},
        {"context": context, "question": "c?", "answers": {"text": [], "answer_start": []}},
        {"context": context, "question": "d?", "answers": {"text": ["Paris"], "answer_start": [99]}},
        {"context": context, "question": "", "answers": {"text": [], "answer_start": []}},
    ]
    path = written(project, tmp_path, "\n".join(map(json.dumps, rows)), "rows.jsonl")
    report = project.import_file(path, text="context", text_b="question", label="answers")
    assert (report.added, report.labelled) == (2, 2)
    assert [(row.row, row.reason) for row in report.rejected] == [
        (2, "the answer 'London' is not at character 15 of the context but at 16"),
        (4, "the answer 'Paris' is not at character 99 of the context, which has 23 and reads '' there"),
        (5, "the second text is empty"),
    ]  # fmt: skip
    table = (
        "context,question,answer,answer_start\nAda and Ada,e?,Ada,8\nAda and Ada,f?,Ada,\nAda and Ada,g?,no answer,\n"
    )
    table += "Ada and Ada,h?,,\nAda and Ada,i?,Eva,\n"
    other = written(project, tmp_path, table, "table.csv")
    report = project.import_file(other, text="context", text_b="question", label="answer")
    assert [row.reason for row in report.rejected] == ["the answer 'Eva' is not in the context"]
    bare = project.preview_file(written(project, tmp_path, "context,question\nAda,Who?\n", "bare.csv"))
    assert bare.guess.label is None
    labels = [item.label for item in project.items()][2:]
    assert [label and label[0]["start"] for label in labels] == [8, 0, [], None]


def test_a_damaged_squad_file_is_refused_and_odd_questions_are_named(project: Project, tmp_path: Path) -> None:
    content = squad(2)
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(content)[:-40], encoding="utf-8")
    with pytest.raises(InputError, match="not valid JSON"):
        project.import_file(path, text="context", text_b="question", label="answers")
    questions = content["data"][0]["paragraphs"][0]["qas"]
    questions[0]["answers"] = "1800"
    questions[1]["answers"][0]["answer_start"] += 1
    del questions[2]["answers"], questions[2]["is_impossible"]
    report = project.import_file(
        written(project, tmp_path, content), text="context", text_b="question", label="answers"
    )
    assert [row.row for row in report.rejected] == [1, 2] and report.added == 4 and report.labelled == 3
    assert "its answers are not a list" in report.rejected[0].reason


def test_a_label_is_a_place_in_the_context(project: Project) -> None:
    project.add_items([{"text": "Ada was born in London.", "text_b": "Where was Ada born?"}])
    item = project.items()[0].id
    for value in ("London", [(16, 22, "London")], [{"start": 16, "end": 22}]):
        project.label(item, value, user="ann")
        assert project.item(item).label == [{"start": 16, "end": 22, "text": "London"}]
    for wrong in ("Paris", [(15, 22, "London")], [(0, 99, "x")], 7):
        with pytest.raises(InputError, match="no answer in the text"):
            project.label(item, wrong, user="ann")
    project.label(item, [], user="ann")
    assert project.item(item).label == [] and project.progress().per_label == {"no answer": 1}
    assert project.undo(user="ann") is not None and project.item(item).label[0]["text"] == "London"


def test_questions_about_one_text_are_no_duplicates(project: Project) -> None:
    context = "The river rises in the hills, runs through three towns and reaches the sea near a small old harbour."
    asked = ["Where does it rise?", "How many towns are there?", "What is near the sea?", "Where does it rise ?"]
    project.add_items([{"text": context, "text_b": question} for question in asked])
    found = {finding.kind: finding for finding in project.find_problems(["near_duplicate", "exact_duplicate"])}
    near = found["near_duplicate"].item_ids if "near_duplicate" in found else []
    assert [project.item(item).text_b for item in near] == ["Where does it rise ?"]


def test_the_newest_model_suggests_an_answer(project: Project, tmp_path: Path) -> None:
    project.import_file(written(project, tmp_path, squad()), text="context", text_b="question", label="answers")
    project.add_items([{"text": "Eva Lark was born in 1911. They lived in Oslo.", "text_b": "When was Eva born?"}])
    assert project.train(project.freeze(test=0.3, dev=0.2), method="baseline").wait(timeout=120).model
    item = next(item.id for item in project.items(limit=100) if item.label is None)
    suggester = project.workspace.suggester(project.id)
    project.suggest([item])
    assert suggester.wait(60)
    suggested = project.suggest([item])[item][0]
    assert suggested.label[0]["text"] == "1911"
    assert project.label(item, suggested.label, user="ann", suggestion=suggested).accepted
