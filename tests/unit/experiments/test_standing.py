"""Ranked by dev, costs beside it, the Pareto front, and advice that does not take chance for a gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from core.evaluation import Evaluation, evaluate
from core.experiments.standing import Standing, standing
from core.methods import get_method
from core.methods.base import options_for
from core.tasks import get_task

ROWS = 200


@dataclass
class Config:
    task: str = "classification"


@dataclass
class FinishedRun:
    """What ``standing`` reads of a run."""

    id: str
    method: str
    right: dict[str, int]
    seconds: float = 10.0
    seed: int = 0
    base: str | None = None
    state: str = "finished"
    config: Config = field(default_factory=Config)
    changed: dict[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        defaults = options_for(get_method(self.method), "classification")().model_dump(mode="json")
        return {**defaults, "seed": self.seed, **self.changed}

    @property
    def result(self) -> dict[str, Any]:
        metrics = {split: {"accuracy": right / ROWS} for split, right in self.right.items()}
        return {
            "metrics": metrics,
            "seconds": self.seconds,
            "peak_memory_bytes": 1e9,
            "size_bytes": 1000,
            "latency_ms": self.seconds / 10,
        }


def figures(run: FinishedRun, split: str) -> Evaluation | None:
    if split not in run.right:
        return None
    gold = ["a", "b"] * (ROWS // 2)
    said = [g if i < run.right[split] else "b" if g == "a" else "a" for i, g in enumerate(gold)]
    scores = np.array([[0.9, 0.1] if label == "a" else [0.1, 0.9] for label in said], np.float32)
    task, ids, texts = get_task("classification"), list(range(ROWS)), [f"text {i}" for i in range(ROWS)]
    return evaluate(gold, scores, ["a", "b"], ids, texts, task, split=split)


def stand(*runs: FinishedRun) -> Standing:
    return standing(list(runs), figures)  # type: ignore[arg-type]


def test_the_choice_is_made_on_dev_not_on_test() -> None:
    found = stand(
        FinishedRun("1", "lora", {"dev": 150, "test": 190}), FinishedRun("2", "full", {"dev": 180, "test": 140})
    )
    assert [one.method for one in found.contenders] == ["full", "lora"]
    assert str(found.advice[0]).startswith("Take Full fine-tuning: 90.0 % on the dev split")


def test_without_a_dev_split_the_sentence_says_that_test_was_used() -> None:
    found = stand(FinishedRun("1", "lora", {"test": 190}), FinishedRun("2", "full", {"test": 140}))
    assert found.contenders[0].method == "lora" and found.contenders[0].dev is None
    assert "flatters" in str(found.advice[0])


def test_what_is_as_good_and_much_cheaper_is_named() -> None:
    full = FinishedRun("1", "full", {"dev": 180, "test": 180}, seconds=400)
    features = FinishedRun("2", "features", {"dev": 178, "test": 178}, seconds=20)
    said = " ".join(map(str, stand(full, features).advice))
    assert "Frozen encoder cannot be told from it on these texts and trains 20 times faster." in said
    worse = FinishedRun("2", "features", {"dev": 120, "test": 120}, seconds=20)
    assert "cannot be told" not in " ".join(map(str, stand(full, worse).advice))


def test_a_gain_over_the_baseline_that_may_be_chance_is_called_so() -> None:
    full = FinishedRun("1", "full", {"dev": 180, "test": 180})
    said = str(stand(full, FinishedRun("2", "baseline", {"dev": 177, "test": 177})).advice[-1])
    assert said.startswith("The baseline cannot be told from it")
    said = str(stand(full, FinishedRun("2", "baseline", {"dev": 120, "test": 120})).advice[-1])
    assert not said.startswith("The baseline")


def test_seeds_become_one_contender_with_mean_and_spread() -> None:
    runs = [FinishedRun(str(seed), "lora", {"dev": 170, "test": 160 + 10 * seed}, seed=seed) for seed in range(3)]
    other = FinishedRun("x", "lora", {"dev": 170, "test": 150}, changed={"rank": 4})
    lora, small = sorted(stand(*runs, other).contenders, key=lambda one: -len(one.runs))
    assert lora.test == pytest.approx(0.85) and lora.spread == pytest.approx(0.05) and len(lora.by_seed) == 3
    assert small.changed == {"rank": 4} and small.spread is None


def test_the_front_holds_what_nothing_beats_in_both() -> None:
    found = stand(
        FinishedRun("1", "baseline", {"dev": 150}, seconds=2),
        FinishedRun("2", "features", {"dev": 170}, seconds=20),
        FinishedRun("3", "lora", {"dev": 165}, seconds=100),
        FinishedRun("4", "full", {"dev": 180}, seconds=300),
        FinishedRun("5", "bitfit", {"dev": 190}, state="failed"),
    )
    assert [one.method for one in found.front("seconds")] == ["baseline", "features", "full"]
    assert len(found.contenders) == 4
