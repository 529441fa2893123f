"""A workspace with one quickly trained sentiment model, and a setup of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.setups import create_setup
from core.settings import Settings
from core.workspace import Workspace

WORDS = {
    "negative": ["loss", "recall", "lawsuit", "crash", "fraud"],
    "positive": ["record", "growth", "wins", "gain", "upgrade"],
    "neutral": ["meets", "names", "opens", "moves", "dates"],
}
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Texts with telling words, and the baseline on them."""
    home = tmp_path_factory.mktemp("finance")
    with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as workspace:
        project = workspace.create_project("Sentiment", labels=list(WORDS))
        rows = [
            {"text": f"Acme {word} in week {week}", "label": label}
            for label, words in WORDS.items()
            for word in words
            for week in range(8)
        ]
        project.add_items(rows)
        run = project.train(project.freeze(test=0.2, dev=0.2), method="baseline").wait(timeout=120)
        assert run.model is not None, run.error
        yield workspace


@pytest.fixture
def scenario(trained: Workspace) -> FinanceSentiment:
    """An empty feed whose sentiment model is the baseline."""
    config = FinanceConfig(roles={"sentiment": trained.projects()[0].id}, companies={"Acme": ["$ACM"], "Bolt Ltd": []})
    setup = create_setup(trained, NAME, f"Setup {next(_numbers)}", config)
    return FinanceSentiment(trained, setup)
