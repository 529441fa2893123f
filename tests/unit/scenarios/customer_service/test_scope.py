"""Foreign messages are told by confidence times nearness."""

from __future__ import annotations

import numpy as np
import pytest

from core.scenarios.customer_service.scope import Scope, nearness, scope_figures
from tests.unit.scenarios.customer_service.conftest import INTENTS, WordEmbedder, WordModel

KNOWN = ["where is my parcel", "tracking of my parcel", "refund my money", "money refund please", "parcel where"]
COLUMNS = np.array([label != "out_of_scope" for label in INTENTS])


def test_nearness_is_the_mean_of_the_five_nearest() -> None:
    known = np.eye(8, dtype=np.float32)
    vector = np.array([[1, 0.5, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    assert nearness(vector, known)[0] == pytest.approx(1.5 / 5)
    assert nearness(vector, known[:1])[0] == pytest.approx(1.0)
    assert nearness(vector, known[:0])[0] == 0
    many = np.repeat(vector, 1_200, axis=0)
    assert np.allclose(nearness(many, known), 0.3)


def test_the_threshold_turns_away_the_chosen_share() -> None:
    scope = Scope(np.zeros((0, 2)), COLUMNS, np.arange(100) / 100)
    assert (scope.calibration < scope.threshold(0.05)).mean() == pytest.approx(0.05)
    assert scope.threshold(0.0) == 0.0


def test_figures_on_unseen_texts(embedder: WordEmbedder) -> None:
    scope = Scope(embedder.many(KNOWN), COLUMNS, np.array([0.05], dtype=np.float32))
    texts = ["parcel where", "refund money", "nice weather", "purple monkeys"]
    gold = ["order_status", "refund_status", "out_of_scope", "out_of_scope"]
    found = scope_figures(scope, WordModel(), embedder, 0.05, "out_of_scope", texts, gold)  # type: ignore[arg-type]
    assert (found.in_scope, found.foreign) == (2, 2)
    assert (found.accuracy, found.kept_accuracy, found.recall) == (1.0, 1.0, 1.0)
    assert found.area == 1.0


def test_without_foreign_texts_there_is_no_curve(embedder: WordEmbedder) -> None:
    scope = Scope(embedder.many(KNOWN), COLUMNS, np.array([0.05], dtype=np.float32))
    found = scope_figures(scope, WordModel(), embedder, 0.05, "out_of_scope", KNOWN[:1], ["order_status"])  # type: ignore[arg-type]
    assert found.area is None and found.recall == 0.0
