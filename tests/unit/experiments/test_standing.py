"""Ranked by dev, costs beside it, the Pareto front, and advice that does not take chance for a gain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from core.evaluation import Evaluation, evaluate
from core.evaluation.retrieval import Ranking, measure
from core.experiments.standing import Standing, standing
from core.methods import get_method
from core.methods.base import options_for
from core.tasks import all_tasks, get_task

ROWS = 200


@dataclass
class Config:
    """What ``standing`` reads of a run's configuration."""

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
        defaults = options_for(get_method(self.method), self.config.task)().model_dump(mode="json")
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


def test_the_interval_of_several_seeds_holds_their_mean() -> None:
    runs = [FinishedRun(str(seed), "lora", {"test": right}, seed=seed) for seed, right in enumerate((100, 190, 190))]
    (lora,) = stand(*runs).contenders
    first = figures(runs[0], "test")
    assert first is not None and lora.test > first.interval("accuracy")[1], "the first seed alone says something else"
    assert lora.low < lora.test < lora.high and lora.high - lora.low < 0.2


@dataclass
class Predictor(FinishedRun):
    """A finished run of any task, measured by its real task."""

    answers: dict[str, Any] = field(default_factory=dict)
    """``values``, ``scores``, ``ranks`` (place of each row's first match), ``extra``: what the task has of them."""
    gold: list[Any] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)

    @property
    def result(self) -> dict[str, Any]:
        found = measured(self, "dev")
        metrics = {**found.figures, "accuracy": found.accuracy, found.headline[0]: found.headline[1]}
        return {"metrics": {"dev": metrics, "test": metrics}, "seconds": self.seconds, "size_bytes": 1000}


def measured(run: Any, split: str) -> Evaluation:
    count = len(run.gold)
    texts, scores = [f"text {i}" for i in range(count)], run.answers.get("scores")
    found = evaluate(
        run.gold,
        np.zeros((count, 0), np.float32) if scores is None else scores,
        run.labels,
        list(range(count)),
        texts,
        get_task(run.config.task),
        split=split,
        predicted=run.answers.get("values"),
        extra=run.answers.get("extra"),
        texts_b=texts if run.config.task == "pair" else None,
    )
    if (ranks := run.answers.get("ranks")) is None:
        return found
    ranking = Ranking.of_lists([[rank] for rank in ranks], candidates=count)
    scored = ranking.reciprocal_rank(10).tolist()
    return found.model_copy(update={"retrieval": measure(ranking), "row_scores": scored})


def first_of(task: str, gold: list[Any], labels: list[str], better: dict[str, Any], worse: dict[str, Any]) -> Standing:
    """The standing of two models, the worse one trained first and quicker."""
    config = Config(task)
    names = ("lora", "full") if task == "generation" else ("baseline", "features")
    runs: Any = [
        Predictor("1", names[0], {}, 1.0, config=config, gold=gold, labels=labels, answers=worse),
        Predictor("2", names[1], {}, 2.0, config=config, gold=gold, labels=labels, answers=better),
    ]
    return standing(runs, measured)


def scores_of(match: list[float]) -> np.ndarray:
    return np.array([[share, 1 - share] for share in match], np.float32)


PAIR = ["match", "no match"]
MANY = 40


def test_spans_are_ranked_by_span_f1_not_by_words_outside_of_spans() -> None:
    gold = [[(0, 4, "A")] if row % 10 == 0 else [] for row in range(MANY)]
    silent: list[Any] = [[] for _ in gold]
    eager = [[(0, 4, "A")] if row % 10 < 4 else [] for row in range(MANY)]
    found = first_of("tagging", gold, ["A"], {"values": eager}, {"values": silent})
    assert measured_accuracy("tagging", gold, ["A"], silent) > measured_accuracy("tagging", gold, ["A"], eager)
    assert found.contenders[0].method == "features" and found.contenders[0].figure == "entity_f1"


def measured_accuracy(task: str, gold: list[Any], labels: list[str], values: list[Any]) -> float:
    return measured(Predictor("0", "lora", {}, config=Config(task), gold=gold, labels=labels,
                              answers={"values": values}), "dev").accuracy  # fmt: skip


def test_graded_pairs_are_ranked_by_rank_correlation() -> None:
    gold = [round(row / (MANY - 1), 4) for row in range(MANY)]
    ordered = scores_of([0.4 * grade for grade in gold])  # the right order, and never called a match
    coarse = scores_of([0.9 if grade >= 0.5 else 0.1 for grade in gold])
    found = first_of("pair", gold, PAIR, {"scores": ordered}, {"scores": coarse})
    assert [one.figure for one in found.contenders] == ["spearman"] * 2
    assert found.contenders[0].method == "features" and found.contenders[0].test == pytest.approx(1.0)
    assert not any("cannot be told" in str(one) for one in found.advice)


def test_pairs_that_all_match_are_ranked_by_how_early_the_matches_come() -> None:
    gold = ["match"] * MANY
    always = {"scores": scores_of([0.99] * MANY), "ranks": [20] * MANY}
    finds = {"scores": scores_of([0.4] * MANY), "ranks": [1] * (MANY // 2) + [2] * (MANY // 2)}
    found = first_of("pair", gold, PAIR, finds, always)
    assert [(one.method, one.figure) for one in found.contenders] == [("features", "mrr@10"), ("baseline", "mrr@10")]
    assert found.contenders[0].dev == found.contenders[0].test == pytest.approx(0.75)
    assert not any("cannot be told" in str(one) for one in found.advice), "both call everything a match, or nothing"


def test_written_texts_are_ranked_by_their_wording_whatever_their_perplexity() -> None:
    gold = [f"the answer is {row}" for row in range(MANY)]

    def wrote(values: list[str], loss: float) -> dict[str, Any]:
        return {"values": values, "extra": {"loss": [loss] * MANY, "tokens": [1.0] * MANY}}

    found = first_of("generation", gold, [], wrote(gold, 3.0), wrote(["no idea"] * MANY, 0.1))
    assert found.contenders[0].method == "full" and found.contenders[0].figure == "rouge_l"


RIGHT: dict[str, tuple[list[Any], list[str]]] = {
    "classification": (["a", "b"] * 10, ["a", "b"]),
    "relation": (["a", "b"] * 10, ["a", "b"]),
    "multilabel": ([["a"], ["a", "b"]] * 10, ["a", "b"]),
    "tagging": ([[(0, 3, "A")], []] * 10, ["A"]),
    "pair": (["match", "no match"] * 10, PAIR),
    "question_answering": ([[{"text": "one", "start": 0}], []] * 10, ["answer", "no answer"]),
    "generation": (["one two three", "four five"] * 10, []),
}


@pytest.mark.parametrize("task", all_tasks(), ids=lambda task: task.name)
def test_the_figure_that_counts_is_higher_for_a_better_model(task: Any) -> None:
    gold, labels = RIGHT[task.name]
    name = task.headline(gold)
    right = task.metrics(gold, gold, labels)
    wrong = task.metrics(gold, gold[1:] + gold[:1], labels)
    assert next(iter(right)) == name and right[name] == 1.0 > wrong[name]
