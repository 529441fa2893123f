"""Suggestions come from the newest model, else from the labels so far; the page is never kept waiting."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.errors import ModelError
from core.labeling.suggestions import LABELS_SO_FAR, ProjectSource, Suggester

WORDS = ["refund", "delivery"]


class FakeSource:
    """Texts are label names; vectors are one-hot by word."""

    def __init__(self):
        self.items = {i: WORDS[i % 2] for i in range(40)}
        self.labels = list(WORDS)
        self.pairs = []
        self.model = None
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.scored = []
        self.writing = False

    def texts(self, item_ids):
        return {i: self.items[i] for i in item_ids if i in self.items}

    def label_names(self):
        return self.labels

    def label_count(self):
        return len(self.pairs)

    def labelled(self, limit):
        return self.pairs[:limit]

    def newest_model(self):
        return (self.model, ["delivery", "refund", "old name"]) if self.model else None

    def answered_whole(self):
        return self.writing

    def answers(self, model_id, texts):
        if self.broken:
            raise ModelError("gone")
        self.scored += texts
        return [(f"re: {text}", 0.5) for text in texts]

    def scores(self, model_id, texts):
        self.gate.wait(10)
        if self.broken:
            raise ModelError("altered")
        self.scored.extend(texts)
        return np.array([[0.2, 0.7, 0.9] if text == "refund" else [0.8, 0.1, 0.9] for text in texts])

    def several(self, model_id, scores, labels):
        return None

    def vectors(self, texts):
        return np.array([[text == word for word in WORDS] for text in texts], dtype=float)


@pytest.fixture
def source():
    return FakeSource()


@pytest.fixture
def suggester(source):
    made = Suggester(source)
    yield made
    source.gate.set()
    made.close()


def ready(suggester, ids):
    suggester.prepare(ids)
    assert suggester.wait(10)
    return suggester.get(ids)


def test_nobody_suggests_before_two_labels_have_two_examples(suggester, source):
    assert ready(suggester, [0]) == {}
    source.pairs = [("refund", "refund")] * 12 + [("delivery", "delivery")]
    assert ready(suggester, [0]) == {}


def test_labels_so_far_speak_when_there_is_no_model(suggester, source):
    source.pairs = [(word, word) for word in WORDS] * 6
    found = ready(suggester, [0, 1])
    assert [found[i][0].label for i in (0, 1)] == WORDS
    assert found[0][0].model == LABELS_SO_FAR and 0.5 < found[0][0].score <= 1


def test_the_newest_model_speaks_and_only_with_labels_of_the_schema(suggester, source):
    source.pairs = [(word, word) for word in WORDS] * 6
    source.model = "run-1"
    found = ready(suggester, [0, 1])
    assert [[s.label for s in found[i]] for i in (0, 1)] == [["refund", "delivery"], ["delivery", "refund"]]
    assert {s.model for s in found[0]} == {"run-1"}


def test_a_newer_model_and_more_labels_replace_what_was_suggested(suggester, source):
    source.pairs = [("refund", "delivery"), ("delivery", "refund")] * 3
    assert ready(suggester, [0])[0][0].label == "delivery"
    source.pairs = [(word, word) for word in WORDS] * 20
    suggester.get([2])  # any new wish notices the new labels
    assert suggester.wait(10)
    assert ready(suggester, [0])[0][0].label == "refund"
    source.model = "run-2"
    ready(suggester, [3])
    assert ready(suggester, [0])[0][0].model == "run-2"


@pytest.mark.parametrize(
    ("registered", "speaks"),
    [
        ([], None),
        ([("behind", "baseline", 2), ("tuned", "features", 2), ("old", "lora", 1)], "tuned"),
        ([("new", "baseline", 2), ("old", "lora", 1)], "new"),
        ([("newer", "features", 2), ("older", "lora", 2)], "newer"),
    ],
    ids=["none", "a baseline trained behind a model", "a baseline alone on newer data", "two of one version"],
)
def test_the_model_that_speaks_for_a_project(registered, speaks):
    infos = [SimpleNamespace(id=name, method=method, version_id=at, labels=WORDS) for name, method, at in registered]
    project: Any = SimpleNamespace(models=lambda: [SimpleNamespace(info=info) for info in infos])
    assert ProjectSource(project).newest_model() == ((speaks, WORDS) if speaks else None)


def test_the_page_never_waits(suggester, source):
    source.model = "slow"
    source.gate.clear()
    start = time.perf_counter()
    for _ in range(50):
        assert suggester.get(list(range(20))) == {}
    assert (time.perf_counter() - start) / 50 < 0.02
    source.gate.set()
    assert suggester.wait(10) and len(suggester.get(list(range(20)))) == 20


def test_each_item_is_scored_once_and_memory_is_bounded(source):
    source.model = "run"
    suggester = Suggester(source, kept=10)
    ready(suggester, range(5))
    ready(suggester, range(5))
    assert len(source.scored) == 5
    ready(suggester, range(5, 40))
    assert len(suggester.get(range(40))) <= 10
    suggester.close()


def test_an_altered_model_is_left_out_and_the_labels_so_far_take_over(suggester, source):
    source.pairs = [(word, word) for word in WORDS] * 6
    source.model, source.broken = "run", True
    assert ready(suggester, [0]) == {}
    assert ready(suggester, [0])[0][0].model == LABELS_SO_FAR


def test_unknown_items_and_a_closed_suggester_are_quiet(suggester, source):
    source.model = "run"
    assert ready(suggester, [999]) == {}
    suggester.close()
    assert suggester.get([0]) == {}


def test_thinking_ends_when_nobody_can_answer(suggester, source):
    assert suggester.get([0]) == {}
    assert suggester.wait(10) and not suggester.thinking(0)
    assert suggester.get([0]) == {} and not suggester.thinking(0), "asked in vain already"
    source.model = "slow"
    source.gate.clear()
    assert suggester.get([1]) == {} and suggester.thinking(1)
    source.gate.set()
    assert suggester.wait(10) and suggester.get([1]) and not suggester.thinking(1)


def test_a_model_that_writes_suggests_its_text_a_few_at_a_time(source, suggester):
    source.writing, source.model = True, "writer"
    suggester.prepare(range(10))
    assert suggester.wait(10)
    assert {i: [s.label for s in found] for i, found in suggester.get([0, 9]).items()} == {
        0: [f"re: {WORDS[0]}"],
        9: [f"re: {WORDS[1]}"],
    }
    assert len(source.scored) == 10


def test_without_a_model_nothing_is_written(source, suggester):
    source.writing = True
    suggester.prepare([1])
    assert suggester.wait(10) and suggester.get([1]) == {}
