"""The one sentence above a report."""

from __future__ import annotations

from core.evaluation.comparison import compare
from core.evaluation.messages import Message, percent
from core.evaluation.records import Agreement, Evaluation, Wording
from core.evaluation.retrieval import Retrieval
from core.tasks.question_answering import ANSWER


def verdict(evaluation: Evaluation, champion: Evaluation | None = None) -> list[Message]:
    """Sentences that answer "is it good enough, and where is it wrong?", the most important first.

    The first says how often the model is right, the second how it stands beside the baseline, then, where they apply,
    beside the champion, and where it is wrong most often. All are plain words with their interval.
    """
    sentences = [headline(evaluation)] if evaluation.wording is None else closeness(evaluation, evaluation.wording)
    if evaluation.gold_sets:
        sentences.append(all_right(evaluation))
    if evaluation.retrieval is not None:
        sentences.append(first_places(evaluation.retrieval))
    if evaluation.baseline is not None:
        sentences.append(beside_baseline(evaluation, evaluation.baseline))
    if champion is not None:
        sentences.append(beside_champion(evaluation, champion))
    sentences.extend(weak_spot(evaluation))
    return sentences


def headline(evaluation: Evaluation) -> Message:
    """How good it is, in one sentence."""
    name, value = evaluation.headline
    if name == "spearman" and evaluation.agreement is not None:
        return order_of_grades(evaluation.agreement)
    low, high = evaluation.interval(name)
    values = {"rows": f"{evaluation.rows:,}", "low": percent(low), "high": percent(high)}
    if name == "mrr@10" and evaluation.retrieval is not None:
        return Message(
            key="How early the first match comes: {value} (MRR at 10, 95 % interval {low} to {high}); 100 % would be "
            "the first place for each of {queries} texts.",
            values=values | {"value": percent(value), "queries": f"{evaluation.retrieval.queries:,}"},
        )
    if name == "entity_f1":
        return Message(
            key="Finds spans with an F1 of {f1} in {rows} texts (95 % interval {low} to {high}).",
            values=values | {"f1": percent(value)},
        )
    if name == "micro_f1":
        return Message(
            key="Finds labels with a micro F1 of {f1} in {rows} texts (95 % interval {low} to {high}).",
            values=values | {"f1": percent(value)},
        )
    if name == "answer_f1":
        return Message(
            key="Answers share {f1} of their words with the expected ones (F1, {rows} questions, 95 % interval {low} "
            "to {high}); {exact} are exactly right.",
            values=values | {"f1": percent(value), "exact": percent(evaluation.figures["exact_match"])},
        )
    return Message(
        key="Right in {accuracy} of {rows} texts (95 % interval {low} to {high}).",
        values=values | {"accuracy": percent(value)},
    )


def all_right(evaluation: Evaluation) -> Message:
    """How often all labels of a text are right, where it may have several: that is a lot to ask."""
    low, high = evaluation.intervals["accuracy"]
    return Message(
        key="All labels of a text are right in {accuracy} ({low} to {high}); {wrong} of all decisions are wrong.",
        values={
            "accuracy": percent(evaluation.accuracy),
            "low": percent(low),
            "high": percent(high),
            "wrong": percent(evaluation.figures["hamming_loss"]),
        },
    )


def closeness(evaluation: Evaluation, wording: Wording) -> list[Message]:
    """How near written texts come to the expected ones, and what tuning did to perplexity."""
    low, high = evaluation.intervals["rouge_l"]
    sentences = [
        Message(
            key="The answers share {share} of their wording with the expected responses (ROUGE-L, {rows} prompts, "
            "95 % interval {low} to {high}).",
            values={
                "share": percent(evaluation.figures["rouge_l"]),
                "rows": f"{wording.answered:,}",
                "low": percent(low),
                "high": percent(high),
            },
        )
    ]
    before = evaluation.before.wording.perplexity if evaluation.before and evaluation.before.wording else None
    if wording.perplexity is not None and before is not None:
        key = "Perplexity of the expected responses: {before} before tuning, {after} after ({change} lower)."
        if wording.perplexity > before:
            key = "Perplexity of the expected responses: {before} before tuning, {after} after ({change} higher)."
        change = percent(abs(1 - wording.perplexity / before))
        values = {"before": f"{before:.2f}", "after": f"{wording.perplexity:.2f}", "change": change}
        sentences.append(Message(key=key, values=values))
    elif wording.perplexity is not None:
        key = "Perplexity of the expected responses: {perplexity} (1 is no surprise at all)."
        sentences.append(Message(key=key, values={"perplexity": f"{wording.perplexity:.2f}"}))
    return sentences


def first_places(retrieval: Retrieval) -> Message:
    """How often a match comes first among all candidates."""
    low, high = retrieval.intervals["hit_rate@1"]
    return Message(
        key="A match comes first for {share} of {queries} texts among {candidates} candidates ({low} to {high}).",
        values={
            "share": percent(retrieval.figures["hit_rate@1"]),
            "queries": f"{retrieval.queries:,}",
            "candidates": f"{retrieval.candidates:,}",
            "low": percent(low),
            "high": percent(high),
        },
    )


def order_of_grades(agreement: Agreement) -> Message:
    """How well scores follow grades."""
    values = {name: f"{getattr(agreement, name):.2f}" for name in ("spearman", "low", "high")}
    return Message(
        key="The scores follow the grades with a rank correlation of {spearman} ({low} to {high}).", values=values
    )


def beside_baseline(evaluation: Evaluation, baseline: Evaluation) -> Message:
    """How the model stands beside the baseline of the same split."""
    found = compare(evaluation, baseline)
    values = found.sentence().values
    if not found.distinguishable:
        return Message(
            key="Not distinguishable from the baseline ({low} to {high} points): the simpler model may do.",
            values=values,
        )
    if found.difference > 0:
        return Message(key="Better than the baseline by {points} points ({low} to {high}).", values=values)
    return Message(
        key="Worse than the baseline by {points} points ({low} to {high}): do not use this model.", values=values
    )


def beside_champion(evaluation: Evaluation, champion: Evaluation) -> Message:
    """How the model stands beside the one that is live."""
    found = compare(evaluation, champion)
    values = found.sentence().values
    if not found.distinguishable:
        return Message(key="Not distinguishable from the live model ({low} to {high} points).", values=values)
    if found.difference > 0:
        return Message(key="Better than the live model by {points} points ({low} to {high}).", values=values)
    return Message(key="Worse than the live model by {points} points ({low} to {high}).", values=values)


def weak_spot(evaluation: Evaluation) -> list[Message]:
    """Where the model is wrong most often; empty when it makes no mistake."""
    if not evaluation.confused_pairs:
        return []
    pair = evaluation.confused_pairs[0]
    values = {
        "gold": pair.gold,
        "predicted": pair.predicted,
        "rows": str(pair.rows),
        "support": str(evaluation.per_class[pair.gold].support),
    }
    if evaluation.gold_sets:
        template = "Most often mixed up: '{gold}' is missed and '{predicted}' given in {rows} of {support} texts."
        return [Message(key=template, values=values)]
    if evaluation.replies:
        template = "An answer is given to {rows} of {support} questions without one."
        if pair.gold == ANSWER:
            template = "No answer is found for {rows} of {support} questions that have one."
        return [Message(key=template, values=values)]
    return [
        Message(
            key="Most often wrong: '{gold}' is taken for '{predicted}' in {rows} of {support} texts.", values=values
        )
    ]
