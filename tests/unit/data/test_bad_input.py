"""Files as they really come: every one is read exactly, or refused with a clear reason and nothing left behind."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.importing import preview
from core.errors import InputError

Run = Callable[..., Any]

CHINESE = "text,label\n" + "".join(f"送餐很快，味道也不错，下次还会再来{i}次,好评\n" for i in range(20))
GERMAN = "text,label\n" + "".join(
    f"Wo ist mein Päckchen Nummer {i}? Schöne Grüße aus Köln,lieferung\n" for i in range(20)
)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (CHINESE.encode("utf-8-sig"), "utf-8"),
        (CHINESE.encode("utf-8"), "utf-8"),
        (CHINESE.encode("utf-16"), "utf-16-le"),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "utf-16-be"),
        (CHINESE.encode("gbk"), "gb18030"),
        (CHINESE.encode("gb18030"), "gb18030"),
        (GERMAN.encode("utf-16-le"), "utf-16-le"),
        (GERMAN.encode("latin-1"), ("latin-1", "cp1252")),
        (GERMAN.encode("utf-32"), "utf-32-le"),
    ],
)
def test_encodings_are_found(run: Run, content: bytes, encoding: str | tuple[str, ...]) -> None:
    expected = CHINESE if "好评" in CHINESE and b"Nummer" not in content.replace(b"\0", b"") else GERMAN
    staged = run(content)
    assert staged.record.encoding in encoding if isinstance(encoding, tuple) else staged.record.encoding == encoding
    assert staged.column("text") == [line.split(",")[0] for line in expected.splitlines()[1:]]
    assert staged.rejected == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"text,label\r\none,a\ntwo,a\rthree,a\r\n", ["one", "two", "three"]),
        (b'text,label\n"one\r\nmore",a\n\n\ntwo,a', ["one\r\nmore", "two"]),
        (b"\n\ntext,label\nNA,a\n001,a\n1e5,a\nnull,a\n12345678901234567890123,a\nTrue,a\n-0.10,a\n", None),
        (b"text;label\none, two;a\nthree;a\n", ["one, two", "three"]),
        (b"text\tlabel\none, two\ta\n", ["one, two"]),
        (b'text,label\n"say ""hi""",a\n', ['say "hi"']),
        (b"text,label\n<b>x</b> $\\frac12$ **m** :red[r] `c`,a\n'; DROP TABLE items;--,a\n", None),
        ("text,label\nمرحبا بالعالم,a\n\u202eevil,a\n👩\u200d👩\u200d👧,a\n".encode(), None),
    ],
)
def test_values_stay_as_they_are_written(run: Run, content: bytes, expected: list[str] | None) -> None:
    staged = run(content)
    if expected is None:
        expected = [line.rsplit(",", 1)[0] for line in content.decode().strip().split("\n")[1:]]
    assert staged.column("text") == expected
    assert staged.rejected == []


@pytest.mark.parametrize(
    ("content", "name", "kept", "number", "reason"),
    [
        (
            "text,label\none,a\ntwo,a,b\nthree\nfour,a\n",
            "d.csv",
            ["one", "four"],
            [2, 3],
            "cells where the header has 2",
        ),
        ('text,label\n"x"y,a\ntwo,a\n', "d.csv", ["two"], [1], "line 2: a quote"),
        ("text,label\no\0ne,a\ntwo,a\n", "d.csv", ["two"], [1], "NUL"),
        ("text,label\n" + "x" * 10_000_000 + ",a\ntwo,a\n", "d.csv", ["two"], [1], "10,000,000 characters"),
        ("text,label\n,a\n  \u3000,a\ntwo,a\n", "d.csv", ["two"], [1, 2], "the text is empty"),
        ("text,label\none," + "x" * 101 + "\ntwo,a\n", "d.csv", ["two"], [1], "101 characters"),
        ("text,label\none,a\u200bb\ntwo,a\n", "d.csv", ["two"], [1], "invisible character U+200B"),
        ("text,label\none,\u202eab\ntwo,a\n", "d.csv", ["two"], [1], "invisible character U+202E"),
        ("text,label\none,a\x07\ntwo,a\n", "d.csv", ["two"], [1], "invisible character U+0007"),
        ('{"text": "one"}\n{"text": \n{"text": "three"}\n', "d.jsonl", ["one", "three"], [2], "not valid JSON"),
        ('{"text": "one"}\n[1]\n{"text": "a", "text": "b"}\n', "d.jsonl", ["one"], [2, 3], ""),
        ('{"text": "one"}\n{"text": "\\ud83d half"}\n', "d.jsonl", ["one"], [2], "surrogate"),
        ('{"text": "one"}\n{"text": ' + "[" * 100_000 + "\n", "d.jsonl", ["one"], [2], "nested too deeply"),
        ('{"text": "a\\u0000b"}\n{"text": "two"}\n', "d.jsonl", ["two"], [1], "NUL"),
    ],
)
def test_bad_rows_are_set_aside_with_number_and_reason(
    run: Run, content: str, name: str, kept: list[str], number: list[int], reason: str
) -> None:
    staged = run(content, name, label="label" if name.endswith("csv") else None)
    assert staged.column("text") == kept
    assert [row.row for row in staged.rejected] == number
    assert all(reason in row.reason for row in staged.rejected)
    assert all(row.excerpt.isprintable() and len(row.excerpt) <= 90 for row in staged.rejected)


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _cut_parquet() -> bytes:
    return _parquet(pa.table({"text": ["one", "two"] * 1000}))[:-50]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "d.csv", "is empty"),
        (b" \n \n", "d.csv", "white space"),
        (b"text,label\n", "d.csv", "no rows"),
        (b"text,label\r\n\r\n", "d.csv", "no rows"),
        (b'text,label\none,a\n"two,a\nthree,a\n', "d.csv", "line 3"),
        (b'text,label\none,a\n"two,a\nthree,"b"\nfour,a\n', "d.csv", "line 3"),
        (b"text,label,text\none,a,b\n", "d.csv", "column 1 and column 3"),
        (("text,label\n" + "schön,a\n" * 50).encode() + b"sch\xf6n,a\n", "d.csv", "Line 52 has bytes"),
        ("text,label\nschön,a\n".encode("utf-16")[:-3], "d.csv", "not UTF-16-LE"),
        (b"\x7fELF\x02\x01\x01\0" + bytes(range(256)) * 20, "d.csv", "a program"),
        (b"MZ\x90\0\x03\0\0\0" + bytes(500), "d.csv", "a program"),
        (b"%PDF-1.7\n%\xe2\xe3", "d.csv", "a PDF"),
        (b"\x1f\x8b\x08\0abc", "d.csv", "compressed"),
        (b"PK\x03\x04" + bytes(100), "d.csv", "archive"),
        (b"PK\x03\x04" + bytes(100), "d.xlsx", "workbook cannot be read"),
        (bytes(range(256)) * 40, "d.csv", "binary data"),
        (b"text,label\none,a\n", "d.parquet", "not Parquet inside"),
        (_cut_parquet(), "d.parquet", "cannot be read"),
        (b"PAR1" + bytes(30) + b"PAR1", "d.csv", "cannot be read"),
        (b'[{"text": "one"}, {"text": }]', "d.json", "Row 2 is not valid JSON (line 1"),
        (b'{"a": [{"text": "one"}]}\n', "d.json", "no column 'text'"),
        (b"[" * 100_000, "d.json", "not valid JSON"),
        (b"body,label\none,a\n", "d.csv", "no column 'text'"),
        (b'text,"la"bel\none,a\n', "d.csv", "header line cannot be read"),
        (b'text,"label\none,a\n', "d.csv", "header line cannot be read"),
        (b"PK\x03\x04" + bytes(80) + b"PK\x05\x06" + b"\x09" * 18, "d.xlsx", "workbook cannot be read"),
    ],
)
def test_bad_files_are_refused_as_a_whole(run_apart: Run, content: bytes, name: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        run_apart(content, name, label=None)
    assert words in caught.value.message
    assert caught.value.hint
    assert "Traceback" not in str(caught.value)


def test_a_quote_left_open_early_is_named_before_gigabytes_are_read(run_apart: Run) -> None:
    content = 'text,label\none,a\n"two,a\n' + "a line without any quote,b\n" * 1_500_000
    with pytest.raises(InputError, match="line 3"):
        run_apart(content)


def test_a_parquet_bomb_is_refused_by_its_footer(run_apart: Run, tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    table = pa.table({"text": ["x" * 1_000_000] * 100})
    with pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False) as writer:
        for _ in range(12):
            writer.write_table(table)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"but unpacks to 1\.2 GB"):
        run_apart(path, "bomb.parquet", label=None)


@pytest.mark.parametrize("store_schema", [True, False])
def test_a_parquet_bomb_hidden_in_a_dictionary_is_refused(run_apart: Run, tmp_path: Path, store_schema: bool) -> None:
    """One text of a megabyte and 20,000 references to it: the footer looks harmless."""
    path = tmp_path / "bomb.parquet"
    codes = pa.array([0] * 20_000, pa.int32())
    texts = pa.DictionaryArray.from_arrays(codes, pa.array(["x" * 1_000_000]))
    pq.write_table(pa.table({"text": texts}), path, compression="zstd", store_schema=store_schema)
    assert path.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"unpacks to|needs more than"):
        run_apart(path, "bomb.parquet", label=None)


def test_integers_beyond_two_to_the_53_keep_their_digits(run: Run) -> None:
    rows = '{"text": "one", "id": 9007199254740993, "score": 1e5, "deep": {"n": 12345678901234567890}}\n'
    staged = run(rows, "d.jsonl", label=None, id="id")
    assert staged.column("external_id") == ["9007199254740993"]
    assert json.loads(staged.rows[0]["meta"]) == {"score": "1e5", "deep": '{"n": 12345678901234567890}'}
    big = pa.table({"text": ["one"], "id": pa.array([9007199254740993], pa.int64())})
    assert run(_parquet(big), "d.parquet", label=None, id="id").column("external_id") == ["9007199254740993"]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.csv", "/etc/passwd.csv", "..\\x.csv", "CON.csv", "a\0b.csv", "-rf.csv"]
)
def test_names_are_only_shown_never_followed(run: Run, name: str) -> None:
    assert run("text,label\none,a\n", name).column("text") == ["one"]


def test_column_names_with_sql_or_markup_are_only_names(run: Run) -> None:
    staged = run('"text","x""; DROP TABLE items; --","<b>:red[y]</b>"\none,1,2\n', label=None)
    assert json.loads(staged.rows[0]["meta"]) == {'x"; DROP TABLE items; --': "1", "<b>:red[y]</b>": "2"}


def test_labels_of_any_script_are_welcome(run: Run) -> None:
    labels = ["عودة", "退款", "<b>x</b>", "می‌خواهم", "👩‍👧", "a:red[b]", "'; DROP TABLE x"]
    staged = run("text,label\n" + "".join(f"t{i},{label}\n" for i, label in enumerate(labels)))
    assert staged.record.labels == labels


def test_unknown_splits_are_refused_row_by_row(run: Run) -> None:
    content = "text,part\none,Train\ntwo,validation\nthree,TEST \nfour,\nfive,fold7\n"
    staged = run(content, label=None, split="part")
    assert staged.column("split") == ["train", "dev", "test", None]
    assert staged.rejected[0].row == 5 and "'fold7'" in staged.rejected[0].reason


@pytest.mark.parametrize("name", ["bad.csv", "bad.jsonl", "bad.parquet", "bad.xlsx", "bad.txt"])
def test_a_preview_refuses_binary_files_too(tmp_path: Path, name: str) -> None:
    path = tmp_path / "upload"
    path.write_bytes(b"\x7fELF" + bytes(5000))
    with pytest.raises(InputError):
        preview(path, filename=name)
