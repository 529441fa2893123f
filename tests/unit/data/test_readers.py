from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.hub import as_table
from core.data.importing import preview
from core.data.workbook import cell_text
from core.errors import InputError

ROWS = [("one", "a"), ("two, with a comma", "b"), ("three\nlines", "a")]


def _write(folder: Path, ending: str) -> Path:
    path = folder / f"data.{ending}"
    records = [{"text": text, "label": label} for text, label in ROWS]
    if ending == "xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        sheet = book.active
        assert sheet is not None
        for row in [("text", "label"), *ROWS]:
            sheet.append(row)
        book.save(path)
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pylist(records), path)
    elif ending == "json":
        path.write_text(json.dumps(records, indent=2))
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        import csv

        with path.open("w", newline="") as file:
            csv.writer(file, delimiter="\t" if ending == "tsv" else ",").writerows([("text", "label"), *ROWS])
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet", "xlsx"])
def test_every_format_gives_the_same_rows(run: Callable[..., Any], tmp_path: Path, ending: str) -> None:
    staged = run(_write(tmp_path, ending), f"data.{ending}")
    assert [(row["text"], json.loads(row["label"])) for row in staged.rows] == ROWS
    assert staged.column("row") == [1, 2, 3]
    assert staged.record.format == {"xlsx": "excel"}.get(ending, ending)


@pytest.mark.parametrize("ending", ["json", "jsonl", "parquet", "xlsx"])
def test_every_format_has_a_preview(tmp_path: Path, ending: str) -> None:
    shown = preview(_write(tmp_path, ending))
    assert [(row["text"], row["label"]) for row in shown.rows] == ROWS
    assert shown.guess.label == "label"


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("x", "text,label\na,b\n", "csv"),
        ("x", '{"text": "a"}\n', "jsonl"),
        ("x", '[{"text": "a"}]', "json"),
        ("x.json", '{"text": "a"}\n{"text": "b"}\n', "jsonl"),
        ("x.jsonl", '[{"text": "a"}]', "json"),
        ("x.txt", "a\n", "lines"),
        ("X.TSV", "text\tb\na\tb\n", "tsv"),
    ],
)
def test_the_format_is_found(run: Callable[..., Any], name: str, content: str, format: str) -> None:
    assert run(content, name, label=None).record.format == format


def test_lines_are_items_and_blank_lines_are_not(run: Callable[..., Any]) -> None:
    staged = run("first, with comma\n\n  \nsecond \u2028 same line\r\n", "pasted.txt", label=None)
    assert staged.column("text") == ["first, with comma", "second \u2028 same line"]
    assert staged.column("row") == [1, 4]


def test_rows_of_json_may_bring_their_own_keys(run: Callable[..., Any]) -> None:
    lines = ['{"text": "a", "x": true}'] * 250 + ['{"text": "b", "late": null, "label": "l", "tags": ["p", 1.50]}']
    staged = run("\n".join(lines), "x.jsonl")
    assert json.loads(staged.rows[0]["meta"]) == {"x": "true"}
    assert json.loads(staged.rows[250]["meta"]) == {"tags": '["p", 1.50]'}
    assert staged.rows[250]["label"] == '"l"'


def test_parquet_values_become_exact_texts(run: Callable[..., Any]) -> None:
    table = pa.table(
        {
            "text": pa.array(["a", "b"]).dictionary_encode(),
            "whole": pa.array([2**63 - 1, None], pa.int64()),
            "yes": [True, False],
            "day": [datetime.date(2026, 11, 22), None],
            "list": [["x", "ü"], None],
            "raw": pa.array([b"bytes", None], pa.binary()),
        }
    )
    meta = run(_save(table), "x.parquet", label=None).column("meta")
    assert json.loads(meta[0]) == {
        "whole": "9223372036854775807",
        "yes": "true",
        "day": "2026-11-22",
        "list": '["x", "ü"]',
        "raw": "bytes",
    }
    assert json.loads(meta[1]) == {"yes": "false"}
    bad = pa.table({"text": ["a"], "picture": pa.array([b"\xff\xd8"], pa.binary())})
    with pytest.raises(InputError, match="'picture' holds bytes"):
        run(_save(bad), "x.parquet", label=None)


def test_class_numbers_of_hugging_face_files_become_names(run: Callable[..., Any]) -> None:
    features = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["bad", "good"]}}}}
    table = pa.table({"text": ["a", "b", "c"], "label": pa.array([1, 0, -1], pa.int64())})
    table = table.replace_schema_metadata({b"huggingface": json.dumps(features).encode()})
    assert run(_save(table), "x.parquet").column("label") == ['"good"', '"bad"', None]


def test_a_dataset_names_its_parts_and_classes() -> None:
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})
    rows = {"text": ["a", "b"], "label": [1, 0]}
    part = datasets.Dataset.from_dict(rows, features=features)
    table = as_table({"train": part, "validation": part.select([0]), "unsupervised": part})
    batches = list(table.batches())
    assert [batch.columns["label"] for batch in batches] == [["yes", "no"], ["yes"]]
    assert [batch.columns["split"] for batch in batches] == [["train", "train"], ["validation"]]
    assert [list(batch.rows) for batch in batches] == [[1, 2], [3]]
    assert "unsupervised" in table.warnings[0]


def test_only_the_first_sheet_is_read_and_it_says_so(tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["text", "n"])
    sheet.append(["001", 5])
    sheet.append([None, None])
    sheet.append(["=1+1", 2.5])
    book.create_sheet("more")
    book.save(tmp_path / "b.xlsx")
    shown = preview(tmp_path / "b.xlsx")
    assert shown.rows[0] == {"text": "001", "n": "5"}
    assert "first of 2 sheets" in shown.warnings[0]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        (0.1, "0.1"),
        (True, "true"),
        ("", None),
        (datetime.datetime(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        (datetime.timedelta(seconds=90), "90 s"),
    ],
)
def test_workbook_cells_read_as_people_see_them(value: Any, text: str | None) -> None:
    assert cell_text(value) == text


def _save(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()
