"""A project of texts with any number of labels, from the file to the model and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.versions import read_split
from core.errors import InputError, RefusedError
from core.evaluation import verdict
from core.inference.predictor import decision_of, load_predictor
from core.labeling.suggestions import LABELS_SO_FAR, Suggester
from core.methods.base import answers_of
from core.project import Project
from core.records import ItemFilter, Suggestion
from core.workspace import Workspace

TOPICS = {"billing": "money", "shipping": "parcel", "quality": "broken"}


@pytest.fixture
def tagged(workspace: Workspace) -> Project:
    return workspace.create_project("Topics", task="multilabel", labels=list(TOPICS))


def rows(count: int) -> list[dict[str, Any]]:
    """Texts with none to three of the topics; the word of a topic says that it applies."""
    made = []
    for row in range(count):
        names = [name for place, name in enumerate(TOPICS) if row % 8 >> place & 1]
        words = " ".join(TOPICS[name] for name in names) or "hello"
        made.append({"text": f"{words} in letter {row}", "label": names})
    return made


def state(project: Project) -> list[Any]:
    return [(i.text, i.label, i.annotator, i.label_source, i.split) for i in project.items()]


def test_lists_and_cells_are_imported_and_empty_cells_are_not_none(tagged, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,topics\na,billing|quality\nb,[]\nc,\nd," new | billing "\ne,"[""x"", {}]"\n')
    report = tagged.import_file(path, label="topics")
    assert (report.added, report.labelled, report.new_labels) == (4, 3, ["new"])
    assert [item.label for item in tagged.items()] == [["billing", "quality"], [], None, ["billing", "new"]]
    assert report.rejected[0].row == 5 and "list of names" in report.rejected[0].reason
    assert tagged.progress().per_label == {"billing": 2, "quality": 1, "new": 1}
    assert tagged.progress().labelled == 3
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"text": "f", "label": ["shipping"]}\n{"text": "g", "label": []}\n{"text": "h", "label": null}\n')
    assert tagged.import_file(lines, label="label").labelled == 2
    assert [item.label for item in tagged.items()][4:] == [["shipping"], [], None]


def test_labeling_keeps_every_label_and_tells_none_from_open(tagged):
    tagged.add_items([{"text": "a"}, {"text": "b"}, {"text": "c"}])
    first, second, third = tagged.item_ids()
    offered = Suggestion(label=["quality", "billing"], score=0.8, model="m")
    event = tagged.label(first, ["billing", "quality"], user="ann", suggestion=offered)
    assert event.accepted and event.suggested == "quality|billing"
    tagged.label(second, [], user="ann")
    assert tagged.next_item("ann").id == third and tagged.progress().labelled == 2
    assert [item.label for item in tagged.items()] == [["billing", "quality"], [], None]
    assert [item.label for item in tagged.recent("ann")] == [[], ["billing", "quality"]]
    with pytest.raises(InputError, match="no list of labels"):
        tagged.label(third, "billing", user="ann")
    tagged.undo("ann")
    assert tagged.item(second).label is None and tagged.progress().labelled == 1
    assert tagged.items(ItemFilter(labels=("quality",)))[0].id == first


def test_labels_survive_a_restart_a_merge_and_a_removed_neighbour(tagged, workspace):
    tagged.add_items([{"text": "a", "label": ["billing", "shipping"]}, {"text": "b", "label": []}, {"text": "c"}])
    first, _, third = tagged.item_ids()
    tagged.bulk_label([first, third], ["quality"], user="ann")
    step = tagged.bulk_steps()[0]
    assert step.label == ["quality"] and tagged.item(first).label == ["quality"]
    tagged.remove_label("shipping")
    tagged.undo_bulk(step.id, user="ann")
    assert [item.label for item in tagged.items()] == [["billing"], [], None]
    tagged.label(third, ["billing", "quality"], user="ann")
    tagged.merge_labels("quality", "billing")
    assert tagged.item(third).label == ["billing"]
    path, number = workspace.path, tagged.id
    workspace.close()
    with Workspace.open(path) as again:
        assert [item.label for item in again.project(number).items()] == [["billing"], [], ["billing"]]
        assert again.project(number).progress().labelled == 3


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet", "datasets"])
def test_an_export_comes_back_to_the_same_state(format, tagged, workspace, tmp_path):
    odd = ["a|b", "=sum", "标签"]
    tagged.add_items([*rows(9), {"text": "open"}, {"text": "odd", "label": odd, "split": "test"}], user="eve")
    target = tmp_path / (f"out.{format}" if format != "datasets" else "out.zip")
    assert tagged.export(target, format) == 11
    again = workspace.create_project("Again", task="multilabel")
    again.import_file(target, label="label", split="split", id="id")
    assert sorted(state(again), key=str) == sorted(
        ((t, None if v is None else [n for n in (x.name for x in again.labels) if n in v], *rest)
         for t, v, *rest in state(tagged)), key=str
    )  # fmt: skip
    assert set(next(i.label for i in again.items() if i.text == "odd")) == set(odd)


def test_a_version_counts_rows_and_has_each_label_in_each_split(tagged):
    tagged.add_items(rows(96))
    version = tagged.freeze(test=0.25, dev=0.25)
    assert [version.rows(split) for split in ("train", "dev", "test")] == [48, 24, 24]
    assert all(version.counts[split].get(name) for split in version.counts for name in [*TOPICS, ""])
    assert version.labels == list(TOPICS) and not version.warnings
    values = read_split(version.path, "train").values
    assert [] in values and ["billing", "shipping", "quality"] in values
    assert tagged.versions()[0].rows("train") == 48


def test_a_label_left_out_takes_no_text_along(tagged):
    tagged.add_items([*rows(48), {"text": "rare", "label": ["rare", "billing"]}])
    with pytest.raises(RefusedError, match="rare: 1"):
        tagged.freeze()
    version = tagged.freeze(labels=["billing", "quality"])
    assert version.labels == ["billing", "quality"] and sum(map(version.rows, version.counts)) == 49
    named = {name for split in version.counts for value in read_split(version.path, split).values for name in value}
    assert named == {"billing", "quality"}
    with pytest.raises(InputError, match="no label 'gone'"):
        tagged.freeze(labels=["gone"])


def test_train_evaluate_predict_and_suggest(tagged, tmp_path):
    tagged.add_items([*rows(160), {"text": "my money is broken"}, {"text": "nothing at all"}])
    run = tagged.train(tagged.freeze(test=0.25, dev=0.25), method="baseline").wait(120)
    assert run.state == "finished", (run.error, run.log_tail())
    model = run.model
    assert next(iter(model.info.metrics)) == "micro_f1" and model.info.metrics["micro_f1"] > 0.9
    thresholds = decision_of(model.path)["thresholds"]
    assert list(thresholds) == list(TOPICS) and all(0 < value < 1 for value in thresholds.values())
    both, nothing = model.predict(["my money is broken", "nothing at all"])
    assert both.label == ["billing", "quality"] and nothing.label == [] and list(both.scores) == list(TOPICS)
    assert both.score == pytest.approx(min(
        0.5 + 0.5 * ((p - t) / (1 - t) if p >= t else (t - p) / t)
        for p, t in ((both.scores[name], thresholds[name]) for name in TOPICS)
    ), abs=1e-5)  # fmt: skip
    result = model.evaluate()
    assert result.figures["micro_f1"] == pytest.approx(model.info.metrics["micro_f1"])
    assert result.baseline is not None and result.confusion == []
    assert "micro F1" in verdict(result)[0].text()
    assert "Micro F1" in result.to_markdown() and "Confusion matrix" not in result.to_html()
    assert "may get none" in model.card()
    source = tmp_path / "ask.csv"
    source.write_text("text\nmy money is broken\nnothing at all\n")
    assert model.predict_file(source, tmp_path / "answers.csv").rows == 2
    with (tmp_path / "answers.csv").open(encoding="utf-8-sig") as file:
        assert [row["predicted_label"] for row in csv.DictReader(file)] == ["billing|quality", "[]"]
    suggester = Suggester.for_project(tagged)
    waiting = tagged.item_ids(ItemFilter(labelled=False))
    suggester.prepare(waiting)
    assert suggester.wait(20)
    assert [found[0].label for found in suggester.get(waiting).values()] == [["billing", "quality"], []]
    suggester.close()


def test_answers_of_the_saved_files_are_those_of_the_result(tagged):
    """Thresholds are chosen on what was saved, so a fresh process gives the very answers that were measured."""
    tagged.add_items(rows(120))
    run = tagged.train(tagged.freeze(test=0.25, dev=0.25), method="baseline").wait(120)
    model = run.model
    result = model.evaluate(beside=False)
    part = read_split(Path(tagged.versions()[0].path), "test")
    said = answers_of(load_predictor(model.path), tagged.task, part.texts, decision=decision_of(model.path))
    assert [[result.labels[i] for i in row] for row in result.predicted_sets] == said.values
    manifest = json.loads((model.path / "manifest.json").read_text())
    assert manifest["decision"] == decision_of(model.path)


def test_labels_so_far_suggest_several_but_not_that_there_is_none(tagged, monkeypatch):
    tagged.add_items([*rows(40), {"text": "money broken"}, {"text": "hello"}])
    monkeypatch.setattr(
        "core.labeling.suggestions.ProjectSource.vectors",
        lambda self, texts: np.array([[word in text for word in TOPICS.values()] for text in texts], dtype=float),
    )
    suggester = Suggester.for_project(tagged)
    waiting = tagged.item_ids(ItemFilter(labelled=False))
    suggester.prepare(waiting)
    assert suggester.wait(20)
    found = suggester.get(waiting)
    assert found[waiting[0]][0].label == ["billing", "quality"] and found[waiting[0]][0].model == LABELS_SO_FAR
    assert waiting[1] not in found
    suggester.close()
