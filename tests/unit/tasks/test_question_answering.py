"""Questions about texts: how answers are read, compared and declined."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from core.errors import InputError, RefusedError
from core.tasks import get_task
from core.tasks.answers import exact, f1_of, normalised
from core.tasks.base import Answers, Deciding, Declining, Joining

CONTEXT = "Ada Lovelace was born in London 😀 in 1815. She lived in London."
TASK: Any = get_task("question_answering")
LABELS = ["answer", "no answer"]
LONDON = {"start": 25, "end": 31, "text": "London"}


def read(cell: Any, *beside: str | None) -> Any:
    """What a cell becomes in the end."""
    cell = cell if isinstance(cell, str) or cell is None else json.dumps(cell)
    text, joined = TASK.join(CONTEXT, "Where?", cell, *(beside or (None, None)))
    assert text == CONTEXT
    return TASK.parse(joined)


def test_the_task_is_of_the_kinds_that_it_should_be() -> None:
    assert TASK.paired and not TASK.scored and TASK.fixed_labels == ("answer", "no answer")
    assert isinstance(TASK, Joining) and isinstance(TASK, Declining) and not isinstance(TASK, Deciding)


@pytest.mark.parametrize(
    ("cell", "beside"),
    [
        ("London", (None, None)),
        ("  London ", ("25", "false")),
        ("London", ("25.0", None)),
        ({"text": ["London"], "answer_start": [25]}, (None, None)),
        ({"text": ["London", "London"], "answer_start": [25, 25]}, (None, None)),
        ({"text": "London", "answer_start": 25}, (None, None)),
        ([LONDON], (None, None)),
        (["London"], (None, None)),
        ([[25, 31]], (None, None)),
        ([25, 31], (None, None)),
        ([[25, 31, "London"]], (None, None)),
        ([{"start": 25, "end": 31}], (None, None)),
    ],
)
def test_an_answer_is_read_however_a_file_writes_it(cell: Any, beside: tuple[str | None, str | None]) -> None:
    if isinstance(cell, list) and isinstance(cell[0], int):
        assert TASK.fit(cell, CONTEXT, "Where?") == [LONDON]
    else:
        assert read(cell, *beside) == [LONDON]


def test_several_answers_stay_in_their_order_and_a_later_place_can_be_meant() -> None:
    second = CONTEXT.rindex("London")
    found = read({"text": ["London", "in London"], "answer_start": [second, 22]})
    assert [(one["start"], one["text"]) for one in found] == [(second, "London"), (22, "in London")]
    assert read("1815")[0]["start"] == CONTEXT.index("1815"), "places are characters, not bytes or UTF-16"


def test_no_answer_is_something_else_than_not_labelled() -> None:
    cells: list[Any] = [[], {"text": [], "answer_start": []}, "no answer", "无答案"]
    for cell in cells:
        assert read(cell) == []
    assert read("", None, "true") == [] and read("London", None, "True") == []
    assert read(None) is None and read("", None, "false") is None
    assert TASK.names([]) == ("no answer",) and TASK.names(None) == () and TASK.names([LONDON]) == ("answer",)


@pytest.mark.parametrize(
    ("cell", "beside", "reason"),
    [
        ("Paris", (None, None), "the answer 'Paris' is not in the context"),
        ("London", ("24", None), "the answer 'London' is not at character 24 of the context but at 25"),
        ("London", ("900", None), "is not at character 900 of the context but at 25"),
        ({"text": ["Paris"], "answer_start": [25]}, (None, None), "which has 63 and reads 'Londo' there"),
        ("London", ("-1", None), "is not at character -1"),
        ("London", ("x", None), "'x' of an answer is not a whole number"),
        ("London", (None, "maybe"), "is_impossible 'maybe'"),
        ([[25, 30]], (None, None), "cuts a word: it reads 'Londo'"),
        ([[25, 99]], (None, None), "outside of the context, which has 63 characters"),
        ([[31, 25]], (None, None), "outside of the context"),
        ([{"start": 25}], (None, None), "neither a text nor an end"),
        ({"text": ["London"], "answer_start": []}, (None, None), "1 answers and other numbers of starts"),
        ([{"start": 25, "end": 30, "text": "London"}], (None, None), "is not at character 25"),
    ],
)
def test_an_answer_that_does_not_fit_says_why(cell: Any, beside: tuple[str | None, str | None], reason: str) -> None:
    with pytest.raises(InputError) as caught:
        read(cell, *beside)
    assert reason in caught.value.message


def test_values_are_stored_as_they_are() -> None:
    ids = {"answer": 7, "no answer": 8}
    for value in ([LONDON], [], [LONDON, {"start": 0, "end": 3, "text": "Ada"}]):
        payload, labels = TASK.encode(value, ids)
        assert labels == [7 if value else 8]
        assert TASK.decode(payload, labels, {7: "answer", 8: "no answer"}) == value


def test_figures_are_those_of_the_official_script() -> None:
    assert normalised("The  Eiffel-Tower, a tower!") == "eiffeltower tower"
    gold = [LONDON, {"start": 0, "end": 12, "text": "Ada Lovelace"}]

    def given(text: str) -> list[dict[str, Any]]:
        return [{"start": 0, "end": 1, "text": text}]

    assert exact(gold, given("the london.")) == 1 and f1_of(gold, given("the london.")) == 1
    assert exact(gold, given("Ada")) == 0 and f1_of(gold, given("Ada")) == pytest.approx(2 / 3)
    assert (f1_of([], []), f1_of([], given("Ada")), f1_of(gold, [])) == (1, 0, 0)
    assert f1_of(given("北京大学"), given("北京")) == pytest.approx(2 / 3), "a character is a word there"
    figures = TASK.metrics([gold, gold, [], []], [given("Ada"), given("London"), [], given("x")], LABELS)
    assert next(iter(figures)) == "answer_f1"
    assert figures["answer_f1"] == pytest.approx((2 / 3 + 1 + 1 + 0) / 4) and figures["exact_match"] == 0.5
    assert figures["answerable_f1"] == pytest.approx(5 / 6) and figures["unanswerable_right"] == 0.5


def test_the_threshold_is_the_one_with_the_highest_f1_on_dev() -> None:
    there = np.array([0.95, 0.9, 0.7, 0.6, 0.2])
    scores = np.stack([there, 1 - there], axis=1)
    said = Answers([[LONDON]] * 5, np.full(5, 0.4, np.float32), scores)
    turned = Answers(said.values, said.confidence, scores[:, ::-1])
    decision = TASK.threshold([[LONDON], [LONDON], [], [], []], said, LABELS)
    assert 0.7 < decision["threshold"] < 0.9
    kept = TASK.decline(said, LABELS, decision)
    assert kept.values == [[LONDON], [LONDON], [], [], []] and kept.scores is scores
    assert kept.confidence == pytest.approx([0.4, 0.4, 0.3, 0.4, 0.8], abs=1e-6)
    assert TASK.threshold([[LONDON]] * 5, said, LABELS) == {"threshold": 0.0}
    assert TASK.decline(said, LABELS, {}).values == [[LONDON]] * 4 + [[]], "without a choice: a half"
    assert TASK.decline(turned, LABELS[::-1], decision).values == kept.values, "labels name the columns"


def test_a_version_needs_an_answer_to_learn_from() -> None:
    with pytest.raises(RefusedError, match="No question to learn from"):
        TASK.check_version({"train": {"no answer": 9}, "dev": {"answer": 1}, "test": {}})
    assert TASK.check_version({"train": {"answer": 9}, "dev": {"answer": 1}, "test": {"answer": 1}}) == []
    warnings = TASK.check_version({"train": {"answer": 9}, "dev": {"answer": 1}, "test": {"no answer": 1}})
    assert any("find an answer to every question" in warning for warning in warnings)
