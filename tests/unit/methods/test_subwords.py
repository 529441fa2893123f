"""Words and characters aligned with the tokens of real vocabularies: pieces of words, pairs of bytes, one a word."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from core.methods.base import Rows
from core.methods.heads import head_for
from core.methods.heads.spans import IGNORED
from core.tasks.spans import Span, words
from tests.unit.conftest import byte_pairs, fast_tokenizer, whole_words, word_pieces

LABELS = ["who", "where"]
TEXTS = [
    "Unbelievably, Anna-Marie didn't stay at Neustadt!",
    "安娜去北京大学了。",
    "Anna 去 北京 2024年 with Bob",
    "😀 Anna👩‍👧 met 🦕 Zoë\u200b in Köln 龘",
    "x",
    "a.b.c's e-mail: anna@bell.org",
]
MAKERS: dict[str, Callable[[], Any]] = {
    "words": whole_words,
    "pieces": lambda: word_pieces([*TEXTS[:3], *["Anna stays", "didn't stay"] * 9]),
    "bytes": lambda: byte_pairs([TEXTS[0], *["北京 didn't", "安娜 Anna", "大学"] * 9]),
}


@pytest.fixture(scope="module", params=MAKERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return fast_tokenizer(MAKERS[request.param]())


def first_tokens(tokenizer: Any, text: str) -> list[int]:
    """Of each word the id of the first token that holds some of it, -1 for none; by looking at each pair."""
    whole = tokenizer(text, return_offsets_mapping=True)
    found = []
    for start, end in words(text):
        over = [
            i for i, (a, b) in zip(whole["input_ids"], whole["offset_mapping"], strict=True) if a < end and b > start
        ]
        found.append(over[0] if over else -1)
    return found


@pytest.mark.parametrize("limit", [64, 12, 8, 5])
def test_each_word_is_found_at_its_first_token_in_whatever_windows(tokenizer: Any, limit: int) -> None:
    head = head_for("tagging", LABELS)
    texts = [*TEXTS, " ".join(TEXTS * 3)]
    reading: Any = head.read(tokenizer, texts, None, limit)
    assert reading.encoded.lengths.max() <= limit
    for text, places in zip(texts, reading.places, strict=True):
        ids = np.where(places >= 0, reading.encoded.ids[places], -1)
        assert ids.tolist() == first_tokens(tokenizer, text), text


def everywhere(text: str, units: list[tuple[int, int]]) -> list[list[Span]]:
    """Ways to mark a text: every unit by itself, two at a time, everything, nothing."""
    single = [(start, end, LABELS[place % 2]) for place, (start, end) in enumerate(units)]
    double = [(a[0], b[1], "who") for a, b in list(pairwise(units))[::2]]
    return [single, double, [(units[0][0], units[-1][1], "where")] if units else [], []]


@pytest.mark.parametrize("limit", [64, 7])
def test_what_is_learned_is_what_is_answered(tokenizer: Any, limit: int) -> None:
    """Spans become targets; logits that say just that become the same spans: nothing is lost between the two."""
    import torch

    head = head_for("tagging", LABELS)
    reading: Any = head.read(tokenizer, TEXTS, None, limit)
    ways = [everywhere(text, reading.units(row)[0]) for row, text in enumerate(TEXTS)]
    for way in range(4):
        gold = [each[way] for each in ways]
        flat = head.targets(Rows(list(range(len(TEXTS))), TEXTS, gold), reading).every
        tags = torch.as_tensor(flat).clamp(min=0)
        logits = 9.0 * torch.nn.functional.one_hot(tags, len(head.outputs)).float()
        logits[torch.as_tensor(flat) == IGNORED] = torch.eye(len(head.outputs))[2] * 20  # must not be looked at
        assert head.answers(logits, reading).values == gold


def test_words_that_share_a_token_are_tagged_as_one() -> None:
    head, tokenizer = head_for("tagging", LABELS), fast_tokenizer(MAKERS["bytes"]())
    text = "安娜去北京大学了。"
    reading: Any = head.read(tokenizer, [text], None, 64)
    units, places = reading.units(0)
    assert len(units) < len(words(text)) and len(set(places.tolist())) == len(places)
    assert "北京" in [text[a:b] for a, b in units]
    flat = head.targets(Rows([0], [text], [[(3, 5, "where")]]), reading).every
    assert [head.outputs[tag] for tag in flat[flat > 0]] == ["B-where"], "the end of a token does not undo its begin"


def test_a_word_without_a_token_is_inside_the_span_around_it() -> None:
    import torch

    head, tokenizer = head_for("tagging", LABELS), fast_tokenizer(MAKERS["pieces"]())
    text = "Anna \ufffd stays"  # the sign of a lost character is taken out by BERT's normaliser
    reading: Any = head.read(tokenizer, [text], None, 64)
    assert reading.places[0].tolist()[1] == -1
    gold = [[(0, len(text), "who")]]
    flat = torch.as_tensor(head.targets(Rows([0], [text], gold), reading).every)
    assert flat[flat != IGNORED].tolist() == [1, 2]
    logits = torch.nn.functional.one_hot(flat.clamp(min=0), 5).float()
    assert head.answers(logits, reading).values == gold
