"""The baseline of questions about texts: the likeliest stretch near the words of the question, without a base model.

Sentences are ranked by the words that they share with the question (TF-IDF); in the best ones each run of words is a
candidate, and a logistic regression picks one: by place, length, shape and rarity, and by which words of questions go
with which words of answers and around them. After Rajpurkar et al. 2016, "SQuAD", section 5, which asks a parser for
candidates where this one takes every run of words.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Answers, Rows, RunContext, TrainingData
from core.tasks.answers import Answer, answer_at
from core.tasks.question_answering import chances
from core.tasks.spans import sentences, words

FILE = "search.json"
SENTENCES = 3
"""Best sentences whose runs of words are candidates."""
LONGEST = 12
"""Words of the longest candidate; less where the answers learned from are shorter."""
LEARNED = 3_000
"""Questions that the regression learns from; more make it no better."""
WRONG = 40
"""Wrong candidates of a question that it learns from."""
JUDGED = 500
"""Questions of each half from which it learns whether there is an answer."""
KEPT_WORDS = 50_000
ASSOCIATIONS = 2**14
"""Places for pairs of a word of the question and one of the text; pairs share a place by their hash."""
FADING = 0.8
"""Weight of a word of the question for each word that lies between it and the candidate."""
_KINDS = (
    r"\bwho|whose|whom|谁|哪位|何人",
    r"\bwhen|what (year|date|day|time)|何时|什么时候|哪一?年|几月",
    r"\bwhere|哪里|哪儿|何处|什么地方",
    r"\bhow (many|much|long|old|far|often)|多少|几[个位年天次]|多[长大远久]",
    r"\bwhy|为什么|为何",
    r"\bhow\b|怎么|如何|怎样",
    r"\bwhich|哪",
    r"\bwhat|什么",
)
_KIND = [re.compile(kind, re.IGNORECASE) for kind in _KINDS]


@dataclass
class Learned:
    """What is saved."""

    labels: list[str]
    rarity: dict[str, float]
    """Inverse document frequency of each word that occurs in at least two contexts."""
    unseen: float
    """That of other words."""
    lengths: list[float]
    """Share of the answers that have 1, 2, ... words."""
    weights: list[float] = field(default_factory=list)
    pairs: list[float] = field(default_factory=list)
    """Weight of each place of the associations."""
    there: list[float] = field(default_factory=list)
    """Weights of (1, best candidate, overlap) for the probability that there is an answer; empty: there always is."""


@dataclass
class Candidates:
    """Runs of words of one context."""

    places: np.ndarray
    """(candidates, 2) int64: characters of the context."""
    features: np.ndarray
    """(candidates, d) float64."""
    pairs: np.ndarray
    """(candidates, m) int64: places of the associations that each has."""
    overlap: float
    """Share of the question, by rarity, that its best sentence holds."""


Example = tuple[Any, np.ndarray]
"""Features of candidates, sparse (n, d), and which of them are right (n,)."""


class AnswerSearch:
    """A trained search in memory."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self.labels = learned.labels

    @classmethod
    def fit(cls, data: TrainingData, penalty: float, seed: int, context: RunContext) -> AnswerSearch:
        """Learn from data.train. Raises TrainingError without an answer to learn from."""
        train, random = data.train, np.random.default_rng(seed)
        search = cls(_counted(list(data.labels), train.texts, train.values))
        rows = random.permutation(len(train))[:LEARNED].tolist()
        examples: list[Example | None] = []
        for done, row in enumerate(rows):
            if done % 100 == 0:
                context.progress(done, len(rows), "comparing words")
            examples.append(search._example(train, row, random))
        context.progress(len(rows), len(rows), "fitting")
        if not search._rank(examples, penalty):
            raise TrainingError(
                "No training answer could be found among the words of its context.", "Import answers of a few words."
            )
        if not all(train.values[row] for row in rows):
            search.learned.there = search._judge(train, rows, examples, penalty)
            search._rank(examples, penalty)
        return search

    def _example(self, train: Rows, row: int, random: np.random.Generator) -> Example | None:
        """Right and some wrong candidates of a question, and which are right; None where no candidate is."""
        found = self.candidates(train.texts[row], _question(train, row))
        wanted = {(one["start"], one["end"]) for one in train.values[row]}
        hits = np.array([tuple(place) in wanted for place in found.places.tolist()], dtype=bool)
        if not hits.any():
            return None
        chosen = np.concatenate([np.flatnonzero(hits), random.permutation(np.flatnonzero(~hits))[:WRONG]])
        return _matrix(found.features[chosen], found.pairs[chosen]), hits[chosen]

    def _rank(self, examples: Sequence[Example | None], penalty: float) -> bool:
        """Learn what a right candidate looks like; False where there is nothing to learn from."""
        from scipy.sparse import vstack
        from sklearn.linear_model import LogisticRegression

        known = [example for example in examples if example is not None]
        right = np.concatenate([hits for _, hits in known]) if known else np.zeros(0, bool)
        if not known or right.all():
            return False
        model = LogisticRegression(C=penalty, class_weight="balanced", max_iter=500)
        model.fit(vstack([matrix for matrix, _ in known]), right)
        weights, pairs = model.coef_[0, :-ASSOCIATIONS], model.coef_[0, -ASSOCIATIONS:]
        self.learned.weights = [*weights.tolist(), float(model.intercept_[0])]
        self.learned.pairs = pairs.round(4).tolist()
        return True

    def _judge(
        self, train: Rows, rows: Sequence[int], examples: Sequence[Example | None], penalty: float
    ) -> list[float]:
        """Weights of the evidence that there is an answer; empty where they cannot be learned.

        One half of the contexts is judged by what the other half taught: of its own questions a model is too sure.
        """
        from sklearn.linear_model import LogisticRegression

        half = np.array([_code(train.texts[row]) % 2 for row in rows])
        facts: list[tuple[float, float]] = []
        answered: list[bool] = []
        for own in (0, 1):
            if not self._rank([one for one, part in zip(examples, half, strict=True) if part != own], penalty):
                continue
            for row in [row for row, part in zip(rows, half, strict=True) if part == own][:JUDGED]:
                facts.append(self.evidence(self.candidates(train.texts[row], _question(train, row))))
                answered.append(bool(train.values[row]))
        if len(set(answered)) < 2:
            return []
        judge = LogisticRegression(class_weight="balanced").fit(facts, answered)
        return [float(judge.intercept_[0]), *judge.coef_[0].tolist()]

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities that there is an answer, and none, (n, 2) float32."""
        return self.answers(texts, texts_b).scores

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """The best candidate of each context; how sure is its share among all of them."""
        values: list[list[Answer]] = []
        sure, there = np.zeros(len(texts), np.float32), np.zeros(len(texts))
        for row, (text, question) in enumerate(zip(texts, texts_b or [""] * len(texts), strict=True)):
            found = self.candidates(text, question)
            if not len(found.places):
                values.append([])
                continue
            points = self._points(found)
            best = int(points.argmax())
            values.append([answer_at(text, *found.places[best].tolist())])
            sure[row] = 1 / np.exp(points - points[best]).sum()
            there[row] = 1.0
            if self.learned.there:
                base, *weights = self.learned.there
                there[row] = 1 / (1 + math.exp(-base - float(np.dot(weights, self.evidence(found)))))
        return Answers(values, sure, chances(there, self.labels))

    def evidence(self, found: Candidates) -> tuple[float, float]:
        """What the probability of an answer follows from: (points of the best candidate, overlap)."""
        return (float(self._points(found).max()) if len(found.places) else 0.0, found.overlap)

    def _points(self, found: Candidates) -> np.ndarray:
        *weights, base = self.learned.weights
        points: np.ndarray = found.features @ np.array(weights) + base
        return points + np.array(self.learned.pairs)[found.pairs].sum(axis=1)

    # ------------------------------------------------------------ candidates

    def candidates(self, text: str, question: str) -> Candidates:
        """Runs of words of the sentences that have most in common with the question."""
        pieces = words(text)
        shown = [text[start:end] for start, end in pieces]
        asked = {word for word in _lower(question) if word[0].isalnum()}
        weight = {word: self._rarity(word) for word in asked}
        whole = sum(weight.values()) or 1.0
        ranked = []
        for first, last in sentences(text, pieces):
            common = asked.intersection(word.lower() for word in shown[first:last])
            ranked.append((sum(weight[word] for word in common) / whole, first, last))
        best = sorted(ranked, key=lambda one: -one[0])[:SENTENCES]
        look = _Look(shown, weight, self, question)
        parts = [look.runs(first, last, overlap, rank) for rank, (overlap, first, last) in enumerate(best)]
        parts = [part for part in parts if len(part[0])]
        if not parts:
            return Candidates(np.zeros((0, 2), np.int64), np.zeros((0, 0)), np.zeros((0, 0), np.int64), 0.0)
        runs = np.concatenate([run for run, _ in parts])
        edges = np.array(pieces, np.int64)
        places = np.stack([edges[runs[:, 0], 0], edges[runs[:, 1], 1]], axis=1)
        features = np.concatenate([features for _, features in parts])
        return Candidates(places, features, look.pairs(runs), best[0][0])

    def _rarity(self, word: str) -> float:
        return self.learned.rarity.get(word, self.learned.unseen)

    # ------------------------------------------------------------ files

    def save(self, directory: Path) -> None:
        """Write what was learned as JSON."""
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / FILE, asdict(self.learned))

    @classmethod
    def load(cls, directory: Path, labels: list[str]) -> AnswerSearch:
        """Load what ``save`` wrote. Raises ModelError for a damaged file or other labels."""
        facts = read_json(directory / FILE)
        try:
            learned = Learned(**(facts or {}))
            if learned.labels != labels:
                raise ValueError
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{FILE} of this model is missing or does not fit its labels.", "Train it again."
            ) from error
        return cls(learned)


class _Look:
    """Features of the runs of words of one context beside one question."""

    def __init__(self, shown: list[str], weight: dict[str, float], search: AnswerSearch, question: str) -> None:
        self.lengths = search.learned.lengths
        low = [word.lower() for word in shown]
        whole = sum(weight.values()) or 1.0
        asked = np.array([weight.get(word, 0.0) for word in low]) / whole
        self.sign = np.array([not word[0].isalnum() for word in shown], dtype=bool)
        rare = np.array([search._rarity(word) for word in low]) / max(search.learned.unseen, 1e-9)
        capital = np.array([word[0].isupper() for word in shown], dtype=float)
        digit = np.array([word[0].isdigit() for word in shown], dtype=float)
        self.sums = {
            name: np.concatenate([[0.0], np.cumsum(values)])
            for name, values in {
                "asked": asked > 0, "rare": np.where(self.sign, 0, rare), "capital": capital, "digit": digit,
                "sign": self.sign,
            }.items()
        }  # fmt: skip
        self.rare, self.before, self.after = rare, _faded(asked), _faded(asked[::-1])[::-1]
        self.codes = np.array([_code(word) for word in low], dtype=np.int64)
        self.asked = np.array([_code(word) for word in sorted(weight)], dtype=np.int64)
        self.kind = next((place for place, kind in enumerate(_KIND) if kind.search(question)), len(_KIND))

    def runs(self, first: int, last: int, overlap: float, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """((runs, 2) first and last word, (runs, d) features) of a sentence; none begins or ends with a sign."""
        grid = [(i, i + n) for n in range(len(self.lengths)) for i in range(first, last - n)]
        runs = np.array([(i, j) for i, j in grid if not (self.sign[i] or self.sign[j])], np.int64).reshape(-1, 2)
        if not len(runs):
            return runs, np.zeros((0, 0))
        i, j = runs.T
        size = j - i + 1
        share = {name: (sums[j + 1] - sums[i]) / size for name, sums in self.sums.items()}
        edge = len(self.sign)
        left = np.where(i > first, self.sign[np.maximum(i - 1, 0)], True)
        right = np.where(j + 1 < last, self.sign[np.minimum(j + 1, edge - 1)], True)
        shapes = [share["digit"] > 0, share["capital"] >= 0.5, (size > 3) & (share["capital"] < 0.5), share["rare"]]
        crossed = np.zeros((len(runs), (len(_KIND) + 1) * len(shapes)))
        for place, shape in enumerate(shapes):
            crossed[:, self.kind * len(shapes) + place] = shape
        columns = [
            np.full(len(runs), overlap), np.full(len(runs), rank == 0), self.before[i] + self.after[j],
            np.maximum(self.before[i], self.after[j]), share["asked"], share["rare"], share["sign"], share["capital"],
            share["digit"], np.log(np.array(self.lengths))[size - 1], left, right, self.rare[i], self.rare[j],
            np.where(i > first, self.rare[np.maximum(i - 1, 0)], 0.0),
            np.where(j + 1 < last, self.rare[np.minimum(j + 1, edge - 1)], 0.0),
        ]  # fmt: skip
        return runs, np.concatenate([np.stack(columns, axis=1).astype(float), crossed], axis=1)

    def pairs(self, runs: np.ndarray) -> np.ndarray:
        """(runs, 5 words of the question) places of the associations: with the ends, the neighbours, the length."""
        i, j = runs.T
        edge = len(self.codes) - 1
        seen = [
            self.codes[i], self.codes[j], np.where(i > 0, self.codes[np.maximum(i - 1, 0)], 0),
            np.where(j < edge, self.codes[np.minimum(j + 1, edge)], 0), j - i,
        ]  # fmt: skip
        # A different odd factor for each kind of neighbour keeps them apart (multiplicative hashing, Knuth 1998).
        columns = [
            (asked * 2_654_435_761 + (word + kind) * (40_503 + 2 * kind)) % 4_294_967_291 % ASSOCIATIONS
            for kind, word in enumerate(seen)
            for asked in self.asked
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((len(runs), 0), np.int64)


def _question(rows: Rows, row: int) -> str:
    return rows.texts_b[row] if rows.texts_b is not None else ""


def _code(word: str) -> int:
    """A number of 30 bits that is the same on every machine."""
    return zlib.crc32(word.encode()) >> 2


def _matrix(features: np.ndarray, pairs: np.ndarray) -> Any:
    """Features and associations side by side, one sparse row a candidate."""
    from scipy.sparse import csr_matrix, hstack

    count, width = pairs.shape
    ones = csr_matrix((np.ones(pairs.size), pairs.ravel(), np.arange(count + 1) * width), (count, ASSOCIATIONS))
    return hstack([csr_matrix(features), ones], format="csr")


def _counted(labels: list[str], contexts: Sequence[str], values: Sequence[Any]) -> Learned:
    """How rare words are, and how long answers are."""
    different = list(dict.fromkeys(contexts))
    counts = Counter(word for context in different for word in set(_lower(context)))
    total = len(different)
    common = [(word, number) for word, number in counts.most_common(KEPT_WORDS) if number > 1]
    sizes = Counter(min(LONGEST, len(words(one["text"]))) for value in values for one in value)
    longest = max(sizes, default=1)
    lengths = [(sizes[size] + 0.5) / (sizes.total() + 0.5 * longest) for size in range(1, longest + 1)]
    return Learned(
        labels=labels,
        rarity={word: math.log((1 + total) / (1 + number)) for word, number in common},
        unseen=math.log((1 + total) / 1.5) or 1.0,
        lengths=lengths,
    )


def _lower(text: str) -> list[str]:
    return [text[start:end].lower() for start, end in words(text)]


def _faded(values: np.ndarray) -> np.ndarray:
    """(n,) for each place the sum of the values before it, each faded by its distance."""
    found, held = np.zeros(len(values)), 0.0
    for place, value in enumerate(values.tolist()):
        found[place] = held
        held = (held + value) * FADING
    return found
