"""Relations through the front door: imported by marks and by places, trained, measured, asked, exported and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from core.errors import InputError
from core.project import Project
from core.workspace import Workspace

PEOPLE = ["Anna", "Ben", "Carla", "David", "Eva", "Felix"]
FIRMS = ["Acme", "Bolt", "Cora", "Delta", "Echo"]
VERBS = {"employs": "works for", "founded": "started", "none": "walked past"}


def rows() -> list[dict[str, str]]:
    """Each person and firm in one of three relations, marked in the text."""
    made = []
    for i, person in enumerate(PEOPLE):
        for j, firm in enumerate(FIRMS):
            label = list(VERBS)[(i + j) % 3]
            made.append({"text": f"[E1] {person} [/E1] {VERBS[label]} [E2] {firm} [/E2] today.", "label": label})
    return made


@pytest.fixture
def relations(workspace: Workspace) -> Project:
    return workspace.create_project("Firms", task="relation")


def write(path: Path, made: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(made[0]))
        table.writeheader()
        table.writerows(made)
    return path


def test_from_a_file_to_a_model_and_back(relations: Project, workspace: Workspace, tmp_path: Path) -> None:
    report = relations.import_file(write(tmp_path / "in.csv", rows()), label="label")
    assert (report.added, report.labelled, sorted(report.new_labels)) == (30, 30, sorted(VERBS))
    run = relations.train(relations.freeze(test=0.3, dev=0.2), method="baseline").wait(timeout=120)
    assert run.model is not None, run.error
    model, result = run.model, run.model.evaluate()
    assert set(result.per_class) == set(VERBS) and result.macro_f1 > 0.8
    asked = "[E1] Gina [/E1] started [E2] Foxtrot [/E2] today."
    (said,) = model.predict([asked])
    assert said.label == "founded" and sum(said.scores.values()) == pytest.approx(1, abs=1e-4)
    for text, reason in (("Gina started Foxtrot.", "Text 2: the text has 0 markers"),
                         ("[E1] Gina [/E1] [E2] [/E2]", "nothing between")):  # fmt: skip
        with pytest.raises(InputError, match=reason.replace("[", ".")) as error:
            model.predict([asked, text])
        assert "[E1]" in error.value.hint
    # A file may mark by places, and a row that marks nothing is named.
    places = {"head": json.dumps({"start": 0, "end": 4}), "tail": "[13, 20]"}
    ask = [{"text": "Gina started Foxtrot.", **places}, {"text": "Gina left.", "head": "", "tail": ""}]
    done = model.predict_file(write(tmp_path / "ask.csv", ask), tmp_path / "out.jsonl")
    assert (done.rows, [row.row for row in done.rejected]) == (1, [2])
    (row,) = map(json.loads, (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines())
    assert row["predicted_label"] == "founded" and row["text"] == "[E1] Gina [/E1] started [E2] Foxtrot [/E2]."
    relations.export(tmp_path / "out.parquet", "parquet")
    again = workspace.create_project("Again", task="relation")
    again.import_file(tmp_path / "out.parquet", label="label")
    assert [(i.text, i.label) for i in again.items()] == [(i.text, i.label) for i in relations.items()]


def test_an_encoder_is_tuned_on_relations(relations: Project, workspace: Workspace, tiny_bases: Path) -> None:
    (workspace.path / "bases").mkdir(exist_ok=True)
    (workspace.path / "bases" / "tiny").symlink_to(tiny_bases / "tiny")
    relations.add_items(rows())
    version = relations.freeze(test=0.3, dev=0.2)
    run = relations.train(version, method="full", base="local:tiny", epochs=1).wait(timeout=240)
    assert run.model is not None, (run.error, run.log_tail())
    result = run.model.evaluate()
    assert result.baseline is not None and set(result.per_class) == set(VERBS)
    assert run.model.predict([rows()[0]["text"]])[0].label in VERBS


def test_open_sentences_are_not_learned_from(relations: Project) -> None:
    relations.add_items(rows())
    relations.add_items([{"text": relations.task.plain(row["text"])} for row in rows()])  # type: ignore[attr-defined]
    assert relations.freeze().rows("unlabelled") == 0
    with pytest.raises(InputError, match="unlabelled"):
        relations.configure(relations.versions()[0], "few_shot", None, "auto", {"unlabelled": False})
