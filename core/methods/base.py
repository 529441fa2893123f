"""The Method protocol: how a model is made. A method knows texts, targets and arrays, nothing of projects or screens.

A new method is one file with an options record and a class, and one line in the registry; the form, the help, the
API schema and the docs are made from the field descriptions of the options record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo

from core.errors import ModelError
from core.records import LabelHelp
from core.tasks.base import Answers, Deciding, Declining, Task


@dataclass(frozen=True)
class Range:
    """What a hyper-parameter search tries for one option: values from ``low`` to ``high``, or one of ``choices``."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    """True where factors matter more than differences."""
    of_default: bool = False
    """True where ``low`` and ``high`` are factors of the option's default."""
    choices: tuple[Any, ...] = ()


class MethodOptions(BaseModel):
    """Options every method shares. Descriptions tell the *effect* of the knob."""

    model_config = ConfigDict(extra="forbid")
    SEARCHED: ClassVar[dict[str, Range]] = {}
    """What a search tries, by option; a record adds to what the one above it has."""

    seed: int = Field(default=0, ge=0, description="Same seed, data and options give the same model on this machine.")


@dataclass(frozen=True)
class Rows:
    """One split as a method sees it."""

    ids: list[int]
    texts: list[str]
    values: list[Any]
    """Gold values in the task's own form."""
    texts_b: list[str] | None = None
    """Second texts of pairs."""

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True)
class TrainingData:
    """A frozen version, read from the run folder's snapshot."""

    task: Task
    labels: list[str]
    """Index order of every score column."""
    train: Rows
    dev: Rows
    test: Rows
    """Read by the worker at the very end only; no method may look at it."""
    label_help: Mapping[str, LabelHelp] = field(default_factory=dict, kw_only=True)
    """What the label schema says about labels beside their names; not every label has an entry."""
    unlabelled: Sequence[str] = field(default=(), kw_only=True)
    """Texts that were frozen along without a label; none of them is in dev or test."""


class RunContext(Protocol):
    """What a method may ask of the run it is part of. The worker implements it over the run folder."""

    directory: Path
    cache: Path
    """Content-addressed cache shared by all runs (embeddings)."""
    device: str
    """cpu, cuda:0, mps."""

    def report(self, kind: str, **values: Any) -> None:
        """Append one event (``step`` with loss, ``epoch`` with dev metrics, ``note`` ...) to events.jsonl."""

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Publish how far the run is; the runner derives the ETA."""

    def should_stop(self) -> bool:
        """True once the run was asked to stop: save and raise Stopped."""


class Stopped(Exception):
    """Raised by a method that saved its state because the run was asked to stop."""


class Predictor(Protocol):
    """A model in memory that scores texts."""

    labels: list[str]

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities, (len(texts), len(labels)) float32, rows summing to 1 for single-label tasks."""

    def save(self, directory: Path) -> None:
        """Write the model without pickle: safetensors, skops, JSON."""


@runtime_checkable
class Answering(Predictor, Protocol):
    """A model in memory whose answers are more than a score for each label: spans, text.

    Its scores are (n, 0); for a ``Declining`` task the probabilities that there is an answer, and none.
    """

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """What it says about each text, or pair of texts; for a ``Declining`` task what it would say if it had to.

        ``how`` may hold ``writing`` (core.records.Writing), ``seconds`` after which no further prompt is begun,
        ``should_stop``, and ``wrote``, which hears a response as it is written and ends it by False; models that write
        read it.
        """


def answers_of(
    predictor: Predictor,
    task: Task,
    texts: Sequence[str],
    texts_b: Sequence[str] | None = None,
    decision: Mapping[str, Any] | None = None,
    **how: Any,
) -> Answers:
    """What a model of either kind says about each text, or pair of texts. Raises ModelError.

    ``decision`` is what a ``Deciding`` or ``Declining`` task chose on the dev split; ``how`` is as ``Answering`` takes
    it.
    """
    if not task.scored:
        if not isinstance(predictor, Answering):
            raise ModelError("This model gives scores where answers are wanted.", "Train it again.")
        said = predictor.answers(texts, texts_b, **how)
        return task.decline(said, predictor.labels, decision or {}) if isinstance(task, Declining) else said
    scores = predictor.scores(texts, texts_b)
    if not len(texts):
        return Answers([], np.zeros(0, np.float32), scores)
    if isinstance(task, Deciding):
        return Answers(*task.answers(scores, predictor.labels, decision or {}), scores)
    return Answers(task.predictions(scores, predictor.labels), scores.max(axis=1), scores)


@dataclass(frozen=True)
class Work:
    """What a run has to do, and with what, as far as an estimate needs it."""

    rows: int
    """Training rows."""
    lengths: np.ndarray
    """(n, texts of a row) tokens of some training rows, nothing cut."""
    dev: int = 0
    """Rows of the dev split."""
    test: int = 0
    unlabelled: int = 0
    """Texts without a label beside them."""
    labels: int = 10
    task: str = "classification"
    ranked: bool = False
    """The second texts of dev and test are ranked for the first ones in the end."""
    written: float = 0.0
    """Tokens of the longest responses; 0 where nothing is written."""
    texts: Sequence[str] = ()
    """The texts of those rows, one after the other."""
    cache: Path | None = None
    """Where embeddings of earlier runs are."""
    devices: tuple[str, ...] = ("cpu",)
    """That of each process that shares the training."""
    speed: float = 1e11
    """Operations a second that these devices reach together in large matrix products of 32-bit floats."""
    half: bool = False
    """They were measured to be faster in 16 bits."""

    def read(self, limit: int | None = None) -> np.ndarray:
        """(n,) tokens of the rows, each as one text of at most ``limit`` tokens."""
        whole = self.lengths.sum(axis=1) - (self.lengths.shape[1] - 1)  # one token begins them all
        return whole if limit is None else np.minimum(whole, limit)

    def mean(self, limit: int | None = None, apart: bool = False) -> float:
        """Mean tokens of a row, read as ``read`` or ``read_apart`` do; 0 without rows."""
        if not len(self.lengths):
            return 0.0
        return float((self.read_apart(limit) if apart else self.read(limit)).mean())

    def read_apart(self, limit: int | None) -> np.ndarray:
        """(n,) tokens of the rows, where each text is cut at ``limit`` tokens for itself."""
        cut = self.lengths if limit is None else np.minimum(self.lengths, limit)
        return np.asarray(cut.sum(axis=1))


@dataclass(frozen=True)
class Estimate:
    """What a run will cost, before it starts."""

    seconds: float
    memory_bytes: int
    notes: list[str] = field(default_factory=list)
    """What else to know before the start, in plain words."""
    training: float = 0.0
    """How many of the seconds pass in epochs; with ``scoring`` what grows with the data."""
    scoring: float = 0.0
    """How many of them in reading dev and test before the first epoch and after the last."""
    cut_share: float = 0.0
    """Share of the training texts that are longer than the option ``max_length`` and would be cut."""


class Method(Protocol):
    """One way to make a model. Registered in ``core.methods`` under ``name``."""

    name: ClassVar[str]
    title: ClassVar[str]
    """Plain words for the method card."""
    summary: ClassVar[str]
    """What it is good for and what quality to expect, one or two sentences."""
    tasks: ClassVar[frozenset[str]]
    """Names of the tasks it can do."""
    needs_base: ClassVar[bool]
    resumable: ClassVar[bool]
    """True when the method writes checkpoints."""
    Options: ClassVar[type[MethodOptions]]
    """``options_for`` gives them with the defaults that suit a task."""

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Train on data.train, choose on data.dev, and return the predictor. Raises TrainingError, Stopped."""

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what ``save`` wrote for ``task``."""

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Seconds and memory of this work, by what can be counted; what runs really took is not looked at."""


def idle_options(method: Method, task: str) -> frozenset[str]:
    """Names of the options that would do nothing for a task, as the method's own ``idle`` says; most have none."""
    said: Callable[[str], frozenset[str]] | None = getattr(method, "idle", None)
    return said(task) if said else frozenset()


def check_for(method: Method, options: MethodOptions, task: str) -> None:
    """Let a method look at options once the task is known, as its own ``check`` does; most have none.

    Raises InputError.
    """
    check: Callable[[MethodOptions, str], None] | None = getattr(method, "check", None)
    if check is not None:
        check(options, task)


def options_for(method: Method, task: str) -> type[MethodOptions]:
    """The options of a method for a task: without those that would do nothing, and with the defaults that suit it.

    Those are the method's own, changed by its ``task_defaults``. A record without some of the fields has none of the
    checks that look at several of them: those are made by ``method.Options``.
    """
    changed: dict[str, Any] = getattr(method, "task_defaults", {}).get(task, {})
    idle = idle_options(method, task)
    fields = method.Options.model_fields
    if not changed and not idle:
        return method.Options
    suited: dict[str, Any] = {
        name: (field.annotation, _with_default(field, changed[name]) if name in changed else field)
        for name, field in fields.items()
        if name not in idle and (idle or name in changed)
    }
    made = create_model(method.Options.__name__, __base__=MethodOptions if idle else method.Options, **suited)
    made.SEARCHED = {name: tried for name, tried in method.Options.SEARCHED.items() if name not in idle}
    return made


def _with_default(field: FieldInfo, default: Any) -> FieldInfo:
    changed = copy(field)
    changed.default = default
    return changed
