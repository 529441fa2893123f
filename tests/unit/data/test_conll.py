"""Column files: what is written comes back to the letter, and files of others are read as before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.conll import write_conll
from core.errors import InputError
from core.tasks.spans import Span, joined, split_up

ROWS: list[tuple[str, list[Span]]] = [
    ("Anna Bell (34) lives in Turin, Italy.", [(0, 9, "who"), (24, 29, "where"), (31, 36, "where")]),
    ("安娜去北京大学了。", [(0, 2, "who"), (3, 7, "where")]),
    ("Anna 去  北京\n在 2024年,\tthen\u3000home", [(0, 4, "who"), (8, 10, "where")]),
    ("  # B-1 \\s | 😀 x\u200by \u2028end ", [(6, 7, "job title|a=b")]),
    ("nothing to find", []),
    ("-DOCSTART- a", [(1, 9, "who")]),
    ("AnnaBob", [(0, 7, "who")]),
    ("a b", [(0, 1, "who"), (2, 3, "who")]),
]


def read(run: Callable[..., Any], path: Path) -> list[tuple[str, list[Span]]]:
    staged = run(path, path.name, task="tagging", text="tokens", label="tags")
    assert staged.rejected == []
    return [(row["text"], [tuple(span) for span in json.loads(row["label"])]) for row in staged.rows]


@pytest.mark.parametrize("ending", ["conll", "txt"])
@pytest.mark.parametrize("scheme", ["iob2", "bioes"])
def test_what_is_written_comes_back_to_the_letter(
    run: Callable[..., Any], tmp_path: Path, scheme: str, ending: str
) -> None:
    path = tmp_path / f"spans.{ending}"
    assert write_conll([*ROWS, (" \u200b ", [])], path, scheme) == len(ROWS), "a text without words has no line"
    assert read(run, path) == ROWS


def test_the_tags_are_those_of_the_scheme(tmp_path: Path) -> None:
    for scheme, tags in (("iob2", "B-who I-who O O O O O B-where O B-where O"),
                         ("bioes", "B-who E-who O O O O O S-where O S-where O")):  # fmt: skip
        write_conll(ROWS[:1], tmp_path / "a.conll", scheme)
        header, *lines = (tmp_path / "a.conll").read_text().splitlines()
        assert header == "# global.columns = FORM MISC NER"
        assert [line.split("\t")[-1] for line in lines if line] == tags.split()
    assert lines[2:4] == ["(\tSpaceAfter=No\tO", "34\tSpaceAfter=No\tO"]
    with pytest.raises(InputError, match="no scheme of tags 'bilou'"):
        write_conll(ROWS, tmp_path / "a.conll", "bilou")


def test_files_of_others_are_read_by_their_spaces_where_they_say_them(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "other.conll"
    path.write_text(
        "# global.columns = ID FORM MISC NER\n# text = Anna, home\n1\tAnna\tSpaceAfter=No\tB-who\n2\t,\t_\tO\n"
        "3\thome\tx=y|SpacesAfter=\\n\tO\n\n1\tBob\t_\tS-who\n2\tonly\n"
    )
    staged = run(path, path.name, task="tagging", text="tokens", label="tags")
    assert [row["text"] for row in staged.rows] == ["Anna, home\n"] and staged.rows[0]["meta"] is None
    assert [(row.row, row.reason) for row in staged.rejected] == [(7, "line 8 has a token without a tag")]
    path.write_text("Anna NN\tB-who\nhome NN\tO\n")
    assert [row["text"] for row in run(path, path.name, task="tagging", text="tokens", label="tags").rows] == [
        "Anna home"
    ]


def test_what_is_no_space_refuses_its_text_only(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "hostile.conll"
    wrong = ["\\ud800", "\\u0000", "and"]
    texts = [f"Anna\tSpacesAfter={one}\tB-who\ngoes\t_\tO\n" for one in wrong]
    path.write_text("# global.columns = FORM MISC NER\n" + "\n".join([*texts, "Bob\t_\tB-who\n"]))
    staged = run(path, path.name, task="tagging", text="tokens", label="tags")
    assert [row["text"] for row in staged.rows] == ["Bob "] and [row.row for row in staged.rejected] == [2, 5, 8]


def test_bytes_that_are_no_text_in_the_first_lines_are_named(run: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "half.conll"
    path.write_bytes(
        b"\xff\xfe" + "Anna B-who\nand O\n".encode("utf-16-le") + b"\x00\xd8" + "x O\n\n".encode("utf-16-le")
    )
    with pytest.raises(InputError, match=r"Line 3 has bytes that are not UTF-16-LE"):
        run(path, path.name, task="tagging", text="tokens", label="tags")


def test_rows_may_say_where_spaces_are(run: Callable[..., Any]) -> None:
    rows = [
        {"tokens": ["Anna", ",", "home"], "tags": ["B-who", "O", "O"], "spaces": [False, True, False]},
        {"tokens": ["Anna", "home"], "tags": ["B-who", "O"], "spaces": [True]},
        {"tokens": ["Anna", "home"], "tags": ["B-who", "O"], "spaces": [" and ", ""]},
    ]
    staged = run("\n".join(map(json.dumps, rows)), "a.jsonl", task="tagging", text="tokens", label="tags")
    assert [row["text"] for row in staged.rows] == ["Anna, home"]
    assert [row.row for row in staged.rejected] == [2, 3]
    assert "2 tokens do not go with the spaces" in staged.rejected[0].reason


@pytest.mark.parametrize("text", [text for text, _ in ROWS] + ["", "\n"])
def test_a_text_is_its_words_and_what_is_between(text: str) -> None:
    tokens, spaces = split_up(text)
    assert joined(tokens, spaces)[0] == text and len(spaces) == len(tokens) + 1
