from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.data.exchange import escape_formula, meta_column, meta_key, unescape_formula
from core.data.export import export
from core.errors import InputError, RefusedError, StorageError
from core.records import Item

NASTY = [
    "=cmd|'/c calc'!A1", "+1", "-1", "@sum", "\tx", "'=x", "''=x", "'plain", "\rx", 'say "hi", ok', "a\r\nb\nc\rd",
    "<b>:red[x]</b>", "'; DROP TABLE items", "001", "NA", "好吃，味道足", "👩‍👧 ok", " both ends ", "a\u2028b", "\\N",
]  # fmt: skip


@pytest.fixture
def items() -> list[Item]:
    """One item for every nasty text, in every state an item can be in."""
    at = datetime(2026, 11, 22, 3, 4, 5, 678901, tzinfo=UTC)
    return [
        Item(
            id=place + 10,
            position=place,
            text=text,
            label=["=x", "退款", None][place % 3],
            annotator="ann" if place % 3 != 2 else None,
            labelled_at=at if place % 3 != 2 else None,
            label_source="human" if place % 3 != 2 else None,
            flag="=look" if place % 5 == 0 else None,
            excluded=place % 7 == 0,
            split=[None, "train", "dev", "test"][place % 4],
            source="tickets.csv",
            external_id=f"-{place}" if place % 2 else None,
            meta={"=1+1": text, "source": "web", "meta:x": "y"} if place % 2 else {"only here": "1"},
        )
        for place, text in enumerate(NASTY)
    ]


def _state(row: dict[str, Any]) -> tuple[Any, ...]:
    meta = json.loads(row["meta"]) if row["meta"] else {}
    label = json.loads(row["label"]) if row["label"] else None
    names = ("annotator", "labelled_at", "label_source", "flag", "excluded", "split", "source", "external_id")
    return (row["text"], label, *(row[name] for name in names), meta)


def _expected(item: Item) -> tuple[Any, ...]:
    at = item.labelled_at.isoformat() if item.labelled_at else None
    state = (item.annotator, at, item.label_source, item.flag, item.excluded, item.split, item.source, item.external_id)
    return (item.text, item.label, *state, item.meta)


@pytest.mark.parametrize(("format", "name"), [("csv", "a.csv"), ("jsonl", "a.jsonl"), ("parquet", "a.parquet")])
def test_an_export_imports_back_to_the_same_state(
    run: Callable[..., Any], items: list[Item], tmp_path: Path, format: str, name: str
) -> None:
    assert export(iter(items), tmp_path / name, format) == len(items)
    staged = run(tmp_path / name, name, split="split", id="id")
    assert staged.rejected == []
    assert [_state(row) for row in staged.rows] == [_expected(item) for item in items]


def test_a_dataset_folder_imports_back_and_loads_with_the_library(
    run: Callable[..., Any], items: list[Item], tmp_path: Path
) -> None:
    import datasets

    export(items, tmp_path / "folder", "datasets")
    staged = run(tmp_path / "folder", "folder", split="split", id="id")
    assert sorted(map(str, map(_state, staged.rows))) == sorted(map(str, map(_expected, items)))
    loaded = datasets.load_dataset(str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in loaded.items()} == dict.fromkeys(
        ("train", "validation", "test", "unsplit"), 5
    )
    with pytest.raises(RefusedError):
        export(items, tmp_path / "folder", "datasets")
    export(items, tmp_path / "folder.zip", "datasets")
    assert "data/train.parquet" in zipfile.ZipFile(tmp_path / "folder.zip").namelist()


def test_pairs_keep_their_second_text(run: Callable[..., Any], tmp_path: Path) -> None:
    items = [Item(id=1, position=0, text="a", text_b="=b", label="same")]
    export(items, tmp_path / "p.csv")
    staged = run(tmp_path / "p.csv", text_b="text_b")
    assert staged.column("text_b") == ["=b"]


def test_no_cell_of_a_csv_starts_a_formula(items: list[Item], tmp_path: Path) -> None:
    export(items, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert len(cells) > 100
    assert not [cell for cell in cells if cell[:1] and cell[0] in "=+-@\t\r"]


def test_files_of_others_keep_their_apostrophes(run: Callable[..., Any]) -> None:
    assert run("text,label\n'=x,a\n'-tis,a\n").column("text") == ["'=x", "'-tis"]


@pytest.mark.parametrize("text", [*NASTY, "", "'", "''", "'=", "=", "''''-"])
def test_escaping_is_undone_exactly(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("key", ["source", "meta:source", "meta:meta:x", "plain", "text"])
def test_metadata_never_shadows_our_columns(key: str) -> None:
    assert meta_key(meta_column(key)) == key
    assert meta_column(key) != "source"


def test_an_export_without_rows_still_has_its_columns(tmp_path: Path) -> None:
    assert export([], tmp_path / "e.csv") == 0
    assert (tmp_path / "e.csv").read_text("utf-8-sig").startswith("text,label,split,id,annotator")
    assert export([], tmp_path / "e.parquet", "parquet") == 0


def test_a_failed_export_leaves_the_old_file(tmp_path: Path, items: list[Item]) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")

    def broken() -> Any:
        yield items[0]
        raise StorageError("gone")

    with pytest.raises(StorageError):
        export(broken(), target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_full_disk_is_a_clear_error(tmp_path: Path, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.data.export._write_csv", full)
    with pytest.raises(StorageError, match="disk is full"):
        export(items, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'pdf'"):
        export([], tmp_path / "a.pdf", "pdf")


@pytest.mark.parametrize(
    ("column", "value"), [("labelled_at", "yesterday"), ("excluded", "perhaps"), ("label_source", "magic")]
)
def test_an_edited_export_is_checked(
    run: Callable[..., Any], items: list[Item], tmp_path: Path, column: str, value: str
) -> None:
    export(items[:2], tmp_path / "a.jsonl", "jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    rows[0][column] = value
    staged = run("\n".join(map(json.dumps, rows)), "a.jsonl")
    assert [row.row for row in staged.rejected] == [1]
    assert value in staged.rejected[0].reason
