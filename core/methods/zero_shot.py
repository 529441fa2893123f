"""Zero-shot: labels are understood by what the schema says about them, not learned from examples.

Two ways. *Embeddings*: a text gets the label whose name, description and example are closest to it (cosines, as in
Yin et al. 2019, "Benchmarking Zero-shot Text Classification"). *Language model*: the label whose name the model would
rather write after a prompt (core.methods.prompting).

What a label gets from every text alike is taken away first (Zhou et al. 2024, "Batch Calibration"; no labels needed
for that). One temperature, fitted on the dev split where it has enough labels, makes the rest probabilities; for any
number of labels a text it is one logistic curve. Pairs are compared by cosine (core.methods.zero_shot_pairs), and a
language model that writes is shown examples (core.methods.prompted). Questions about a text are answered by the nearest
sentence or by what a language model copies out of it (core.methods.zero_shot_answers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field, field_validator

from core.durable import read_json, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Estimate, MethodOptions, Predictor, RunContext, TrainingData, Work
from core.methods.encoders import encoder_weights
from core.methods.features import encoder_cost
from core.methods.fitted import LEAST_CALIBRATION_ROWS, fit_temperature, softmax
from core.methods.language_model import is_language_model
from core.methods.linear import dev_targets, encoder_facts, encoder_folder
from core.methods.multilabel_linear import logistic_curve, sigmoid
from core.methods.prompted import TEMPLATE as WRITING_TEMPLATE
from core.methods.prompted import PromptedWriter
from core.methods.prompting import LABEL_PLACES, PLACES, TEMPLATE, PromptScorer, check_places, words
from core.methods.zero_shot_answers import EXAMPLE_SHARE, SCALE, fit_answers, load_answers
from core.methods.zero_shot_answers import TEMPLATE as READING_TEMPLATE
from core.methods.zero_shot_pairs import FrozenMatching
from core.tasks.multilabel import Multilabel
from core.tasks.relation import as_read

FILE = "zero_shot.json"
MOST_READ = 1_000
"""Texts of a split that are read to calibrate cosines ..."""
MOST_PROMPTS = 100
"""... and a language model, which is a hundred times slower."""
UNFITTED = (2.0, -2.0)
"""(slope, offset) of the curve of any number of labels where dev says too little: a text that is one standard deviation
closer to a label than texts in general has it with even odds."""
ONE_LABEL = frozenset({"classification", "relation"})
MOST_EXAMPLES = 2_000
"""Training texts that a language model's examples are picked from; they are part of the model."""


class ZeroShotOptions(MethodOptions):
    """Options of zero-shot answers."""

    engine: Literal["embeddings", "language_model"] = Field(
        default="embeddings",
        description="Embeddings compare the text with what the schema says about each label: quick, any encoder. A "
        "language model reads a prompt: slow, needs a causal language model as base (a folder or a Hub id).",
    )
    label_template: str = Field(
        default="{label}",
        max_length=500,
        description="Sentence that a label's name is put into before it is compared, e.g. 'This is about {label}.'. "
        "For embeddings.",
    )
    prompt: str = Field(
        default=TEMPLATE,
        max_length=10_000,
        description="What the language model reads; the label's name is what it should write next. Places: {labels}, "
        "{examples}, {text}; for questions about texts {examples}, {context}, {question}.",
    )
    examples: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Labelled training texts shown in each prompt, those most alike to the text. More helps and takes "
        "longer; 0 shows none, and the model has seen no example at all.",
    )
    calibrate: bool = Field(
        default=True,
        description="Take away what a label gets from every text alike, measured on training texts without their "
        "labels. Off when nearly all texts belong to one label.",
    )
    max_length: int = Field(
        default=256, ge=8, le=8192, description="Tokens of a text that are read; the rest is cut. Longer is slower."
    )

    @field_validator("label_template")
    @classmethod
    def _has_label(cls, value: str) -> str:
        if "{label}" not in value:
            raise ValueError("the template must contain {label}")
        return value

    @field_validator("prompt")
    @classmethod
    def _has_text(cls, value: str) -> str:
        """For some task at least; ``ZeroShot.check`` knows which."""
        some = dict.fromkeys(place for needed, _ in (LABEL_PLACES, *PLACES.values()) for place in needed)
        if not any(place in value for place in some):
            raise ValueError(f"the prompt must contain one of {', '.join(some)}")
        return value


class Scorer(Protocol):
    """One way to compare texts with labels."""

    base: Path
    max_length: int

    def values(self, texts: Sequence[str], should_stop: Callable[[], bool] | None = None) -> np.ndarray:
        """(len(texts), labels) float64: the higher, the better the label fits. Raises Stopped."""


@dataclass
class CosineScorer:
    """How close a text is to what is said about each label."""

    base: Path
    said: list[list[str]]
    """For each label its name in the template, its description and its example, as far as there are any."""
    max_length: int
    device: str = "cpu"
    cache: Path | None = None

    def values(self, texts: Sequence[str], should_stop: Callable[[], bool] | None = None) -> np.ndarray:
        """Scaled cosines of texts and labels."""
        return SCALE * np.asarray(self._encode(texts, should_stop) @ self._labels.T, np.float64)

    @cached_property
    def _labels(self) -> np.ndarray:
        """(labels, d) unit vectors: the mean of what is said."""
        vectors = self._encode([text for texts in self.said for text in texts])
        ends = np.cumsum([len(texts) for texts in self.said])[:-1]
        means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])
        return np.asarray(means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12))

    def _encode(self, texts: Sequence[str], should_stop: Callable[[], bool] | None = None) -> np.ndarray:
        from core.methods.embeddings import encode

        return encode(texts, self.base, self.cache, self.device, self.max_length, should_stop=should_stop)


class ZeroShot:
    """Understand labels instead of learning them."""

    name: ClassVar[str] = "zero_shot"
    title: ClassVar[str] = "Zero-shot"
    summary: ClassVar[str] = (
        "Reads the names, descriptions and examples of the labels and trains nothing: a first model before there are "
        "labels to learn from. Good descriptions make it better; a language model is shown examples, writes, and "
        "answers questions."
    )
    tasks: ClassVar[frozenset[str]] = frozenset(
        {"classification", "multilabel", "relation", "pair", "question_answering", "generation"}
    )
    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = ZeroShotOptions
    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        "generation": {"engine": "language_model", "prompt": WRITING_TEMPLATE},
        "question_answering": {"prompt": READING_TEMPLATE, "examples": 2, "max_length": 384},
    }

    def idle(self, task: str) -> frozenset[str]:
        """Pairs are compared with each other, not with labels; prompts give one label, and templates need labels."""
        return {
            "pair": frozenset({"engine", "label_template", "prompt", "examples", "calibrate"}),
            "multilabel": frozenset({"prompt", "examples"}),
            "generation": frozenset({"label_template", "calibrate"}),
        }.get(task, frozenset())

    def unsuited(self, task: str, kind: str) -> str | None:
        """It judges whole texts."""
        if task != "tagging":
            return None
        return "This method compares whole texts with labels; it cannot say where in a text a span begins and ends."

    def check(self, options: MethodOptions, task: str) -> None:
        """Raises InputError when the prompt would not show what the task asks about."""
        checked = ZeroShotOptions.model_validate(options.model_dump())
        if checked.engine == "language_model":
            check_places(checked.prompt, task)

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Calibrate on texts of data.train and on data.dev; nothing else is learned.

        Raises InputError, TrainingError, Stopped.
        """
        checked = ZeroShotOptions.model_validate(options.model_dump())
        if base is None:
            raise TrainingError("This method needs a base model.", "Choose a base model.")
        _check_engine(checked, base, data.task.name)
        self.check(checked, data.task.name)
        if data.task.name == "generation":
            return PromptedWriter.fit(data, base, _shown(data, checked), checked.max_length, context)
        if data.task.name == "question_answering":
            rows = _sample(np.arange(len(data.train)), MOST_EXAMPLES if checked.examples else 0, checked.seed)
            facts = checked.model_dump(include={"engine", "prompt", "examples", "max_length"})
            return fit_answers(data, facts, rows.tolist(), base, context)
        if data.task.name == "pair":
            pairs = FrozenMatching(data.labels, base, checked.max_length, context.device)
            pairs.use_cache(context.cache)
            pairs.calibrate(data, context, checked.seed)
            return pairs
        return _classifier(data, checked, base, context)

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what the predictor's ``save`` wrote."""
        if task == "generation":
            return PromptedWriter.load(directory, device)
        if task == "question_answering":
            return load_answers(directory, labels, device)
        kind = FrozenMatching if task == "pair" else ZeroShotPredictor
        return kind.load(directory, labels, device)

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory to calibrate and judge."""
        checked = ZeroShotOptions.model_validate(options.model_dump())
        if checked.engine == "embeddings":
            return Estimate(*encoder_cost(replace(work, rows=min(work.rows, MOST_READ)), checked.max_length, base))
        every, working = encoder_weights(base)
        tokens = work.mean(checked.max_length)
        answers = work.task == "question_answering"  # examples are short, dev is asked twice, nothing is calibrated
        prompt = (checked.examples / (EXAMPLE_SHARE if answers else 1) + 1) * (tokens + 8) + 8 * work.labels
        prompts = work.dev + work.test + (work.dev if answers else 2 * min(work.rows, MOST_PROMPTS))
        return Estimate(15.0 + 2.0 * prompts * prompt * working / (0.5 * work.speed), int(1.5e9 + every * 4))


def _sample(rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """At most ``most`` of these rows, drawn at random, in their order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def _normal(values: np.ndarray) -> np.ndarray:
    """Log probabilities (n, labels): each row as a distribution over the labels."""
    return np.asarray(np.log(np.maximum(softmax(values), 1e-12)))


def _classifier(data: TrainingData, options: ZeroShotOptions, base: Path, context: RunContext) -> ZeroShotPredictor:
    """One label a text, or any number of them."""
    facts = _facts(data, options, base, context)
    predictor = ZeroShotPredictor(data.labels, facts, _scorer(facts, base, data.labels, context.device))
    predictor.use_cache(context.cache)
    most = MOST_READ if options.engine == "embeddings" else MOST_PROMPTS
    context.progress(0, 1, "reading texts to calibrate")
    some = _sample(np.arange(len(data.train)), most, options.seed)
    if len(some) and (options.calibrate or data.task.many):
        predictor.centre([data.train.texts[i] for i in some], options.calibrate, context.should_stop)
    known = np.arange(len(data.dev)) if data.task.many else np.flatnonzero(dev_targets(data) >= 0)
    held = _sample(known, most, options.seed)
    if len(held) >= LEAST_CALIBRATION_ROWS:
        values = predictor.margins([data.dev.texts[i] for i in held], context.should_stop)
        if data.task.many:
            targets = data.task.targets([data.dev.values[i] for i in held], data.labels)
            facts["curve"] = logistic_curve(values.ravel(), targets.ravel())
        else:
            facts["temperature"], loss = fit_temperature(values, dev_targets(data)[held])
            context.report("note", message=f"Log loss {loss:.3f} on dev", loss=loss)
    return predictor


def _check_engine(options: ZeroShotOptions, base: Path, task: str) -> None:
    """Raises TrainingError when engine, base model and task do not fit."""
    prompts = options.engine == "language_model"
    if task == "generation":
        if not prompts:
            raise TrainingError("Embeddings cannot write a text.", "Choose the engine 'language model'.")
        return  # what cannot write says so when it is loaded
    if prompts and task not in ONE_LABEL | {"question_answering"}:
        raise TrainingError(
            "After a prompt a language model names one label, which is no answer to this task.",
            "Choose the engine 'embeddings'.",
        )
    if prompts and not is_language_model(base):
        raise TrainingError(
            f"{base.name} is no causal language model.",
            "Choose a causal language model such as SmolLM2, or the engine 'embeddings'.",
        )
    if not prompts and is_language_model(base):
        raise TrainingError(
            f"{base.name} is a language model, no encoder.", "Choose an encoder, or the engine 'language model'."
        )


def _facts(data: TrainingData, options: ZeroShotOptions, base: Path, context: RunContext) -> dict[str, Any]:
    """Everything a classifier is, beside its base."""
    facts: dict[str, Any] = {
        "labels": list(data.labels),
        "task": data.task.name,
        "engine": options.engine,
        **encoder_facts(base, options.max_length, context.cache),
        "bias": [0.0] * len(data.labels),
        "spread": [1.0] * len(data.labels),
        "temperature": 1.0,
        "curve": UNFITTED,
    }
    if options.engine == "embeddings":
        return facts | {"said": [_said(label, data, options) for label in data.labels]}
    own = [(one.example, label) for label, one in data.label_help.items() if one.example and label in data.labels]
    shown = _shown(data, options)
    return facts | {
        **shown,
        "descriptions": {label: one.description for label, one in data.label_help.items() if one.description},
        "pool": [*(own if options.examples else []), *shown["pool"]],
    }


def _shown(data: TrainingData, options: ZeroShotOptions) -> dict[str, Any]:
    """Prompt and examples; those are part of the model."""
    chosen = _sample(np.arange(len(data.train)), MOST_EXAMPLES if options.examples else 0, options.seed)
    texts = as_read(data.task.name, data.train.texts)
    pool = [(texts[i], data.train.values[i]) for i in chosen if data.train.values[i]]
    return {"prompt": options.prompt, "examples": options.examples, "pool": pool}


def _said(label: str, data: TrainingData, options: ZeroShotOptions) -> list[str]:
    """What a label is compared by."""
    more = data.label_help.get(label)
    texts = [options.label_template.replace("{label}", words(label))]
    return [*texts, *(text for text in (more.description, more.example) if text)] if more else texts


def _scorer(facts: dict[str, Any], base: Path, labels: list[str], device: str) -> Scorer:
    if facts["engine"] == "embeddings":
        return CosineScorer(base, [list(texts) for texts in facts["said"]], int(facts["max_length"]), device)
    return PromptScorer(
        base,
        labels,
        dict(facts["descriptions"]),
        facts["prompt"],
        [(text, label) for text, label in facts["pool"]],
        int(facts["examples"]),
        int(facts["max_length"]),
        device,
    )


class ZeroShotPredictor:
    """A zero-shot classifier in memory."""

    def __init__(self, labels: list[str], facts: dict[str, Any], scorer: Scorer) -> None:
        self.labels = labels
        self.facts = facts
        self.scorer = scorer

    @property
    def many(self) -> bool:
        """True for any number of labels a text."""
        return str(self.facts.get("task")) == Multilabel.name

    def centre(self, texts: Sequence[str], each: bool, should_stop: Callable[[], bool] | None = None) -> None:
        """Note what labels get from texts alike, ``each`` for itself or all of them together. Raises Stopped."""
        read = self._read(texts, should_stop)
        bias, spread = read.mean(axis=0), read.std(axis=0)
        if not each:
            bias, spread = np.full_like(bias, read.mean()), np.full_like(spread, read.std())
        self.facts["bias"] = bias.tolist()
        if self.many:
            self.facts["spread"] = np.maximum(spread, 1e-6).tolist()

    def margins(self, texts: Sequence[str], should_stop: Callable[[], bool] | None = None) -> np.ndarray:
        """(len(texts), labels) float64 before the temperature or the curve: log probabilities, or for any number of
        labels standard deviations above texts in general. Raises Stopped."""
        return (self._read(texts, should_stop) - np.array(self.facts["bias"])) / np.array(self.facts.get("spread", 1.0))

    def _read(self, texts: Sequence[str], should_stop: Callable[[], bool] | None) -> np.ndarray:
        values = self.scorer.values(as_read(str(self.facts.get("task")), texts), should_stop)
        return values if self.many else _normal(values)

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities (len(texts), len(labels)) float32; with one label a text, rows sum to 1."""
        if not len(texts):
            return np.zeros((0, len(self.labels)), np.float32)
        if self.many:
            slope, offset = self.facts["curve"]
            return sigmoid(self.margins(texts) * slope + offset).astype(np.float32)
        return softmax(self.margins(texts) * self.facts["temperature"]).astype(np.float32)

    def use_cache(self, cache: Path | None) -> None:
        """Look embeddings up in, and add them to, this cache. None, as at first, keeps nobody's input."""
        if isinstance(self.scorer, CosineScorer):
            self.scorer.cache = cache

    def save(self, directory: Path) -> None:
        """Write one JSON file; the base model stays where it is and is known by its hash."""
        write_json(directory / FILE, self.facts)

    @classmethod
    def load(cls, directory: Path, labels: list[str], device: str = "cpu") -> ZeroShotPredictor:
        """Load what ``save`` wrote. Raises ModelError for damaged files, other labels or a missing base model."""
        facts = read_json(directory / FILE)
        if not isinstance(facts, dict) or facts.get("labels") != labels:
            raise ModelError(f"{FILE} of this model is missing or does not fit its labels.", "Train it again.")
        return cls(labels, facts, _scorer(facts, encoder_folder(facts), labels, device))
