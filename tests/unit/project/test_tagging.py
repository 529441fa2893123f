"""Tagging through the front door: from a column file to a report, and an export that comes back the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.errors import InputError, RefusedError
from core.project import Project
from core.settings import Settings
from core.workspace import Workspace
from tests.unit.conftest import save_tiny_bert, word_pieces

FIRST = ["Anna", "Ben", "Carla", "David", "Eva", "Felix"]
PLACES = ["Turin", "Lyon", "Oslo", "Kiel", "Bern"]


def conll() -> str:
    """30 texts in columns: a name travels to a place."""
    texts = []
    for name in FIRST:
        for place in PLACES:
            words = [(name, "B-who"), ("goes", "O"), ("to", "O"), (place, "B-where"), ("today", "O")]
            texts.append("\n".join(f"{word} NN {tag}" for word, tag in words))
    return "-DOCSTART- -X- O\n\n" + "\n\n".join(texts) + "\n"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    home = tmp_path / "home"
    save_tiny_bert(home / "bases" / "tiny")
    with Workspace.open(home, Settings(home=home, offline=True)) as workspace:
        yield workspace.create_project("Travel", task="tagging")


def imported(project: Project, folder: Path, text: str, name: str = "travel.conll") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_from_a_column_file_to_a_report(project: Project, tmp_path: Path) -> None:
    path = imported(project, tmp_path, conll(), "travel.txt")
    preview = project.preview_file(path)
    assert (preview.format, preview.guess.text, preview.guess.label) == ("conll", "tokens", "tags")
    report = project.import_file(path, text="tokens", label="tags")
    assert (report.added, report.labelled, report.new_labels) == (30, 30, ["who", "where"])
    item = project.items(limit=1)[0]
    assert item.text == "Anna goes to Turin today" and item.label == [(0, 4, "who"), (13, 18, "where")]
    assert project.label_counts() == {"where": 30, "who": 30}
    version = project.freeze(test=0.3, dev=0.2, seed=0)
    run = project.train(version, method="baseline").wait(timeout=120)
    assert run.model is not None, run.error
    model = run.model
    result = model.evaluate()
    assert result.entity_f1 > 0.8 and set(result.per_class) == {"who", "where"}
    assert result.labels == ["O", "who", "where"] and sum(map(sum, result.confusion)) == 5 * result.rows
    assert result.headline[0] == "entity_f1" and "Finds spans with an F1" in result.to_markdown()
    said = model.predict(["Carla goes to Oslo today"])[0]
    assert [("Carla goes to Oslo today"[a:b], name) for a, b, name in said.label] == [
        ("Carla", "who"),
        ("Oslo", "where"),
    ]
    tuned = project.train(version, method="full", base="local:tiny", epochs=2).wait(timeout=240)
    assert tuned.model is not None, tuned.error
    assert tuned.model.evaluate().baseline is not None


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_comes_back_to_the_same_spans(project: Project, tmp_path: Path, format: str) -> None:
    project.add_items(
        [
            {"text": "Anna goes to Turin 😀 now", "label": [[0, 4, "who"], [13, 18, "where"]]},
            {"text": "nothing here", "label": []},
            {"text": "still to label"},
        ]
    )
    project.rename_label("who", "person")
    project.export(tmp_path / f"out.{format}", format)
    other = project.workspace.create_project("Back", task="tagging")
    other.import_file(tmp_path / f"out.{format}", text="text", label="label")
    assert [item.label for item in other.items()] == [[(0, 4, "person"), (13, 18, "where")], [], None]
    assert [item.label for item in project.items()] == [item.label for item in other.items()]


@pytest.mark.parametrize("scheme", ["iob2", "bioes"])
def test_a_column_file_comes_back_to_the_same_texts_and_spans(project: Project, tmp_path: Path, scheme: str) -> None:
    rows: list[dict[str, Any]] = [
        {"text": "Anna goes to Turin 😀, now", "label": [[0, 4, "who"], [13, 18, "where"]]},
        {"text": "安娜去都灵了", "label": [[0, 2, "who"], [3, 5, "where"]]},
        {"text": "nothing here", "label": []},
    ]
    project.add_items([*rows, {"text": "still to label"}])
    assert "conll" in project.export_formats and project.export(tmp_path / "out.conll", "conll", scheme=scheme) == 3
    other = project.workspace.create_project("Back", task="tagging")
    other.import_file(tmp_path / "out.conll", text="tokens", label="tags")
    assert [(item.text, item.label) for item in other.items()] == [
        (row["text"], [tuple(span) for span in row["label"]]) for row in rows
    ]  # fmt: skip
    again = project.import_file(tmp_path / "out.conll", text="tokens", label="tags")
    assert (again.added, again.duplicates) == (0, 3), "the texts are the same to the letter"


def test_a_column_file_is_for_spans(project: Project, tmp_path: Path) -> None:
    other = project.workspace.create_project("Kinds", labels=["a", "b"])
    assert "conll" not in other.export_formats
    with pytest.raises(RefusedError, match="no spans"):
        other.export(tmp_path / "out.conll", "conll")
    with pytest.raises(InputError, match="no scheme"):
        project.export(tmp_path / "out.conll", "conll", scheme="x")
    assert list(tmp_path.glob("*.conll*")) == []


def chinese(names: list[str], places: list[str]) -> str:
    """Texts in columns, one character a line: somebody goes somewhere."""
    texts = []
    for name in names:
        for place in places:
            tags = [
                *("BI"[i > 0] + "-who" for i in range(len(name))),
                "O",
                *("BI"[i > 0] + "-where" for i in range(len(place))),
                "O",
            ]
            texts.append("\n".join(f"{c} {tag}" for c, tag in zip(f"{name}去{place}了", tags, strict=True)))
    return "\n\n".join(texts) + "\n"


def test_a_chinese_column_file_from_import_to_answers_in_a_file(project: Project, tmp_path: Path) -> None:
    text = chinese(["安娜", "小明", "王芳芳", "李雷"], ["北京", "上海", "都灵市", "罗马", "东京", "南京"])
    project.import_file(imported(project, tmp_path, text), text="tokens", label="tags")
    assert project.items(limit=1)[0].label == [(0, 2, "who"), (3, 5, "where")]
    texts = [item.text for item in project.items()]
    save_tiny_bert(project.workspace.path / "bases" / "pieces", word_pieces(texts))
    version = project.freeze(test=0.2, dev=0.2, seed=0)
    options: dict[str, Any] = {"epochs": 25, "batch_size": 8, "learning_rate": 5e-3, "patience": 0, "dropout": 0.0}
    run = project.train(version, method="full", base="local:pieces", train_word_embeddings=True, **options).wait(240)
    assert run.model is not None, (run.error, run.log_tail())
    result = run.model.evaluate(beside=False)
    assert result.entity_f1 > 0.8 and result.per_tag["I-who"].f1 > 0.8
    asked = "王芳芳去南京了"
    (said,) = run.model.predict([asked])
    assert [(asked[a:b], name) for a, b, name in said.label] == [("王芳芳", "who"), ("南京", "where")]
    # A file is answered as it was imported: by tokens, or by texts; its spans are JSON in a table.
    column_file = imported(project, tmp_path, "\n".join(f"{c} O" for c in asked), "ask.conll")
    run.model.predict_file(column_file, tmp_path / "out.jsonl", text="tokens")
    row = json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))
    assert row["text"] == asked and row["predicted_label"] == [[0, 3, "who"], [4, 6, "where"]]
    plain = imported(project, tmp_path, f"text,note\n{asked},x\n", "ask.csv")
    assert run.model.predict_file(plain, tmp_path / "out.csv").rows == 1
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    assert json.loads(line["predicted_label"]) == row["predicted_label"] and line["note"] == "x"


def test_rows_that_do_not_fit_are_named_and_the_rest_comes_in(project: Project, tmp_path: Path) -> None:
    rows = [
        {"tokens": ["Anna", "goes"], "tags": ["B-who", "O"]},
        {"tokens": ["Ben", "goes"], "tags": ["B-who"]},
        {"tokens": ["Eva"], "tags": ["who"]},
        {"tokens": ["", "x"], "tags": ["O", "O"]},
    ]
    path = imported(project, tmp_path, "\n".join(map(json.dumps, rows)), "rows.jsonl")
    report = project.import_file(path, text="tokens", label="tags")
    assert report.added == 1
    assert [(row.row, row.reason) for row in report.rejected] == [
        (2, "there are 2 tokens and 1 tags"),
        (3, "'who' is no tag: tags are O, or like B-place, I-place"),
        (4, "token 1 is empty"),
    ]
    broken = imported(project, tmp_path, "Anna B-who\ngoes O\n\nBen\ngoes O\n", "broken.conll")
    assert [(row.row, row.reason) for row in project.import_file(broken, text="tokens", label="tags").rejected] == [
        (4, "line 4 has a token without a tag")
    ]


def test_a_label_is_spans_and_nothing_else(project: Project) -> None:
    project.add_items([{"text": "Anna goes"}])
    project.add_labels(["who"])
    item = project.items()[0]
    project.label(item.id, [(0, 4, "who")], user="ann")
    assert project.items()[0].label == [(0, 4, "who")]
    for wrong in ([(0, 3, "who")], [(0, 99, "who")], [(0, 4, "why")]):
        with pytest.raises(InputError):
            project.label(item.id, wrong, user="ann")
    assert project.items()[0].label == [(0, 4, "who")]
    project.label(item.id, [], user="ann")
    assert project.items()[0].label == [] and project.progress().labelled == 1


def test_a_model_suggests_spans_and_never_a_bare_label(project: Project, tmp_path: Path) -> None:
    project.import_file(imported(project, tmp_path, conll()), text="tokens", label="tags")
    project.add_items([{"text": "Carla goes to Bern now"}, {"text": "quiet"}])
    items = [item.id for item in project.items() if item.label is None]
    suggester = project.workspace.suggester(project.id)
    project.suggest(items)
    assert suggester.wait(60) and not any(project.suggest(items).values()), "labels so far say nothing about spans"
    assert project.train(project.freeze(test=0.3, dev=0.2, seed=0), method="baseline").wait(timeout=120).model
    project.suggest(items)
    assert suggester.wait(60)
    suggested = project.suggest(items)[items[0]][0]
    assert [("Carla goes to Bern now"[a:b], name) for a, b, name in suggested.label] == [
        ("Carla", "who"),
        ("Bern", "where"),
    ]
    event = project.label(items[0], suggested.label, user="ann", suggestion=suggested)
    assert event.accepted and project.item(items[0]).label == suggested.label


def test_no_token_of_a_column_file_is_lost(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# sent_id = 1\n# O\nAnna B-who\n\nBen B-who\n"
    project.import_file(imported(project, tmp_path, text), text="tokens", label="tags")
    assert [item.text for item in project.items()] == ["# Anna", "Ben"], "a number sign is a token"
    long = "\n".join(["word O"] * 100_001)
    report = project.import_file(imported(project, tmp_path, f"{long}\n\nEva B-who\n"), text="tokens", label="tags")
    assert report.added == 1 and "100,000 lines" in report.rejected[0].reason


def test_a_repair_never_moves_a_text_away_from_under_its_spans(project: Project) -> None:
    broken = "It\u00e2\u20ac\u2122s Anna who goes"
    project.add_items([{"text": broken, "label": [[broken.index("Anna"), broken.index("Anna") + 4, "who"]]}])
    project.add_items([{"text": "It\u00e2\u20ac\u2122s quiet here"}])
    finding = next(found for found in project.find_problems() if found.kind == "mojibake")
    assert len(finding.item_ids) == 2
    assert project.apply_finding(finding).left == 1
    labelled, other = project.items()
    assert labelled.text == broken and labelled.label == [(broken.index("Anna"), broken.index("Anna") + 4, "who")]
    assert other.text.startswith("It") and "\u20ac" not in other.text
    with pytest.raises(RefusedError, match="mark places"):
        project.apply_finding(finding, [labelled.id])
