"""Finished English sentences of core, read in Chinese."""

from __future__ import annotations

import pytest

from core.errors import InputError
from core.tasks import get_task
from studio import phrases
from studio.phrases import phrase


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("studio.i18n.language", lambda: "zh_CN")
    monkeypatch.setattr(phrases, "language", lambda: "zh_CN")


def test_english_stays() -> None:
    assert phrase("'x.csv' is empty.") == "'x.csv' is empty."


def test_values_move_into_the_translation(chinese: None) -> None:
    assert phrase("'x.csv' is empty.") == "“x.csv”是空的。"
    assert phrase("epoch 3 of 20") == "第 3 轮，共 20 轮"


def test_values_may_hold_anything(chinese: None) -> None:
    assert phrase("'{0} {1}\\n $x' is empty.") == "“{0} {1}\\n $x”是空的。"


def test_the_more_specific_pattern_wins(chinese: None) -> None:
    assert phrase("The column 'a' is chosen twice.") == "列“a”被选了两次。"


def test_an_unknown_sentence_stays_readable(chinese: None) -> None:
    assert phrase("Nobody has written this yet.") == "Nobody has written this yet."


def test_an_error_as_core_raises_it(chinese: None) -> None:
    with pytest.raises(InputError) as caught:
        get_task("classification").encode("nope", {"yes": 1})
    assert phrase(caught.value.message) == "“nope”不是这个项目的标签。"
    assert phrase(caught.value.hint) == "标签：yes。"
