"""Pairs of texts: do the two belong together, or how much?

A value is ``match``, ``no match``, or a grade from 0 (nothing in common) to 1 (the same). A grade counts as a match
from 0.5 on wherever a yes or no is asked for, so that labels, filters and counts read alike for both kinds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import InputError, RefusedError
from core.tasks.counts import unmeasured

MATCH, NO_MATCH = "match", "no match"
HIGHEST_GRADE = 5.0
"""Grades are 0 to 1, or 0 to 5 as in the STS benchmark (Cer et al. 2017, SemEval task 1)."""
HALF = 0.5
RANKED = "mrr@10"
"""Figure of pairs that are all matches."""
GRADE_STEPS = 5
_WORDS = {
    MATCH: ("match", "yes", "true", "duplicate", "paraphrase", "relevant", "same", "positive", "匹配", "是", "相同"),
    NO_MATCH: (
        "no match", "no_match", "nomatch", "non-match", "no", "false", "not duplicate", "not_duplicate",
        "not paraphrase", "irrelevant", "not relevant", "different", "mismatch", "negative", "不匹配", "否", "不同",
    ),
}  # fmt: skip
_MEANING = {word: label for label, words in _WORDS.items() for word in words}


class Pair:
    """Two texts a row and whether, or how much, they belong together."""

    name = "pair"
    title = "Two texts that match or not"
    help = (
        "Choose it when every row has two texts: question and answer, two wordings, what was read and what came next. "
        "The label says match or no match, or gives a grade from 0 to 1."
    )
    needs_labels = True
    paired = True
    many = False
    fixed_labels: tuple[str, ...] = (MATCH, NO_MATCH)
    scored = True
    implied: Any = MATCH
    minimum_per_class = 3
    """Fewest rows of a kind before a version is frozen: one for each split."""

    def parse(self, cell: Any) -> str | float | None:
        """``match``, ``no match`` or the number in a cell, as the file has it; None for an empty cell.

        Raises InputError for another word and for a number outside 0 to 5.
        """
        text = "" if cell is None else " ".join(str(cell).split())
        if not text:
            return None
        if label := _MEANING.get(text.lower()):
            return label
        try:
            grade = float(text)
        except ValueError:
            raise InputError(f"the label '{text[:40]}' is neither 'match', 'no match' nor a number") from None
        if not 0 <= grade <= HIGHEST_GRADE:
            raise InputError(f"the grade {text[:40]} is not between 0 and 1, nor between 0 and 5")
        return grade

    def settle(self, values: Sequence[Any]) -> tuple[list[Any], list[str]]:
        """Bring the numbers of one file to a common meaning: only 0 and 1 are labels, above 1 the scale is 0 to 5."""
        grades = [value for value in values if not isinstance(value, str)]
        if not grades:
            return list(values), []
        if set(grades) <= {0.0, 1.0}:
            names = {0.0: NO_MATCH, 1.0: MATCH}
            return [names.get(value, value) for value in values], [
                "The labels 0 and 1 were read as no match and match."
            ]
        if max(grades) <= 1:
            return list(values), []
        scaled = [value if isinstance(value, str) else round(value / HIGHEST_GRADE, 6) for value in values]
        return scaled, ["Grades above 1 were found: all grades of this file were divided by 5, from 0-5 to 0-1."]

    def names(self, value: Any) -> tuple[str, ...]:
        """The label a value counts as."""
        if value is None:
            return ()
        return (value,) if isinstance(value, str) else (MATCH if value >= HALF else NO_MATCH,)

    def encode(self, value: Any, ids: Mapping[str, int]) -> tuple[str | None, list[int]]:
        """A grade is kept as payload beside the label it counts as."""
        graded = isinstance(value, int | float) and not isinstance(value, bool)
        if not (graded and 0 <= value <= 1) and value not in self.fixed_labels:
            raise InputError(
                f"'{str(value)[:40]}' is not a label of pairs.", "Use 'match', 'no match' or a grade from 0 to 1."
            )
        return json.dumps(float(value)) if graded else None, [ids[name] for name in self.names(value)]

    def decode(self, payload: str | None, label_ids: Sequence[int], names: Mapping[int, str]) -> str | float | None:
        """The grade, or the name of the one label id; None when there is none."""
        if payload is not None:
            return float(json.loads(payload))
        return names[label_ids[0]] if label_ids else None

    def strata(self, values: Sequence[Any]) -> list[str]:
        """The label; grades in steps of a fifth, or by label where a step has too few rows for every split."""
        steps = [self._step(value) for value in values]
        if min(Counter(steps).values(), default=0) >= self.minimum_per_class:
            return steps
        labels = [self.names(value)[0] for value in values]
        graded = any(not isinstance(value, str) for value in values)
        if graded and min(Counter(labels).values(), default=0) < self.minimum_per_class:
            return ["graded"] * len(labels)
        return labels

    def _step(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return f"grade {min(int(value * GRADE_STEPS), GRADE_STEPS - 1) / GRADE_STEPS:.1f}"

    def check_version(self, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
        """Refuse a version without matches to learn from; say what stands in for missing counter-examples."""
        total = {name: sum(split.get(name, 0) for split in counts.values()) for name in self.fixed_labels}
        if not counts.get("train", {}).get(MATCH):
            raise RefusedError(
                f"No training pair is a match ({total[MATCH]} matches, {total[NO_MATCH]} others in all).",
                "Import or label pairs that belong together.",
            )
        if not total[NO_MATCH]:
            return ["Every pair is a match: texts of other pairs stand in for pairs that do not match."]
        return unmeasured(counts, self.fixed_labels)

    def targets(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """Indices of the labels that the values count as, (n,) int64."""
        index = {label: i for i, label in enumerate(labels)}
        return np.array([index[self.names(value)[0]] for value in values], dtype=np.int64)

    def predictions(self, scores: np.ndarray, labels: Sequence[str]) -> list[str]:
        """The more probable label of each row of scores (n, 2)."""
        return [labels[i] for i in scores.argmax(axis=1)]

    def headline(self, values: Sequence[Any]) -> str:
        """Grades: the rank correlation. Matches only: how early they come, as "match" is right for every row."""
        if is_graded(values):
            return "spearman"
        return "accuracy" if NO_MATCH in values else RANKED

    def metrics(
        self, gold: Sequence[Any], predicted: Sequence[Any], labels: Sequence[str], scores: np.ndarray | None = None
    ) -> dict[str, float]:
        """Accuracy and F1 of match or no match; before them, for grades, the rank correlation with the scores."""
        from core.tasks.classification import Classification

        asked = [self.names(value)[0] for value in gold]
        found = Classification().metrics(asked, predicted, labels)
        if scores is None or not is_graded(gold) or len(gold) < 2:
            return found
        return {**correlations(grades(gold), scores[:, list(labels).index(MATCH)]), **found}


def is_graded(values: Sequence[Any]) -> bool:
    """True when one of the values is a grade."""
    return any(not isinstance(value, str) for value in values)


def grades(values: Sequence[Any]) -> np.ndarray:
    """Values of pairs as numbers, (n,) float32: a match is 1, no match 0."""
    return np.array([float(value == MATCH) if isinstance(value, str) else value for value in values], np.float32)


def correlations(gold: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Spearman's and Pearson's correlation of grades (n,) and scores (n,); 0 where one of them never changes."""
    from scipy.stats import pearsonr, spearmanr

    if np.ptp(gold) == 0 or np.ptp(scores) == 0:
        return {"spearman": 0.0, "pearson": 0.0}
    return {"spearman": float(spearmanr(gold, scores).statistic), "pearson": float(pearsonr(gold, scores).statistic)}
