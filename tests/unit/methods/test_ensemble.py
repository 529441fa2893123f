"""Models together: weights from the dev split, members of the same version only, the same answers after a reload."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.durable import seal, write_json
from core.errors import TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData
from core.methods.ensemble import EnsembleOptions, EnsemblePredictor, choose_weights, mixed
from core.tasks import get_task

Toy = Callable[..., TrainingData]
LABELS = ["a", "b", "c"]


@pytest.fixture
def runs(tmp_path: Path, toy_data: Toy, context) -> tuple[Path, TrainingData]:
    """A folder of runs with two finished models of one version and one of another, and the context in a fourth."""
    data = toy_data(60, 30)
    for name, ngrams, version in (("one", 1, "v"), ("two", 2, "v"), ("other", 1, "w")):
        method = get_method("baseline")
        options = method.Options.model_validate({"word_ngrams": ngrams, "char_ngrams": 0})
        model = tmp_path / "runs" / name / "model"
        model.mkdir(parents=True)
        method.fit(data, options, None, context).save(model)
        seal(model, {"method": "baseline", "task": "classification", "labels": data.labels, "version_hash": version})
    context.directory = tmp_path / "runs" / "now"
    context.directory.mkdir()
    write_json(context.directory / "config.json", {"version_hash": "v"})
    return tmp_path / "runs", data


def test_it_answers_the_same_after_a_reload_without_the_runs_it_was_made_of(runs, context) -> None:
    folder, data = runs
    method = get_method("ensemble")
    model = method.fit(data, EnsembleOptions(), None, context)
    assert isinstance(model, EnsemblePredictor)
    assert 1 <= len(model.members) <= 2 and sum(model.weights) == pytest.approx(1)
    scores = model.scores(data.test.texts)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    model.save(folder / "saved")
    for name in ("one", "two", "other"):
        (folder / name).rename(folder / f".{name}")
    again = method.load(folder / "saved", data.labels)
    assert np.array_equal(again.scores(data.test.texts), scores)
    assert again.scores([]).shape == (0, len(data.labels))


def test_models_of_another_version_may_have_seen_the_test_texts(runs, context) -> None:
    _, data = runs
    method = get_method("ensemble")
    with pytest.raises(TrainingError, match="other is gone, or was trained on another version"):
        method.fit(data, EnsembleOptions(members="one,other"), None, context)
    with pytest.raises(TrainingError, match="passwd is gone"):
        method.fit(data, EnsembleOptions(members="one, ../../etc/passwd"), None, context)
    with pytest.raises(TrainingError, match="this version has 1"):
        method.fit(data, EnsembleOptions(members="one"), None, context)
    fewer = dataclasses.replace(data, labels=list(reversed(data.labels)))
    with pytest.raises(TrainingError, match="this version has 0"):
        method.fit(fewer, EnsembleOptions(), None, context)


def peaked(targets: np.ndarray, right: float, seed: int) -> np.ndarray:
    """Probabilities that put 0.8 on the right label for a share of the rows, on the next one for the others."""
    hit = np.random.default_rng(seed).random(len(targets)) < right
    scores = np.full((len(targets), 3), 0.1, np.float32)
    scores[np.arange(len(targets)), np.where(hit, targets, (targets + 1) % 3)] = 0.8
    return scores


def test_two_that_err_apart_count_more_than_one_that_guesses() -> None:
    targets = np.arange(300) % 3
    rows = Rows(list(range(300)), ["x"] * 300, [LABELS[t] for t in targets])
    scores = [peaked(targets, 0.8, 1), peaked(targets, 0.8, 2), peaked(targets, 0.33, 3)]
    weights = choose_weights(scores, rows, get_task("classification"), LABELS)
    assert weights[0] > 0.2 and weights[1] > 0.2 and weights[2] < 0.1
    alone = (scores[0].argmax(1) == targets).mean()
    assert (mixed(scores, weights, many=False).argmax(1) == targets).mean() >= alone
    few = Rows(rows.ids[:5], rows.texts[:5], rows.values[:5])
    assert choose_weights(scores, few, get_task("classification"), LABELS) == [1 / 3] * 3


def test_each_label_is_mixed_for_itself_where_there_may_be_several() -> None:
    one, two = np.array([[0.9, 0.1]], np.float32), np.array([[0.9, 0.9]], np.float32)
    assert np.allclose(mixed([one, two], [1, 1], many=True), [[0.9, 0.5]], atol=1e-5)
