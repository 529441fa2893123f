"""Spans of texts: reading them, refusing what does not fit, keeping them through renames, and scoring whole spans."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import InputError, RefusedError
from core.tasks import get_task
from core.tasks.spans import common_pieces, from_tags, joined, to_bioes, to_tags, words

TASK = get_task("tagging")
TEXT = "Ada Lovelace met Babbage in London."


def read(text: str, cell: object) -> tuple[str, Any]:
    stored, value = TASK.join(text, None, None if cell is None else json.dumps(cell))  # type: ignore[attr-defined]
    return stored, TASK.parse(value)


def test_words_are_runs_of_letters_single_signs_and_single_characters_of_scripts_without_spaces():
    assert [TEXT[a:b] for a, b in words(TEXT)] == ["Ada", "Lovelace", "met", "Babbage", "in", "London", "."]
    assert [c for c in "在北京 7pm" if c.strip()][:3] == ["在", "北", "京"]
    assert len(words("在北京 7pm")) == 4
    assert words("") == words(" \n\u200b ") == []


@pytest.mark.parametrize(
    "tags",
    [
        ["B-who", "I-who", "O", "B-who", "O", "B-where", "O"],
        ["I-who", "I-who", "O", "I-who", "O", "I-where", "O"],  # IOB1
        ["B-who", "E-who", "O", "S-who", "O", "S-where", "O"],  # BIOES
        ["B-who", "L-who", "O", "U-who", "O", "U-where", "O"],  # BILOU
    ],
)
def test_every_scheme_of_tags_gives_the_same_spans(tags):
    tokens = ["Ada", "Lovelace", "met", "Babbage", "in", "London", "."]
    text, spans = read(json.dumps(tokens), tags)
    assert text == "Ada Lovelace met Babbage in London ."
    assert [(text[a:b], name) for a, b, name in spans] == [
        ("Ada Lovelace", "who"), ("Babbage", "who"), ("London", "where")
    ]  # fmt: skip
    iob = to_tags(joined(tokens)[1], spans)
    assert iob == ["B-who", "I-who", "O", "B-who", "O", "B-where", "O"]
    assert to_bioes(iob) == ["B-who", "E-who", "O", "S-who", "O", "S-where", "O"]
    assert from_tags(joined(tokens)[1], to_bioes(iob)) == spans


def test_neighbours_of_one_label_stay_two():
    places = joined(["a", "b"])[1]
    assert from_tags(places, ["B-x", "B-x"]) == [(0, 1, "x"), (2, 3, "x")]
    assert from_tags(places, ["S-x", "I-x"]) == [(0, 1, "x"), (2, 3, "x")]


def test_chinese_tokens_are_joined_without_spaces():
    text, spans = read(json.dumps(["北", "京", "很", "大"]), ["B-place", "I-place", "O", "O"])
    assert (text, spans) == ("北京很大", [(0, 2, "place")])


def test_spans_come_as_lists_or_objects_in_any_order():
    want = [(0, 12, "who"), (28, 34, "where")]
    assert read(TEXT, [[28, 34, "where"], [0, 12, "who"]])[1] == want
    assert read(TEXT, [{"start": 0, "end": 12, "label": "who"}, {"start": 28, "end": 34, "label": "where"}])[1] == want
    assert read(TEXT, [])[1] == [] and read(TEXT, None)[1] is None, "nothing to find is an answer, no cell is none"


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ([[0, 11, "who"]], "cuts a word"),
        ([[1, 12, "who"]], "cuts a word"),
        ([[0, 13, "who"]], "cuts a word"),
        ([[28, 99, "where"]], "outside of the text, which has 35"),
        ([[12, 0, "who"]], "outside"),
        ([[0, 12, "who"], [4, 12, "name"]], "overlap at character 4"),
        ([[0, 12, ""]], "a span is"),
        ([["a", 12, "who"]], "a span is"),
    ],
)
def test_spans_that_do_not_fit_are_refused(cell, reason):
    with pytest.raises(InputError, match=reason):
        read(TEXT, cell)


@pytest.mark.parametrize(
    ("tokens", "tags", "reason"),
    [
        (["a", "b"], ["O"], "2 tokens and 1 tags"),
        (["a"], ["place"], "'place' is no tag"),
        (["a", " "], ["O", "O"], "token 2 is empty"),
    ],
)
def test_tags_that_do_not_fit_are_refused(tokens, tags, reason):
    with pytest.raises(InputError, match=reason):
        read(json.dumps(tokens), tags)


def test_signs_that_nobody_sees_belong_to_no_span():
    assert read("Dubbz\ufeff won", [[0, 6, "who"]])[1] == [(0, 5, "who")]


def test_a_label_cell_that_is_no_list_is_refused():
    with pytest.raises(InputError, match="no list of spans"):
        TASK.join(TEXT, None, "who")  # type: ignore[attr-defined]


def test_a_rename_touches_no_label():
    payload, ids = TASK.encode([(28, 34, "where"), (0, 12, "who")], {"who": 7, "where": 9})
    assert ids == [7, 9]
    assert TASK.decode(payload, ids, {7: "person", 9: "place"}) == [(0, 12, "person"), (28, 34, "place")]
    assert TASK.decode(payload, ids, {7: "person"}) == [(0, 12, "person")]
    with pytest.raises(InputError, match="'why' is not a label"):
        TASK.encode([(0, 3, "why")], {"who": 7})


def test_only_whole_spans_with_the_right_name_count():
    gold = [[(0, 12, "who"), (28, 34, "where")], [], [(0, 3, "who")]]
    half = [[(0, 12, "who"), (17, 24, "who")], [(0, 2, "where")], [(0, 3, "where")]]
    found = TASK.metrics(gold, half, ["who", "where"])
    assert next(iter(found)) == "entity_f1"
    assert found["entity_precision"] == pytest.approx(1 / 4) and found["entity_recall"] == pytest.approx(1 / 3)
    assert TASK.metrics(gold, gold, ["who", "where"])["entity_f1"] == 1.0
    assert common_pieces(gold[0], half[0]) == [(0, 12), (12, 17), (17, 24), (24, 28), (28, 34)]


def test_every_split_gets_some_of_each_label_and_a_version_needs_a_span():
    values = [[(0, 1, "often")], [(0, 1, "often"), (2, 3, "rare")], [], [(0, 1, "often")]]
    assert TASK.strata(values) == ["often", "rare", "O", "often"]
    with pytest.raises(RefusedError, match="No labelled text holds a span"):
        TASK.check_version({"train": {}, "test": {}})
    with pytest.raises(RefusedError, match="rare"):
        TASK.check_version({"train": {"often": 3}, "test": {"rare": 1}})
    assert "rare" in TASK.check_version({"train": {"often": 3, "rare": 1}, "test": {"often": 1}})[0]
