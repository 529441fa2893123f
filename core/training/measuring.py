"""What a finished training is measured by: its files on dev and test, the base before tuning, what an answer costs."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from core.inference.predictor import decision_of, load_predictor
from core.methods import get_method
from core.methods.base import RunContext, Stopped, TrainingData, answers_of
from core.methods.tuned import BEFORE_ROWS, BEFORE_SECONDS, WRITING_SECONDS, TunedEncoder
from core.tasks.base import Declining, headline_first
from core.tasks.pair import MATCH, Pair
from core.tasks.wording import perplexity
from core.training.run_folder import RunConfig, RunFolder

LATENCY_TEXTS, LATENCY_SECONDS = 21, 2.0
"""Texts that are answered one by one to see how long that takes, and the longest time for it."""


def measure(
    folder: RunFolder, config: RunConfig, context: RunContext, data: TrainingData
) -> tuple[dict[str, Any], dict[str, float]]:
    """Score dev and test once with the model as it was saved, so that the figures are those of the files.

    Returns them by split, and what the model costs to use.
    """
    predictor = load_predictor(folder.model, context.device)
    if hasattr(predictor, "use_cache"):  # embeddings of dev and test are made once for all runs
        predictor.use_cache(context.cache)
    decision = decision_of(folder.model)
    metrics: dict[str, Any] = {}
    for split in ("dev", "test"):
        rows = getattr(data, split)
        context.progress(0, 1, f"scoring the {split} split")
        if context.should_stop():
            raise Stopped
        patience = {"seconds": WRITING_SECONDS, "should_stop": context.should_stop} if writes(data) else {}
        said = answers_of(predictor, data.task, rows.texts, rows.texts_b, decision, **patience)
        extra = predictor.examine(rows) if hasattr(predictor, "examine") else {}
        if isinstance(data.task, Declining):  # an answer has a probability of its own beside that of there being one
            extra = {**extra, "confidence": said.confidence}
        folder.write_predictions(split, rows, said.values, said.scores, extra)
        metrics[split] = data.task.metrics(rows.values, said.values, config.labels, said.scores) if len(rows) else {}
        if "loss" in extra and len(rows):
            metrics[split]["perplexity"] = perplexity(extra["loss"], extra["tokens"])
        matches = data.task.name == Pair.name and any(data.task.names(value) == (MATCH,) for value in rows.values)
        if matches and hasattr(predictor, "similarities"):
            metrics[split] |= _rank(folder, split, data, predictor)
        metrics[split] = headline_first(metrics[split], data.task.headline(rows.values))
    learned = getattr(predictor, "learned_weights", None)
    return metrics, {**({} if learned is None else {"trainable_weights": learned}), **_latency(predictor, data)}


def _latency(predictor: Any, data: TrainingData) -> dict[str, float]:
    """Milliseconds of one answer when texts come one by one, the median over some of the dev texts.

    Fewer where an answer takes long; nothing without dev texts.
    """
    rows, took = data.dev, []
    if hasattr(predictor, "use_cache"):  # these texts were read a moment ago; a new one is not
        predictor.use_cache(None)
    begun = time.perf_counter()
    for place in range(min(LATENCY_TEXTS, len(rows))):
        pair = None if rows.texts_b is None else [rows.texts_b[place]]
        start = time.perf_counter()
        answers_of(predictor, data.task, [rows.texts[place]], pair)
        took.append(time.perf_counter() - start)
        if place == 0 and len(rows) > 1:  # what is loaded for the first answer is not counted
            took.clear()
            continue
        if time.perf_counter() - begun > LATENCY_SECONDS:
            break
    return {"latency_ms": round(float(np.median(took)) * 1000, 3)} if took else {}


def measure_before(
    folder: RunFolder, config: RunConfig, context: RunContext, data: TrainingData, base: Callable[[], Path]
) -> dict[str, dict[str, float]]:
    """What the base writes before tuning, for the first rows, and its perplexity on all; empty where there is none."""
    method = get_method(config.method)
    if not isinstance(method, TunedEncoder):
        return {}
    options = method.Options.model_validate(config.options)
    predictor = method.untuned(data, options, base(), context.device)
    found: dict[str, dict[str, float]] = {}
    for split in ("dev", "test"):
        rows = getattr(data, split)
        if not len(rows):
            continue
        context.progress(0, 1, f"scoring the {split} split before tuning")
        asked = predictor.answers(
            rows.texts[:BEFORE_ROWS], seconds=BEFORE_SECONDS, should_stop=context.should_stop
        ).values
        values = [*asked, *[None] * (len(rows) - len(asked))]
        extra = predictor.examine(rows)
        folder.write_predictions(f"{split}.before", rows, values, np.zeros((len(rows), 0), np.float32), extra)
        found[split] = data.task.metrics(rows.values, values, config.labels)
        found[split]["perplexity"] = perplexity(extra["loss"], extra["tokens"])
    return found


def writes(data: TrainingData) -> bool:
    """True for tasks that are answered with a text, which takes long."""
    return not data.task.needs_labels


def _rank(folder: RunFolder, split: str, data: TrainingData, predictor: Any) -> dict[str, float]:
    """How early the matches of a split of pairs come among all its second texts; the whole lists go into a file."""
    from core.evaluation.retrieval import HEADLINES, measure
    from core.methods.pairs import MOST_QUERIES, Pairs, rank_pairs

    others = [getattr(data, name) for name in ("train", "dev", "test") if name != split]
    most = getattr(predictor, "MOST_QUERIES", MOST_QUERIES)
    ranking = rank_pairs(Pairs.of(getattr(data, split), beside=others), predictor.similarities, most)
    folder.write_ranking(split, ranking.query, ranking.rank, ranking.queries, ranking.candidates)
    figures = measure(ranking).figures
    return {name: figures[name] for name in HEADLINES}


def versions() -> dict[str, str]:
    """Versions of what made the model."""
    found = {"python": platform.python_version()}
    for name in ("whetstone", "torch", "transformers", "peft", "scikit-learn", "numpy"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
