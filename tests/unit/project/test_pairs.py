"""A project of pairs from the file to the model: imported, labelled, frozen by first text, trained, exported, back."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.data.versions import read_split
from core.errors import InputError, RefusedError
from core.evaluation.verdict import verdict
from core.labeling.suggestions import ProjectSource
from core.project import Project
from core.records import Suggestion
from core.workspace import Workspace

WORDS = ["money", "parcel", "hello", "late", "good", "please", "where", "day"]


@pytest.fixture
def pairs(workspace: Workspace) -> Project:
    return workspace.create_project("Pairs", task="pair")


@pytest.fixture
def load(pairs: Project, tmp_path: Path) -> Callable[..., Any]:
    """Imports rows as a JSON lines file."""

    def run(rows: list[dict[str, Any]], **columns: Any) -> Any:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return pairs.import_file(path, text_b="text_b", **columns)

    return run


def rows(count: int, grade: bool = False) -> list[dict[str, Any]]:
    """Pairs that share a word or not; each first text is in two rows."""
    pick = random.Random(0)
    made = []
    for row in range(count):
        word = WORDS[row // 2 % len(WORDS)]
        same = row % 2 == 0
        other = word if same else pick.choice([w for w in WORDS if w != word])
        label = (0.9 if same else 0.2) if grade else "match" if same else "no match"
        made.append({"text": f"my {word} {row // 2}", "text_b": f"the {other} of {row}", "label": label})
    return made


def test_labels_belong_to_the_task(pairs, workspace):
    assert [(label.name, label.key) for label in pairs.labels] == [("match", "1"), ("no match", "2")]
    with pytest.raises(InputError, match="'related' cannot be a label"):
        pairs.add_label("related")
    for change in (lambda: pairs.rename_label("match", "same"), lambda: pairs.remove_label("match"),
                   lambda: pairs.merge_labels("match", "no match")):  # fmt: skip
        with pytest.raises(RefusedError, match="belongs to the task"):
            change()
    assert pairs.edit_label("match", key="m").key == "m"


def test_import_names_what_is_wrong_with_a_row(load):
    good = rows(4)
    bad = [{"text": "a", "text_b": " ", "label": "match"}, {"text": "b", "text_b": "c", "label": "6"},
           {"text": "d", "text_b": "e", "label": "related"}]  # fmt: skip
    report = load([*good, *bad], label="label")
    assert (report.added, report.labelled) == (4, 4)
    reasons = [row.reason for row in report.rejected]
    assert "second text is empty" in reasons[0] and "6 is not between" in reasons[1] and "'related'" in reasons[2]


def test_a_file_without_labels_is_a_file_of_matches_but_rows_of_a_program_wait(load, pairs):
    load([{"text": "a", "text_b": "b"}, {"text": "a", "text_b": "c"}])
    assert [item.label for item in pairs.items()] == ["match", "match"]
    pairs.add_items([{"text": "x", "text_b": "y"}])
    item = pairs.next_item("ann")
    assert item is not None and (item.text, item.text_b, item.label) == ("x", "y", None)
    pairs.label(item.id, "no match", user="ann", suggestion=Suggestion(label="match", score=0.7, model="m"))
    assert pairs.item(item.id).label == "no match"
    with pytest.raises(InputError, match="second text in every row"):
        pairs.add_items([{"text": "only one"}])


def test_grades_are_scaled_kept_and_counted_as_labels(load, pairs):
    report = load([{"text": f"t{i}", "text_b": "u", "label": str(i)} for i in range(6)], label="label")
    assert any("divided by 5" in warning for warning in report.warnings)
    assert [item.label for item in pairs.items()] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert pairs.progress().per_label == {"match": 3, "no match": 3}
    pairs.label(pairs.item_ids()[0], 0.35, user="ann")
    assert pairs.items()[0].label == 0.35


def test_a_first_text_never_straddles(load, pairs):
    made = rows(60)
    turned = [{"text": row["text_b"], "text_b": row["text"], "label": row["label"]} for row in made[:10]]
    load([*made, *turned], label="label")
    version = pairs.freeze(test=0.2, dev=0.2)
    assert version.labels == ["match", "no match"]
    where: dict[str, set[str]] = {}
    for split in ("train", "dev", "test"):
        part = read_split(version.path, split)
        assert part.texts_b is not None
        for text, text_b in zip(part.texts, part.texts_b, strict=True):
            where.setdefault(text, set()).add(split)
            where.setdefault("|".join(sorted((text, text_b))), set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    assert all(version.counts[split].get("match") for split in ("train", "dev", "test"))


@pytest.mark.parametrize("grade", [False, True])
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_comes_back_to_the_same_state(grade, format, load, pairs, workspace, tmp_path):
    load(rows(12, grade), label="label")
    pairs.add_items([{"text": "open", "text_b": "=pair"}])
    target = tmp_path / f"out.{format}"
    assert pairs.export(target, format) == 13
    again = workspace.create_project("Again", task="pair")
    again.import_file(target, label="label", text_b="text_b", split="split", id="id")

    def state(project: Project) -> list[Any]:
        return [(i.text, i.text_b, i.label, i.annotator, i.label_source) for i in project.items()]

    assert state(again) == state(pairs)


def test_matches_only_train_evaluate_and_predict(load, pairs, tmp_path):
    load([row for row in rows(120) if row["label"] == "match"])
    version = pairs.freeze(test=0.25, dev=0.25)
    assert "stand in" in version.warnings[-1]
    run = pairs.train(version, method="baseline").wait(120)
    assert run.state == "finished", run.error
    result = run.model.evaluate()
    assert result.retrieval is not None and result.retrieval.queries == 15
    assert result.retrieval.figures["hit_rate@3"] > 3 / result.retrieval.candidates
    assert "comes first" in result.to_markdown() and "How early the matches come" in result.to_html()
    assert run.model.info.metrics["mrr@10"] == result.retrieval.figures["mrr@10"]
    assert next(iter(run.model.info.metrics)) == "mrr@10" == result.headline[0]
    low, high = result.interval("mrr@10")
    assert low <= result.headline[1] <= high and verdict(result)[0].key.startswith("How early the first match comes")
    asked = [score for score in result.row_scores if score is not None]
    assert len(asked) == 15 and np.mean(asked) == pytest.approx(result.headline[1])
    (near, far) = run.model.predict(["my parcel", "my parcel"], ["the parcel", "good day"])
    assert near.scores["match"] > far.scores["match"]
    with pytest.raises(InputError, match="compares two texts"):
        run.model.predict(["my parcel"])
    with pytest.raises(InputError, match="1 first and 2 second"):
        run.model.predict(["my parcel"], ["a", "b"])
    with pytest.raises(RefusedError, match="makes no vectors"):
        run.model.embed(["my parcel"])
    suggester = ProjectSource(pairs)
    texts = suggester.texts(pairs.item_ids()[:2])
    first = pairs.items(limit=1)[0]
    assert np.allclose(
        suggester.scores(run.model.id, list(texts.values()))[0],
        [*run.model.predict([first.text], [first.text_b or ""])[0].scores.values()],
    )
    assert {label for _, label in suggester.labelled(10)} == {"match"}
    source = tmp_path / "ask.csv"
    source.write_text("left,right,note\nmy parcel,the parcel,a\nmy parcel,good day,b\n")
    assert run.model.predict_file(source, tmp_path / "answers.jsonl", text="left", text_b="right").rows == 2
    answers = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines()]
    assert [row["right"] for row in answers] == ["the parcel", "good day"] and answers[0]["note"] == "a"
    assert answers[0]["predicted_score"] == round(near.score, 4)


def test_graded_pairs_train_a_bi_encoder_that_gives_vectors(workspace, load, pairs, tiny_bases):
    (workspace.path / "bases").mkdir(exist_ok=True)
    (workspace.path / "bases" / "tiny").symlink_to(tiny_bases / "tiny")
    load(rows(60, grade=True), label="label")
    version = pairs.freeze(test=0.25, dev=0.25)
    run = pairs.train(version, method="bi_encoder", base="local:tiny", epochs=1, batch_size=8).wait(180)
    assert run.state == "finished", (run.error, run.log_tail())
    result = run.model.evaluate()
    assert result.agreement is not None and -1 <= result.agreement.low <= result.agreement.spearman <= 1
    assert next(iter(run.model.info.metrics)) == "spearman"
    assert result.baseline is not None and result.baseline.agreement is not None
    vectors = run.model.embed(["my parcel", "hello"])
    assert vectors.shape == (2, 32) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(run.model.embed(["my parcel", "hello"], keep=True), vectors, atol=1e-6)
    assert "SentenceTransformer(folder)" in run.model.card()
