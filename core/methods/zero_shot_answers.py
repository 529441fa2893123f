"""Answers in a text without training: the sentence nearest to the question, or what a language model copies out of it.

*Embeddings*: the whole sentence of the context whose vector is closest to that of the question. *Language model*: it
reads the context, some answered questions most alike to this one, and the question; what it writes is looked up in the
context word by word. What is not there is no answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Answers, RunContext, Stopped, TrainingData
from core.methods.fitted import LEAST_CALIBRATION_ROWS
from core.methods.heads.answer import LONGEST_QUESTION
from core.methods.language_model import LanguageModel, Nearest, fill
from core.methods.linear import encoder_facts, encoder_folder
from core.methods.multilabel_linear import logistic_curve, sigmoid
from core.tasks.answers import Answer, answer_at, normalised, read_back
from core.tasks.question_answering import chances
from core.tasks.spans import sentences, words

FILE = "zero_shot_answers.json"
TEMPLATE = """Answer each question with words copied from its text. If the text does not say it, answer: no answer.

{examples}Text: {context}
Question: {question}
Answer:"""
EXAMPLE = "Text: {context}\nQuestion: {question}\nAnswer: {answer}\n\n"
NOTHING = "no answer"
LONGEST = 48
"""Tokens of an answer that a language model writes."""
EXAMPLE_SHARE = 4
"""An example shows a part of its context, this many times shorter than what is read of the one in question."""
UNFITTED = (10.0, -2.0)
"""(slope, offset) from the cosine of question and sentence to the odds of an answer, where dev says too little."""
SCALE = 20.0
"""Factor on cosines before the softmax over labels or sentences, as encoders of sentences are trained with."""
ShouldStop = Callable[[], bool] | None
Found = tuple[list[Answer], float, float]
"""(answer, or nothing; how sure of it; probability that there is one)."""


class ZeroShotAnswers(ABC):
    """A frozen model that answers questions, in memory. Its facts are JSON: the base stays where it is."""

    def __init__(self, labels: list[str], facts: dict[str, Any], base: Path, device: str = "cpu") -> None:
        self.labels = labels
        self.facts = facts
        self.base = base
        self.device = device
        self.cache: Path | None = None

    @abstractmethod
    def found(self, contexts: Sequence[str], questions: Sequence[str], should_stop: ShouldStop = None) -> list[Found]:
        """The best answer of each row. Raises Stopped."""

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """What it says about each question, and how probable it is that there is an answer at all."""
        rows = self.found(texts, texts_b or [""] * len(texts), how.get("should_stop"))
        there = np.array([row[2] for row in rows], np.float64)
        sure = np.array([row[1] for row in rows], np.float32)
        return Answers([row[0] for row in rows], sure, chances(there, self.labels))

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities that there is an answer, and none, (n, 2) float32."""
        return self.answers(texts, texts_b).scores

    def use_cache(self, cache: Path | None) -> None:
        """Look embeddings up in, and add them to, this cache. None, as at first, keeps nobody's input."""
        self.cache = cache

    def save(self, directory: Path) -> None:
        """Write one JSON file; the base model is known by its hash."""
        write_json(directory / FILE, self.facts)


class NearestSentence(ZeroShotAnswers):
    """The sentence of the context that is closest to the question for a frozen encoder."""

    def found(self, contexts: Sequence[str], questions: Sequence[str], should_stop: ShouldStop = None) -> list[Found]:
        """Whole sentences, the sentence as sure as its share among all of its context."""
        slope, offset = self.facts["curve"]
        rows: list[Found] = []
        for context, (place, share, cosine) in zip(
            contexts, self.closest(contexts, questions, should_stop), strict=True
        ):
            there = float(sigmoid(np.array(slope * cosine + offset))) if place else 0.0
            rows.append(([answer_at(context, *place)] if place else [], share, there))
        return rows

    def closest(
        self, contexts: Sequence[str], questions: Sequence[str], should_stop: ShouldStop = None
    ) -> list[tuple[tuple[int, int] | None, float, float]]:
        """Of each row (start and end of the closest sentence, its share, its cosine). Raises Stopped."""
        from core.methods.embeddings import encode

        parts = [sentence_places(context) for context in contexts]
        said = [c[start:end] for c, places in zip(contexts, parts, strict=True) for start, end in places]
        length = int(self.facts["max_length"])
        vectors = encode([*questions, *said], self.base, self.cache, self.device, length, should_stop=should_stop)
        rows: list[tuple[tuple[int, int] | None, float, float]] = []
        begin = len(questions)
        for asked, places in zip(vectors, parts, strict=False):  # the questions come first
            cosines = (vectors[begin : begin + len(places)] @ asked).astype(np.float64)
            begin += len(places)
            if not places:
                rows.append((None, 0.0, 0.0))
                continue
            best = int(cosines.argmax())
            share = 1 / np.exp(SCALE * (cosines - cosines[best])).sum()
            rows.append((places[best], float(share), float(cosines[best])))
        return rows

    def calibrate(self, data: TrainingData, context: RunContext) -> None:
        """Learn from data.dev, where that is large enough, how near a sentence with an answer is. Raises Stopped."""
        context.progress(0, 1, "calibrating")
        answered = np.array([bool(value) for value in data.dev.values], float)
        if len(answered) >= LEAST_CALIBRATION_ROWS and 0 < answered.sum() < len(answered):
            near = self.closest(data.dev.texts, data.dev.texts_b or [], context.should_stop)
            self.facts["curve"] = list(logistic_curve(np.array([cosine for _, _, cosine in near]), answered))


class PromptedReader(ZeroShotAnswers):
    """A causal language model that copies answers out of the context."""

    def __init__(self, labels: list[str], facts: dict[str, Any], base: Path, device: str = "cpu") -> None:
        super().__init__(labels, facts, base, device)
        self.pool: list[tuple[str, str, str]] = [(context, asked, said) for context, asked, said in facts["pool"]]
        """(context, question, answer) from which examples are picked."""
        self.nearest = Nearest([asked for _, asked, _ in self.pool], int(facts["examples"]), self._keys(self.pool))
        self.model = LanguageModel(base, device)
        self.length = int(facts["max_length"])

    def found(self, contexts: Sequence[str], questions: Sequence[str], should_stop: ShouldStop = None) -> list[Found]:
        """What the model writes, where the context holds it; as sure as of its tokens (geometric mean)."""
        rows: list[Found] = []
        shown = self.nearest(questions, self._keys(zip(contexts, questions, strict=True)))
        nothing = [self.model.next_ids(NOTHING)] if len(contexts) else []
        for context, question, examples in zip(contexts, questions, shown, strict=True):
            if should_stop is not None and should_stop():
                raise Stopped
            read = self.model.read(self.prompt(context, question, examples))
            none = float(self.model.chances(read, nothing)[0]) / len(nothing[0])
            said, logs = self.model.write(read, LONGEST)
            answer = None if normalised(said) == NOTHING else read_back(said, context, relevant(context, question))
            sure = float(np.exp(logs.mean())) if len(logs) else 0.0
            there = sure / (sure + np.exp(none)) if answer else 0.0
            rows.append(([answer] if answer else [], sure, float(there)))
        return rows

    def prompt(self, context: str, question: str, examples: Sequence[int]) -> list[int]:
        """Token ids of the filled-in template; the least alike examples go first when it is too long for the model.

        Raises TrainingError when it is too long without any.
        """
        room = self.model.positions - LONGEST
        said = {
            "context": self.excerpt(context, question, self.length),
            "question": self.model.cut(question, LONGEST_QUESTION),
        }
        for left in range(len(examples), -1, -1):
            shown = "".join(self._example(*self.pool[i]) for i in reversed(examples[:left]))
            ids = self.model.ids(fill(self.facts["prompt"], {**said, "examples": shown}))
            if len(ids) <= room:
                return ids
        raise TrainingError(
            f"The prompt alone takes {len(ids)} tokens; the language model reads at most {room}.",
            "Shorten the prompt, or read fewer tokens of each text (max length).",
        )

    def _example(self, context: str, question: str, answer: str) -> str:
        part = self.excerpt(context, f"{question} {answer}", max(8, self.length // EXAMPLE_SHARE))
        asked = self.model.cut(question, LONGEST_QUESTION)
        return fill(EXAMPLE, {"context": part, "question": asked, "answer": answer or NOTHING})

    def excerpt(self, context: str, question: str, most: int) -> str:
        """One line of at most ``most`` tokens: of a long context the sentences most like the question, in order."""
        if len(self.model.cut(context, most)) == len(" ".join(context.split())):
            return " ".join(context.split())
        kept: list[tuple[int, int]] = []
        line = ""
        for place in relevant(context, question):
            longer = " ".join(" ".join(context[start:end].split()) for start, end in sorted([*kept, place]))
            if kept and len(self.model.cut(longer, most)) < len(longer):
                break
            kept.append(place)
            line = longer
        return self.model.cut(line, most)

    @staticmethod
    def _keys(rows: Any) -> list[str]:
        """What tells a question about a context from all others: an example is never the question itself."""
        return [f"{row[1]}\n{row[0]}" for row in rows]


def relevant(context: str, question: str) -> list[tuple[int, int]]:
    """(start, end) of the sentences, those that share most with the question first; a rare word counts more."""
    places = sentence_places(context)
    held = [_lower(context[start:end]) for start, end in places]
    often = Counter(word for own in held for word in own)
    asked = _lower(question)
    points = [sum(1 / often[word] for word in sorted(asked & own)) for own in held]
    return [places[i] for i in sorted(range(len(places)), key=lambda i: -points[i])]


def sentence_places(context: str) -> list[tuple[int, int]]:
    """(start, end) of each sentence, in characters."""
    pieces = words(context)
    return [(pieces[first][0], pieces[last - 1][1]) for first, last in sentences(context, pieces)]


def _lower(text: str) -> set[str]:
    return {text[start:end].lower() for start, end in words(text) if text[start].isalnum()}


def fit_answers(
    data: TrainingData, facts: dict[str, Any], rows: Sequence[int], base: Path, context: RunContext
) -> ZeroShotAnswers:
    """The model of these ``facts`` (engine, prompt, examples, max_length); ``rows`` of data.train may be its examples.

    Raises TrainingError, Stopped.
    """
    train = data.train
    labels = list(data.labels)
    facts = {**facts, **encoder_facts(base, int(facts["max_length"]), context.cache), "labels": labels}
    if facts["engine"] == "embeddings":
        made = NearestSentence(labels, {**facts, "curve": list(UNFITTED)}, base, context.device)
        made.use_cache(context.cache)
        made.calibrate(data, context)
        return made
    asked = train.texts_b or [""] * len(train)
    values = [train.values[i] for i in rows]
    facts["pool"] = [
        (train.texts[i], asked[i], value[0]["text"] if value else "") for i, value in zip(rows, values, strict=True)
    ]
    reader = PromptedReader(labels, facts, base, context.device)
    long = sum(len(reader.model.cut(text, reader.length)) < len(" ".join(text.split())) for text in data.dev.texts)
    if long:
        share = f"{long / len(data.dev):.1%}"
        context.report(
            "note",
            message=f"{share} of the texts are longer than {reader.length} tokens: of these the sentences most like "
            "the question are read",
        )
    return reader


def load_answers(directory: Path, labels: list[str], device: str = "cpu") -> ZeroShotAnswers:
    """Load what ``ZeroShotAnswers.save`` wrote. Raises ModelError for damaged files or a missing base model."""
    facts = read_json(directory / FILE)
    if not isinstance(facts, dict) or facts.get("labels") != labels:
        raise ModelError(f"{FILE} of this model is missing or does not fit its labels.", "Train it again.")
    kind = NearestSentence if facts["engine"] == "embeddings" else PromptedReader
    return kind(labels, facts, encoder_folder(facts), device)
