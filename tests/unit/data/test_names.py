from __future__ import annotations

import pytest

from core.data.mapping import guess_mapping
from core.data.names import check_label_name, visible
from core.data.splits import split_name
from core.data.text import normalise, text_hash
from core.errors import InputError
from core.records import ColumnMapping


@pytest.mark.parametrize("name", ["refund", "退款", "עזרה", "می‌خواهم", "👩‍👧", "a b", "<b>", "?", "x" * 100])
def test_labels_people_can_see_are_accepted(name: str) -> None:
    assert check_label_name(f"  {name}\n") == name


@pytest.mark.parametrize(
    "name", ["", "  ", "\u200d", "a\u200bb", "a\u202eb", "a\nb", "a\tb", "\ufeffa", "x" * 101, "a\0"]
)
def test_labels_nobody_can_tell_apart_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        check_label_name(name)
    assert caught.value.hint and len(caught.value.message) < 200


def test_a_decomposed_label_is_the_composed_one() -> None:
    assert check_label_name("cafe\u0301") == "caf\u00e9"


def test_visible_keeps_one_line() -> None:
    assert visible("a\nb\x07c\u202ed" + "x" * 100, 8) == "a b c dx..."


@pytest.mark.parametrize(
    ("cell", "name"),
    [("Training", "train"), (" VALID ", "dev"), ("val", "dev"), ("test", "test"), ("", None), (None, None)],
)
def test_splits_are_spelt_in_many_ways(cell: str | None, name: str | None) -> None:
    assert split_name(cell) == name


def test_texts_count_as_the_same_after_normalisation() -> None:
    assert normalise(" cafe\u0301\n") == "caf\u00e9"
    assert text_hash(" cafe\u0301") == text_hash("caf\u00e9 ") != text_hash("Caf\u00e9")
    assert text_hash("a", "b") != text_hash("ab") != text_hash("b", "a")
    assert text_hash("Where is my parcel?") == 12367193608681933147  # stored: must never change


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        (["text", "label"], ["a", "b"], ColumnMapping(label="label")),
        (["ID", "Tweet", "Sentiment", "Split"], ["1", "t", "s", "train"],
         ColumnMapping(text="Tweet", label="Sentiment", split="Split", id="ID")),
        (["review", "label", "set"], ["r", "l", "blue"], ColumnMapping(text="review", label="label")),
        (["标签", "评论"], ["a", "b"], ColumnMapping(text="评论", label="标签")),
        (["n", "words"], ["1", "a longer text"], ColumnMapping(text="words", label="n")),
        (["sentence1", "sentence2", "label"], ["a", "b", "c"],
         ColumnMapping(text="sentence1", text_b="sentence2", label="label")),
        (["x", "y", "z"], ["1", "long enough", "2"], ColumnMapping(text="y")),
    ],
)  # fmt: skip
def test_the_mapping_is_guessed(columns: list[str], row: list[str], expected: ColumnMapping) -> None:
    rows = [dict(zip(columns, row, strict=True))] * 3
    assert guess_mapping(columns, rows) == expected
