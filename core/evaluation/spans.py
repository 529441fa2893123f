"""Figures of tagging: whole spans by seqeval, single words by scikit-learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from core.evaluation.bootstrap import DRAWS, interval, lowest_plausible
from core.evaluation.judged import Judged
from core.evaluation.messages import Message
from core.evaluation.parts import per_class
from core.evaluation.records import ClassScore, ConfusedPair, Evaluation, Mistake
from core.tasks.spans import OUTSIDE, Span, tag_names, to_tags, words
from core.tasks.tagging import same, tag_pairs

MISTAKES = 500
TEXT_LIMIT = 2000


def evaluate_spans(judged: Judged) -> Evaluation:
    """Entity F1 with its interval, scores by label of whole spans and of single words, and how words are confused.

    ``accuracy`` is the share of words with the right label, ``macro_f1`` and ``weighted_f1`` are means over the labels
    of whole spans. ``per_tag`` is the token-level report: scikit-learn's classification report over IOB2 tags of words.
    """
    from seqeval.metrics import classification_report
    from sklearn.metrics import accuracy_score

    gold, predicted = _spans(judged.gold), _spans(judged.predicted)
    tags = tag_pairs(gold, predicted)
    report = classification_report(*tags, output_dict=True, zero_division=0) if any(map(any, tags[0] + tags[1])) else {}
    names = [*judged.labels, *sorted({name for row in gold for *_, name in row} - set(judged.labels))]
    columns = [OUTSIDE, *names]
    tags_of_words = tag_names(names)
    word_tags = _by_word(judged.texts, gold, predicted, tags_of_words)
    # O, B-1, I-1, B-2, I-2 ... -> O, 1, 1, 2, 2 ...
    word_names = (word_tags[0] + 1) // 2, (word_tags[1] + 1) // 2
    by_word = per_class(*word_names, columns)
    accuracy = float(accuracy_score(*word_names)) if len(word_names[0]) else 0.0
    confusion = np.bincount(word_names[0] * len(columns) + word_names[1], minlength=len(columns) ** 2)
    counts = _counts(gold, predicted)
    f1 = float(report.get("micro avg", {}).get("f1-score", 0.0))
    return Evaluation(
        name=judged.name,
        split=judged.split,
        rows=len(gold),
        labels=columns,
        accuracy=accuracy,
        macro_f1=float(report.get("macro avg", {}).get("f1-score", 0.0)),
        weighted_f1=float(report.get("weighted avg", {}).get("f1-score", 0.0)),
        figures={
            "entity_f1": f1,
            "entity_precision": float(report.get("micro avg", {}).get("precision", 0.0)),
            "entity_recall": float(report.get("micro avg", {}).get("recall", 0.0)),
            "texts_right": float(np.mean([same(g, p) for g, p in zip(gold, predicted, strict=True)])),
            "word_accuracy": accuracy,
            "word_macro_f1": float(np.mean([by_word[name].f1 for name in names])) if names else 0.0,
        },
        intervals={"entity_f1": _interval(counts, judged.seed)},
        per_class={name: _class(report.get(name, {})) for name in names},
        per_word=by_word,
        per_tag=per_class(*word_tags, tags_of_words),
        confusion=confusion.reshape(len(columns), len(columns)).tolist(),
        confused_pairs=_confused(confusion.reshape(len(columns), len(columns)), columns),
        mistakes=_mistakes(judged, gold, predicted),
        warnings=_warnings(names, gold, judged.split),
        item_ids=[int(i) for i in judged.ids],
        row_scores=_row_f1(counts).tolist(),
    )


def _spans(values: Sequence[Any]) -> list[list[Span]]:
    return [[(int(start), int(end), str(name)) for start, end, name in value] for value in values]


def _class(scores: dict[str, Any]) -> ClassScore:
    return ClassScore(
        precision=float(scores.get("precision", 0.0)),
        recall=float(scores.get("recall", 0.0)),
        f1=float(scores.get("f1-score", 0.0)),
        support=int(scores.get("support", 0)),
    )


def _by_word(
    texts: Sequence[str], gold: Sequence[list[Span]], predicted: Sequence[list[Span]], tags: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Index in ``tags`` of every word of the split, gold and predicted: (words,) int64 each."""
    index = {name: i for i, name in enumerate(tags)}
    both: tuple[list[int], list[int]] = ([], [])
    for text, *spans in zip(texts, gold, predicted, strict=True):
        pieces = words(text)
        for found, row in zip(both, spans, strict=True):
            found += [index.get(tag, 0) for tag in to_tags(pieces, row)]
    return np.array(both[0], np.int64), np.array(both[1], np.int64)


def _counts(gold: Sequence[list[Span]], predicted: Sequence[list[Span]]) -> np.ndarray:
    """(n, 3) spans of each text that are right, predicted, gold."""
    return np.array([(len(set(g) & set(p)), len(p), len(g)) for g, p in zip(gold, predicted, strict=True)], np.int64)


def _row_f1(counts: np.ndarray) -> np.ndarray:
    """(n,) F1 of each text; 1 where there is nothing to find and nothing was found."""
    right, answered, there = counts.T
    return np.where(answered + there > 0, 2 * right / np.maximum(answered + there, 1), 1.0)


def _interval(counts: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % bootstrap interval of the micro F1 over resampled texts."""
    right, answered, there = counts.sum(axis=0)
    if right == answered == there and there:
        return lowest_plausible(int(there)), 1.0
    random = np.random.default_rng(seed)
    # Texts with the same counts are drawn together: their number is small however long the split is.
    kinds, often = np.unique(counts, axis=0, return_counts=True)
    sums = random.multinomial(len(counts), often / len(counts), size=DRAWS) @ kinds  # (draws, 3)
    return interval(2 * sums[:, 0] / np.maximum(sums[:, 1] + sums[:, 2], 1))


def _confused(confusion: np.ndarray, columns: list[str]) -> list[ConfusedPair]:
    """Labels of words that are taken for another, most frequent first."""
    support = confusion.sum(axis=1)
    found = [
        ConfusedPair(
            gold=columns[g], predicted=columns[p], rows=int(confusion[g, p]), share=confusion[g, p] / support[g]
        )
        for g, p in zip(*np.nonzero(confusion), strict=True)
        if g != p
    ]
    return sorted(found, key=lambda pair: (-pair.rows, -pair.share))


def _mistakes(judged: Judged, gold: Sequence[list[Span]], predicted: Sequence[list[Span]]) -> list[Mistake]:
    """Texts with a wrong span, those with most of them first."""
    found: list[tuple[int, Mistake]] = []
    for item, text, wanted, given in zip(judged.ids, judged.texts, gold, predicted, strict=True):
        wrong = set(wanted) ^ set(given)
        if wrong:
            shown = text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + "…"
            words_ = [_in_words(text, spans) for spans in (wanted, given)]
            mistake = Mistake(item_id=int(item), text=shown, gold=words_[0], predicted=words_[1], score=0.0)
            found.append((len(wrong), mistake))
    return [mistake for _, mistake in sorted(found, key=lambda pair: -pair[0])[:MISTAKES]]


def _in_words(text: str, spans: Sequence[Span]) -> str:
    """Spans as one reads them: 'person: Ada · place: Turin'."""
    return " · ".join(f"{name}: {text[start:end]}" for start, end, name in spans) or "–"


def _warnings(names: Sequence[str], gold: Sequence[list[Span]], split: str) -> list[Message]:
    support = Counter(name for row in gold for *_, name in row)
    missing = [name for name in names if not support[name]]
    if not missing:
        return []
    listed = ", ".join(f"'{name}'" for name in missing[:5]) + (f" (+{len(missing) - 5})" if len(missing) > 5 else "")
    return [
        Message(
            key="No {split} row has {labels}: how well it is found cannot be measured.",
            values={"labels": listed, "split": split},
        )
    ]
