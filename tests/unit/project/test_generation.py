"""A project of prompts and responses from the file to the model: imported, written, frozen, trained, exported, back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.data.mapping import guess_mapping, guess_turns
from core.data.versions import read_split
from core.errors import InputError, RefusedError
from core.evaluation import Message, verdict
from core.labeling.suggestions import ProjectSource
from core.project import Project
from core.records import Suggestion
from core.workspace import Workspace

TURNS = [
    {"instruction": f"{verb} the {thing} {i}", "output": f"Sure!\nOne {thing}, {verb}ed. 你好 {i}"}
    for i, (verb, thing) in enumerate((v, t) for v in ("find", "fix", "pack") for t in ("cup", "lamp", "book", "chair"))
]


@pytest.fixture
def turns(workspace: Workspace) -> Project:
    return workspace.create_project("Replies", task="generation")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_prompts_and_responses_are_imported_and_frozen(turns, tmp_path):
    rows = [*TURNS, {"instruction": "open one", "output": " "}, {"instruction": "", "output": "x"}]
    report = turns.import_file(write(tmp_path / "r.jsonl", rows), text="instruction", label="output")
    assert (report.added, report.labelled, len(report.rejected), report.new_labels) == (13, 12, 1, [])
    assert turns.items()[0].label == TURNS[0]["output"] and turns.items()[12].label is None
    assert turns.progress().labelled == 12 and turns.progress().per_label == {}
    version = turns.freeze(test=0.25, dev=0.25)
    assert version.labels == [] and [version.rows(split) for split in ("train", "dev", "test")] == [6, 3, 3]
    train = read_split(version.path, "train")
    assert {row["output"] for row in TURNS if row["instruction"] in train.texts} == set(train.values)


def test_responses_are_written_accepted_and_taken_back(turns):
    turns.add_items([{"text": "first"}, {"text": "second"}])
    item = turns.next_item("ann")
    said = Suggestion(label="Hello", score=0.4, model="m")
    event = turns.label(item.id, "Hello", user="ann", suggestion=said)
    assert event.accepted and turns.item(item.id).label == "Hello"
    turns.label(item.id, "Hello there", user="bob", suggestion=said)
    assert turns.item(item.id).label == "Hello there" and turns.history(item.id)[-1].accepted is False
    assert turns.undo("bob").label == "Hello"
    with pytest.raises(InputError, match="empty"):
        turns.label(item.id, " ", user="ann")
    with pytest.raises(InputError, match="has no labels"):
        turns.add_label("refund")
    with pytest.raises(RefusedError):
        turns.freeze()


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_comes_back_to_the_same_state(turns, workspace, tmp_path, format):
    turns.add_items([{"text": row["instruction"], "label": row["output"]} for row in TURNS])
    turns.add_items([{"text": "=1+1", "label": "=2"}, {"text": "open"}])
    target = tmp_path / f"out.{format}"
    turns.export(target, format)
    again = workspace.create_project("Again", task="generation")
    again.import_file(target, text="text", label="label")
    assert [(item.text, item.label) for item in again.items()] == [(item.text, item.label) for item in turns.items()]


def test_columns_of_prompts_and_responses_are_recognised():
    for columns, expected in (
        (["instruction", "output"], ("instruction", "output")),
        (["id", "question", "answer"], ("question", "answer")),
        (["document", "summary"], ("document", "summary")),
        (["text", "label", "split"], ("text", "label")),
        (["en", "zh"], ("en", None)),
    ):
        rows = [{name: name for name in columns}]
        found = guess_turns(columns, guess_mapping(columns, rows))
        assert (found.text, found.label) == expected
        assert found.text_b is None


def test_the_baseline_is_trained_judged_and_suggests(turns, tmp_path):
    turns.add_items([{"text": row["instruction"], "label": row["output"]} for row in TURNS])
    turns.add_items([{"text": "find the cup again"}])
    run = turns.train(turns.freeze(test=0.25, dev=0.25), method="baseline").wait(timeout=120)
    assert run.state == "finished", run.error
    assert set(run.status.metrics) >= {"rouge_l", "chrf", "accuracy", "macro_f1"}
    result = run.model.evaluate()
    assert result.wording is not None and result.wording.perplexity is None and result.wording.answered == 3
    assert 0 < result.figures["rouge_l"] < 1 and len(result.row_scores) == 3
    assert "ROUGE-L" in str(verdict(result)[0])
    assert all(isinstance(sentence, Message) and str(sentence) for sentence in [*verdict(result), *result.warnings])
    assert "perplexity" not in run.model.card() and "must be checked by a person" in run.model.card()
    for report in (result.to_markdown(), result.to_html()):
        assert "find" in report or "fix" in report or "pack" in report
    prediction = run.model.predict(["find the cup"])[0]
    assert prediction.label.startswith("Sure!") and prediction.scores == {}
    source = ProjectSource(turns)
    assert source.answered_whole() and source.answers(run.id, ["find the cup"])[0][0] == prediction.label
    (tmp_path / "in.csv").write_text("text\nfind the cup\n", encoding="utf-8")
    assert run.model.predict_file(tmp_path / "in.csv", tmp_path / "out.jsonl").rows == 1
    assert json.loads((tmp_path / "out.jsonl").read_text())["predicted_label"] == prediction.label
