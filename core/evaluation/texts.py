"""The measure of written texts: how well the given responses were foreseen, and how alike the written ones are."""

from __future__ import annotations

import numpy as np

from core.evaluation.bootstrap import DRAWS, interval, mean_interval
from core.evaluation.judged import Judged
from core.evaluation.messages import Message
from core.evaluation.records import Evaluation, Exchange, Wording
from core.tasks.wording import Alike, compare_texts, mean_figures, perplexity, words

SHOWN = 500
"""Exchanges kept with their texts."""
TEXT_LIMIT = 2_000
FEW_ROWS = 10


def measure(judged: Judged) -> Evaluation:
    """The Evaluation of answers that are texts; None among ``predicted`` is a prompt that the model was not asked.

    ``extra`` may hold ``loss`` and ``tokens`` of each row's expected response, from which perplexity follows.
    """
    asked = [row for row, answer in enumerate(judged.predicted) if answer is not None]
    gold, answers = [judged.gold[row] for row in asked], [judged.predicted[row] for row in asked]
    found = compare_texts(gold, answers)
    figures = mean_figures(found)
    accuracy, f1 = figures.pop("accuracy"), figures.pop("macro_f1")
    exact = mean_interval(found.rows["exact"], judged.seed)
    shared = mean_interval(found.rows["rouge_1"], judged.seed)
    closeness = dict(zip(asked, found.rows["rouge_l"].tolist(), strict=True))
    return Evaluation(
        name=judged.name,
        split=judged.split,
        rows=len(judged.gold),
        labels=[],
        accuracy=accuracy,
        macro_f1=f1,
        weighted_f1=f1,
        intervals={
            "accuracy": exact,
            "macro_f1": shared,
            "weighted_f1": shared,
            "rouge_l": mean_interval(found.rows["rouge_l"], judged.seed),
            "rouge_1": shared,
        },
        figures=figures,
        wording=_wording(judged, asked, found),
        warnings=_warnings(judged, len(asked)),
        item_ids=[int(i) for i in judged.ids],
        row_scores=[closeness.get(row) for row in range(len(judged.gold))],
    )


def _wording(judged: Judged, asked: list[int], found: Alike) -> Wording:
    closeness = found.rows["rouge_l"]
    losses, tokens = (np.asarray(judged.extra.get(name, ()), np.float64) for name in ("loss", "tokens"))
    surprise = low = high = None
    if len(losses) == len(judged.gold) and tokens.sum():
        surprise = perplexity(losses, tokens)
        low, high = _perplexity_interval(losses, tokens, judged.seed)
    return Wording(
        perplexity=surprise,
        perplexity_low=low,
        perplexity_high=high,
        answered=len(asked),
        expected_words=_mean_words([judged.gold[row] for row in asked]),
        answer_words=_mean_words([judged.predicted[row] for row in asked]),
        exchanges=[
            Exchange(
                item_id=int(judged.ids[row]),
                prompt=_cut(judged.texts[row]),
                expected=_cut(judged.gold[row]),
                answer=_cut(judged.predicted[row]),
                closeness=float(closeness[place]),
            )
            for place, row in enumerate(asked[:SHOWN])
        ],
    )


def _perplexity_interval(losses: np.ndarray, tokens: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % interval by resampling rows."""
    chosen = np.random.default_rng(seed).integers(0, len(losses), (DRAWS, len(losses)))
    means = losses[chosen].sum(axis=1) / np.maximum(1, tokens[chosen].sum(axis=1))
    return interval(np.exp(np.minimum(50.0, means)))


def _mean_words(texts: list[str]) -> float:
    return float(np.mean([len(words(text)) for text in texts])) if texts else 0.0


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"


def _warnings(judged: Judged, answered: int) -> list[Message]:
    warnings = []
    if answered < len(judged.gold):
        warnings.append(
            Message(
                key="Only {answered} of {rows} prompts were answered, as writing takes long; perplexity is of all.",
                values={"answered": f"{answered:,}", "rows": f"{len(judged.gold):,}"},
            )
        )
    if len(judged.gold) < FEW_ROWS:
        warnings.append(
            Message(
                key="Fewer than {few} prompts in the {split} split: all figures are rough.",
                values={"few": str(FEW_ROWS), "split": judged.split},
            )
        )
    return warnings
