"""Responses as values, and how alike two texts are."""

from __future__ import annotations

import random

import pytest

from core.errors import InputError, RefusedError
from core.tasks import get_task
from core.tasks.wording import _longest_common, compare_texts, mean_figures, words

TASK = get_task("generation")


def test_a_response_is_kept_as_it_was_written():
    text = '  two lines\n\nand "quotes" 你好 🙂 '
    payload, ids = TASK.encode(text, {})
    assert ids == [] and TASK.decode(payload, [], {}) == text.strip()
    assert TASK.parse("  ") is None and TASK.parse(None) is None and TASK.names("x") == ()
    assert TASK.decode(None, [], {}) is None


def test_an_empty_or_endless_response_is_refused():
    for value in ("  ", 3, None):
        with pytest.raises(InputError, match="empty"):
            TASK.encode(value, {})
    with pytest.raises(InputError, match="100,000 characters"):
        TASK.parse("x" * 100_001)


def test_a_version_needs_prompts_to_learn_from():
    with pytest.raises(RefusedError, match="No prompt"):
        TASK.check_version({"train": {}, "dev": {"": 2}})
    assert TASK.check_version({"train": {"": 3}, "dev": {}, "test": {"": 1}}) == [
        "There is no prompt in the dev split; nothing can be measured there."
    ]


def test_figures_of_equal_and_of_different_texts():
    same = mean_figures(compare_texts(["Thank you, Ann!"] * 2, ["Thank you,  Ann!"] * 2))
    assert same["accuracy"] == same["rouge_l"] == same["chrf"] == 1 and same["bleu"] == pytest.approx(1)
    none = mean_figures(compare_texts(["abc def"], ["xyz"]))
    assert none["accuracy"] == none["rouge_l"] == none["macro_f1"] == none["bleu"] == 0
    assert next(iter(same)) == "rouge_l"
    assert mean_figures(compare_texts([], []))["chrf"] == 0


def test_rouge_by_hand_in_english_and_chinese():
    # Lin 2004: "police killed the gunman" against "the gunman police killed": longest common subsequence of 2 of 4.
    found = compare_texts(["police killed the gunman"], ["the gunman police killed"]).rows
    assert found["rouge_l"][0] == 0.5 and found["rouge_1"][0] == 1.0
    assert words("Don't 你好 A-1") == ["don", "t", "你", "好", "a", "1"]
    assert compare_texts(["你好世界"], ["你好"]).rows["rouge_l"][0] == pytest.approx(2 / 3)


def test_the_longest_common_subsequence_is_that_of_the_textbook():
    pick = random.Random(0)
    for _ in range(100):
        one, other = (pick.choices("abcd", k=pick.randint(1, 70)) for _ in range(2))
        table = [[0] * (len(other) + 1) for _ in range(len(one) + 1)]
        for i, a in enumerate(one):
            for j, b in enumerate(other):
                table[i + 1][j + 1] = table[i][j] + 1 if a == b else max(table[i][j + 1], table[i + 1][j])
        assert _longest_common(one, other) == pytest.approx(2 * table[-1][-1] / (len(one) + len(other)))


def test_prompts_without_an_answer_do_not_count():
    figures = TASK.metrics(["a b", "c d"], ["a b", None], [])
    assert figures["rouge_l"] == figures["accuracy"] == 1
    assert TASK.metrics(["a"], [None], [])["rouge_l"] == 0
