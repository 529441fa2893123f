"""How several runs of one version stand beside each other: what they reach, what they cost, which one to take.

What is chosen is chosen on the dev split; figures of the test split are for reading. Where the dev split is missing
the test split has to do, and it is said.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from core.errors import NotFoundError, RefusedError
from core.evaluation.comparison import compare
from core.evaluation.messages import Message, percent
from core.evaluation.records import Evaluation
from core.methods import get_method
from core.methods.base import options_for
from core.records import Record

if TYPE_CHECKING:
    from core.run import Run

Evaluate = Callable[["Run", str], Evaluation | None]
"""Figures of a finished run on dev or test; None where there are none."""
NOT_OPTIONS = frozenset({"seed", "members"})
"""What may differ between runs of one contender."""
MUCH = 2.0
"""A cost has to be so many times lower to be worth a sentence."""


class Contender(Record):
    """One method with its options, over the seeds it was trained with."""

    method: str
    base: str | None
    changed: dict[str, Any] = Field(description="Options that differ from the defaults, without the seed.")
    runs: list[str] = Field(description="Ids of its runs, one a seed.")
    figure: str = Field(description="Name of the figure that counts, as the task says: accuracy, entity_f1, mrr@10 ...")
    dev: float | None = Field(description="Mean of the figure on the dev split; None without one.")
    test: float = Field(description="Mean of the figure on the test split.")
    low: float = Field(
        description="Lower end of the 95 % interval of the mean test figure: chance in the choice of texts. The mean "
        "of the seeds' own ends, which is at least as wide as the interval of the mean."
    )
    high: float = Field(description="Upper end of the interval.")
    spread: float | None = Field(
        default=None,
        description="Standard deviation of the test figure over seeds: chance in training. None: one seed.",
    )
    by_seed: list[float] = Field(description="Test figure of each run.")
    seconds: float = Field(description="Median seconds of work of a run, measuring included.")
    peak_memory_bytes: float = Field(description="Most memory of a run, median.")
    trainable_weights: int | None = Field(default=None, description="Numbers that learned; None where nobody counted.")
    size_bytes: int = Field(description="The model on disk.")
    latency_ms: float | None = Field(default=None, description="One answer when texts come one by one, median.")

    @property
    def score(self) -> float:
        """By which contenders are ranked: dev, or test where there is no dev split."""
        return self.test if self.dev is None else self.dev


class Standing(Record):
    """Contenders, the best first, and what to do in words."""

    contenders: list[Contender] = Field(default_factory=list)
    advice: list[Message] = Field(default_factory=list)

    def front(self, cost: str) -> list[Contender]:
        """Contenders that no other one beats in both score and this cost (seconds, latency_ms ...): the Pareto front,
        cheapest first."""
        known = [one for one in self.contenders if getattr(one, cost) is not None]
        found: list[Contender] = []
        for one in sorted(known, key=lambda one: (getattr(one, cost), -one.score)):
            if not found or one.score > found[-1].score:
                found.append(one)
        return found


def evaluation_of(run: Run, split: str) -> Evaluation | None:
    """Figures of a finished run, worked out from its predictions; None where it has none for this split."""
    try:
        return None if run.model is None else run.model.evaluate(split, beside=False)
    except NotFoundError:  # the split is empty
        return None


def standing(runs: Sequence[Run], evaluate: Evaluate = evaluation_of) -> Standing:
    """Rank the finished ones of some runs, which belong to one version."""
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        if run.state == "finished":
            fixed = tuple(sorted((name, repr(value)) for name, value in run.options.items() if name not in NOT_OPTIONS))
            groups.setdefault((run.method, run.base, fixed), []).append(run)
    name = _figure_that_counts([group[0] for group in groups.values()], evaluate)
    found = [one for group in groups.values() if (one := _contender(group, name, evaluate)) is not None]
    ranked = sorted(found, key=lambda one: (-one.score, one.seconds))
    by_id = {run.id: run for run in runs}
    return Standing(contenders=ranked, advice=advise(ranked, lambda run_id, split: evaluate(by_id[run_id], split)))


def _figure_that_counts(runs: Sequence[Run], evaluate: Evaluate) -> str:
    """What the task judges the version by: on dev, where the choice is made, else on test."""
    known = (found for split in ("dev", "test") for run in runs if (found := evaluate(run, split)) is not None)
    first = next(known, None)
    return "accuracy" if first is None else first.counts or first.headline[0]


def _contender(runs: list[Run], name: str, evaluate: Evaluate) -> Contender | None:
    """Over its seeds; None where nothing was measured by this figure.

    The interval is the mean of the seeds' own. All seeds answer the same texts, and the standard deviation of a mean is
    at most the mean of the standard deviations (Minkowski), so chance in the choice of texts is not understated.
    """
    known = (evaluate(run, "test") or evaluate(run, "dev") for run in runs)
    measured = [found for found in known if found is not None and found.find(name) is not None]
    if not measured:
        return None
    tests, ends = [found.figure(name) for found in measured], [found.interval(name) for found in measured]
    results = [run.result or {} for run in runs]
    devs = [value for result in results if (value := _figure(result, "dev", name)) is not None]
    run = runs[0]
    defaults = options_for(get_method(run.method), run.config.task)().model_dump(mode="json")
    weights = next((result["trainable_weights"] for result in results if result.get("trainable_weights")), None)
    waits = [float(result["latency_ms"]) for result in results if result.get("latency_ms") is not None]
    return Contender(
        method=run.method,
        base=run.base,
        changed={key: v for key, v in run.options.items() if key not in NOT_OPTIONS and v != defaults.get(key, v)},
        runs=[one.id for one in runs],
        figure=name,
        dev=statistics.fmean(devs) if devs else None,
        test=statistics.fmean(tests),
        low=statistics.fmean(low for low, _ in ends),
        high=statistics.fmean(high for _, high in ends),
        spread=statistics.stdev(tests) if len(tests) > 1 else None,
        by_seed=tests,
        seconds=statistics.median(float(result.get("seconds", 0.0)) for result in results),
        peak_memory_bytes=statistics.median(float(result.get("peak_memory_bytes", 0.0)) for result in results),
        trainable_weights=weights,
        size_bytes=int(results[0].get("size_bytes", 0)),
        latency_ms=statistics.median(waits) if waits else None,
    )


def _figure(result: dict[str, Any], split: str, name: str) -> float | None:
    value = result.get("metrics", {}).get(split, {}).get(name)
    return None if value is None else float(value)


def advise(ranked: Sequence[Contender], evaluate: Callable[[str, str], Evaluation | None]) -> list[Message]:
    """What to take, what is as good for less, and whether anything was gained at all; the most important first."""
    if not ranked:
        return []
    best = ranked[0]
    split = "dev" if best.dev is not None else "test"
    values = {
        "method": get_method(best.method).title,
        "score": percent(best.score),
        "test": percent(best.test),
        "low": percent(best.low),
        "high": percent(best.high),
    }
    if split == "dev":
        found = [
            Message(
                key="Take {method}: {score} on the dev split, the highest; {test} on the test split ({low} to {high}).",
                values=values,
            )
        ]
    else:
        found = [
            Message(
                key="Take {method}: {test} on the test split ({low} to {high}), the highest. Without a dev split the "
                "choice was made on the test split, which flatters it.",
                values=values,
            )
        ]
    equals = [one for one in ranked[1:] if _as_good(one, best, split, evaluate)]
    named: set[str] = set()
    for cost, (worth, sentence) in _CHEAPER.items():
        price = getattr(best, cost) or 0.0
        cheapest = min(
            (one for one in equals if getattr(one, cost)), key=lambda one: float(getattr(one, cost)), default=None
        )
        if cheapest is None or price < worth or price < MUCH * getattr(cheapest, cost) or cheapest.method in named:
            continue
        named.add(cheapest.method)
        times = f"{price / getattr(cheapest, cost):.0f}"
        found.append(Message(key=sentence, values={"method": get_method(cheapest.method).title, "times": times}))
    if best.method != "baseline" and any(one.method == "baseline" for one in equals):
        found.append(
            Message(
                key="The baseline cannot be told from it: more or cleaner labels will bring more than another method."
            )
        )
    return found


_CHEAPER: dict[str, tuple[float, str]] = {
    "seconds": (10.0, "{method} cannot be told from it on these texts and trains {times} times faster."),
    "latency_ms": (5.0, "{method} cannot be told from it on these texts and answers {times} times faster."),
    "size_bytes": (1e7, "{method} cannot be told from it on these texts and is {times} times smaller."),
}
"""Cost of a contender -> (what is cheap enough for anybody, the sentence about one that is cheaper)."""


def _as_good(one: Contender, best: Contender, split: str, evaluate: Callable[[str, str], Evaluation | None]) -> bool:
    """True when chance alone explains that it is behind, on the texts of the split on which the choice is made."""
    first, second = evaluate(best.runs[0], split), evaluate(one.runs[0], split)
    if first is None or second is None:
        return False
    try:
        found = compare(first, second)
    except RefusedError:  # not the same texts
        return False
    return not found.distinguishable or found.difference <= 0
