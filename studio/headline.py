"""How good a model is, in a few words, whatever its task."""

from __future__ import annotations

from collections.abc import Mapping

from core.evaluation.report import figure_titles
from studio.i18n import _, number, percent, translator


def headline(metrics: Mapping[str, float]) -> str:
    """The figure by which the task judges models, which is the first; empty where nothing was measured."""
    name = next(iter(metrics), "")
    if name == "rouge_l":
        alike = _("{share} alike").format(share=percent(metrics["rouge_l"]))
        surprise = metrics.get("perplexity")
        return alike if surprise is None else f"{alike}, " + _("perplexity {n}").format(n=number(surprise, 2))
    if name == "answer_f1":
        return _("F1 {share}").format(share=percent(metrics["answer_f1"]))
    if name and name != "accuracy":
        return f"{figure_titles(translator()).get(name, name)} {percent(metrics[name])}"
    return _("{accuracy} right").format(accuracy=percent(metrics["accuracy"])) if name else ""


def goodness(metrics: Mapping[str, float]) -> float:
    """What models of one task are ranked by, higher is better."""
    return next(iter(metrics.values()), 0.0)
