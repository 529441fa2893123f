"""How good a model is, in a few words, whatever its task."""

from __future__ import annotations

from collections.abc import Mapping

from studio.i18n import _, number, percent


def headline(metrics: Mapping[str, float]) -> str:
    """The figure to name first; empty where nothing was measured."""
    if "rouge_l" in metrics:
        alike = _("{share} alike").format(share=percent(metrics["rouge_l"]))
        surprise = metrics.get("perplexity")
        return alike if surprise is None else f"{alike}, " + _("perplexity {n}").format(n=number(surprise, 2))
    if "answer_f1" in metrics:
        return _("F1 {share}").format(share=percent(metrics["answer_f1"]))
    accuracy = metrics.get("accuracy")
    return "" if accuracy is None else _("{accuracy} right").format(accuracy=percent(accuracy))


def goodness(metrics: Mapping[str, float]) -> float:
    """What models of one task are ranked by, higher is better."""
    return next((metrics[name] for name in ("rouge_l", "answer_f1", "accuracy") if name in metrics), 0.0)
