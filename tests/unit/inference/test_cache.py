"""Which loaded model answers: each folder its own, a base for each model that is compared with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.inference.cache import Predictors

X, Y, Z = (Path("runs") / name / "model" for name in "xyz")


class Named:
    """A predictor that answers with what it was made from."""

    def __init__(self, *made_from: Path) -> None:
        self.made_from = made_from

    def answers(self, texts: list[str]) -> Any:
        return self.made_from


@pytest.fixture
def predictors(monkeypatch: pytest.MonkeyPatch) -> Predictors:
    monkeypatch.setattr("core.inference.predictor.load_untuned", Named)
    monkeypatch.setattr("core.inference.predictor.load_predictor", Named)
    return Predictors()


def test_a_base_is_asked_as_each_model_asks_it_and_is_no_model_itself(predictors: Predictors) -> None:
    assert predictors.untuned(Y, X, ["q"]) == (Y, X)
    assert predictors.untuned(Z, X, ["q"]) == (Z, X)
    assert predictors._get(X, None).made_from == (X,)  # type: ignore[attr-defined]


@pytest.mark.parametrize("gone", ["x", "y"])
def test_a_deleted_model_is_forgotten_as_a_base_too(predictors: Predictors, gone: str) -> None:
    predictors.untuned(Y, X, ["q"])
    predictors._get(Z, None)
    predictors.forget(gone)
    assert list(predictors._loaded) == [(Z,)]
