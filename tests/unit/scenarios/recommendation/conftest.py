"""A small shop in memory and one in a workspace, whose texts are read by counting letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.scenarios.recommendation import shop as shops
from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import RecommendationConfig
from core.scenarios.recommendation.histories import Histories
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import create_setup
from core.settings import Settings
from core.workspace import Workspace

Event = tuple[str, str, str, float]
"""(person, item, kind, day)."""


def letters(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors (n, 26) of how often each letter occurs."""
    table = np.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32)
    return np.asarray(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-6))


@pytest.fixture(name="letters")
def letters_fixture() -> Callable[[Sequence[str]], np.ndarray]:
    return letters


@pytest.fixture
def catalog_of() -> Callable[..., Catalog]:
    """catalog_of(["tea", "pot"], prices=[1, 2], categories=["a", "a|b"], added=[0, 5])."""

    def make(titles: list[str], **columns: list[Any]) -> Catalog:
        count = len(titles)
        return Catalog.of(
            {
                "key": [f"i{n}" for n in range(count)],
                "title": titles,
                "description": columns.get("descriptions", [""] * count),
                "category": columns.get("categories", [""] * count),
                "price": columns.get("prices", [np.nan] * count),
                "added_on": columns.get("added", [np.nan] * count),
            }
        )

    return make


@pytest.fixture
def histories_of() -> Callable[..., Histories]:
    """histories_of(catalog, [("ann", "i0", "click", 1.0), ...])."""

    def make(catalog: Catalog, events: list[Event], config: RecommendationConfig | None = None) -> Histories:
        ordered = sorted(events, key=lambda event: event[3])
        columns = {
            name: [event[place] for event in ordered] for place, name in enumerate(("person", "item", "kind", "at"))
        }
        columns["rating"] = [np.nan] * len(ordered)
        return Histories.of(columns, catalog.index, config or RecommendationConfig())

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.open(tmp_path / "home", Settings(home=tmp_path, demo=False, offline=True, device="cpu")) as opened:
        yield opened


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model: letters are counted."""

    def read(workspace: Any, model: Any, texts: Sequence[str], report: Any = None) -> np.ndarray:
        return letters(texts)

    monkeypatch.setattr(shops, "read", read)
    monkeypatch.setattr("core.scenarios.recommendation.scenario.read", read)
    monkeypatch.setattr(
        "core.scenarios.recommendation.cold.read_sentence", lambda workspace, model, text: letters([text])[0]
    )


@pytest.fixture
def scenario(workspace: Workspace, reader: None) -> Recommendation:
    """An empty setup."""
    return Recommendation(workspace, create_setup(workspace, "recommendation", "Shop", RecommendationConfig()))
