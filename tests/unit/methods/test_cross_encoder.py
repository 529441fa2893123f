"""The cross-encoder on a tiny model: counter-examples, matches and grades, re-ranking; it comes back the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import ModelError
from core.methods import get_method
from core.methods.base import Rows, TrainingData, Work
from core.methods.counter_examples import by_words, with_others
from core.methods.cross_encoder import CrossEncoder, CrossEncoderOptions, CrossEncoderPredictor
from core.methods.heads import head_for
from core.methods.heads.base import Weighting
from core.methods.pairs import Pairs, rank_pairs
from core.tasks import get_task

LABELS = ["match", "no match"]
QUICK = {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "max_length": 24, "dropout": 0.0}
ANSWERS = {"refund": "money back please", "delivery": "parcel arrives late where", "greeting": "hello there good day"}


def rows(count: int, seed: int, value: Callable[[bool], Any]) -> Rows:
    """A few words and an answer; a match is answered politely. Only matches, on topic, where all values are equal."""
    random = np.random.default_rng(seed)
    topics = list(ANSWERS)
    firsts, seconds, values = [], [], []
    only_matches = value(True) == value(False)
    for row in range(count):
        topic = topics[random.integers(len(topics))]
        same = only_matches or row % 2 == 0
        firsts.append(" ".join([*random.permutation(ANSWERS[topic].split())[:2], ["the", "a", "my"][row % 3]]))
        polite = ["hello there", "good day", "money back"] if same else ["late where", "parcel late", "arrives where"]
        seconds.append(ANSWERS[topic] if only_matches else polite[random.integers(3)])
        values.append(value(same))
    return Rows(list(range(count)), firsts, values, seconds)


def data(value: Callable[[bool], Any] = lambda same: "match" if same else "no match") -> TrainingData:
    return TrainingData(get_task("pair"), LABELS, rows(96, 0, value), rows(30, 1, value), rows(0, 2, value))


@pytest.fixture
def tune(tiny: Path, context: Any) -> Callable[..., CrossEncoderPredictor]:
    def run(made: TrainingData, **options: Any) -> CrossEncoderPredictor:
        method = CrossEncoder()
        return method.fit(made, method.Options.model_validate({**QUICK, **options}), tiny, context)

    return run


@pytest.mark.parametrize(
    ("value", "headline"),
    [
        (lambda same: "match" if same else "no match", "accuracy"),
        (lambda same: "match", "accuracy"),
        (lambda same: 0.9 if same else 0.2, "spearman"),
    ],
    ids=["both", "matches only", "grades"],
)
def test_learns_and_comes_back_the_same(value: Any, headline: str, tune: Any, context: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = tune(data(value))
    epochs = [note["dev"] for note in context.notes if note["kind"] == "epoch"]
    assert next(iter(epochs[0])) == headline
    test = rows(60, 9, lambda same: "match" if same else "no match")
    scores = model.scores(test.texts, test.texts_b)
    assert scores.shape == (60, 2) and np.allclose(scores.sum(1), 1, atol=1e-5)
    match = np.array(test.values) == "match"
    if value(True) != value(False):  # which answers belong to which topic is beyond so small a model
        assert max(epoch[headline] for epoch in epochs) > epochs[0][headline]
        assert scores[match, 0].mean() > scores[~match, 0].mean() + 0.2
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    loaded = get_method("cross_encoder").load(folder, LABELS)
    assert np.allclose(loaded.scores(test.texts, test.texts_b), scores, atol=1e-6)
    plain = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(test.texts[0], (test.texts_b or [])[0], return_tensors="pt")
    with torch.no_grad():
        assert np.allclose(plain(**inputs).logits.softmax(-1).numpy()[0], scores[0], atol=1e-5)
    (folder / "cross_encoder.json").unlink()
    with pytest.raises(ModelError, match=r"cross_encoder\.json"):
        get_method("cross_encoder").load(folder, LABELS)


def test_counter_examples_are_never_possible_matches() -> None:
    made = with_others(data(lambda same: "match").train, 2, seed=0)
    new = list(zip(made.texts, made.texts_b or [], made.values, strict=True))[96:]
    assert len(new) == 96 * 2 and {value for _, _, value in new} == {"no match"}
    known = Pairs.of(data(lambda same: "match").train)
    first = np.array([known.firsts.index(text) for text, _, _ in new])
    second = np.array([known.seconds.index(text) for _, text, _ in new])
    assert not any(known.together(first[[i]], second[[i]])[0, 0] for i in range(len(new)))


def test_data_that_says_no_match_gets_none_unless_asked() -> None:
    own = data().train
    assert with_others(own, None, 0) is own and len(with_others(own, 1, 0)) == 96 + 48
    empty = Rows([], [], [], [])
    assert len(with_others(empty, 4, 0)) == 0


def test_half_of_the_counter_examples_look_like_the_match() -> None:
    firsts = ["red shoe", "blue hat"]
    seconds = ["red shoe size nine", "blue hat of wool", *(f"red shoe number {i}" for i in range(20))]
    pairs = Rows(list(range(22)), firsts + [f"other {i}" for i in range(20)], ["match"] * 22, seconds)
    made = with_others(pairs, 2, seed=0)
    of_red = [
        second for first, second in zip(made.texts[22:], (made.texts_b or [])[22:], strict=True) if first == "red shoe"
    ]
    assert sum(text.startswith("red shoe") for text in of_red) >= 1


def test_only_the_best_candidates_are_read_and_come_first(tune: Any) -> None:
    model = tune(data(), epochs=1)
    model.rerank = 2
    read: list[int] = []
    scores = model.scores

    def counted(texts: list[str], texts_b: list[str]) -> np.ndarray:
        read.append(len(texts))
        return scores(texts, texts_b)

    model.scores = counted
    candidates = ["money back please", "hello there good day", "parcel arrives late", "money please"]
    found = model.similarities(["money back", "hello"], candidates)(slice(0, 2))
    assert read == [4] and (found > 1).sum(axis=1).tolist() == [2, 2]
    quick = by_words(["money back", "hello"], candidates)(slice(0, 2))
    assert np.array_equal(found[found <= 1], quick[found <= 1])
    assert rank_pairs(Pairs.of(data().dev), model.similarities, most=3).queries == 3


def test_the_estimate_reads_as_many_as_the_option_says(tiny: Path) -> None:
    work = Work(rows=100, lengths=np.full((1, 2), 20.0), dev=100, test=100, task="pair", ranked=True)
    few, some, many = (
        CrossEncoder().estimate(work, CrossEncoderOptions(rerank=count), tiny).scoring for count in (1, 20, 200)
    )
    assert many - some == pytest.approx((some - few) * 180 / 19)


def test_a_grade_is_that_share_of_a_match() -> None:
    head = head_for("pair", LABELS)
    graded = Rows([1, 2, 3], ["a"] * 3, [0.25, "match", "no match"], ["b"] * 3)
    targets = head.targets(graded, None)  # type: ignore[arg-type]
    assert targets.every.tolist() == [[0.25, 0.75], [1.0, 0.0], [0.0, 1.0]]
    logits = torch.tensor([[0.3, -0.2], [1.0, 0.0], [0.0, 2.0]])
    probability = torch.sigmoid(logits[:, 0] - logits[:, 1])
    wanted = torch.nn.functional.binary_cross_entropy(probability, targets.every[:, 0])
    assert float(head.loss(targets, Weighting(), "cpu")(logits, targets.every)) == pytest.approx(
        float(wanted), abs=1e-6
    )
    shares = torch.tensor([3 / 2.5, 3 / 3.5])  # 1.25 of 3 pairs match
    balanced = -(shares * targets.every * logits.log_softmax(-1)).sum(-1).mean()
    found = head.loss(targets, Weighting(balanced=True), "cpu")(logits, targets.every)
    assert float(found) == pytest.approx(float(balanced), abs=1e-6)


def test_the_estimate_counts_the_counter_examples(tiny: Path) -> None:
    method, work = CrossEncoder(), Work(rows=5000, lengths=np.full((1, 2), 15.0), task="pair")
    few, many = (method.estimate(work, CrossEncoderOptions(negatives=n), tiny).seconds for n in (0, 20))
    assert many > few
