"""The Head protocol: what a task asks of an encoder. It sits between a task, which knows values, and a method, which
knows weights: which head goes on the encoder, what the model reads and learns from, and what its outputs mean.

A new task of neural methods is one class here and one line in ``core.methods.heads``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.errors import RefusedError
from core.methods.base import Answers, Rows, RunContext, Stopped, TrainingData, Work
from core.methods.encoders import HEAD_NAMES
from core.methods.portions import Portions
from core.methods.tokens import Encoded, encode, sorted_batches
from core.records import Writing
from core.tasks.base import Task

if TYPE_CHECKING:
    import torch

SCORING_TOKENS = 4_096
"""Padded tokens of one batch when scoring."""
SCORING_ROWS = 64
ShouldStop = Callable[[], bool]
Scores = Callable[[Sequence[str], Sequence[str]], np.ndarray]
Loss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Weighting:
    """How much each row says to the loss."""

    balanced: bool = False
    """Rare classes count more."""
    smoothing: float = 0.0
    """Share of each target that is spread over all labels (Szegedy et al. 2016)."""
    focal: float = 0.0
    """Rows that the model is sure of count less, by (1 - p) to this power (Lin et al. 2017)."""


PLAIN = Weighting()


@dataclass(frozen=True)
class Reading:
    """Rows as a model reads them."""

    encoded: Encoded

    @property
    def rows_read(self) -> np.ndarray:
        """(rows of ``encoded``,) int64: which row of the data each belongs to; a long text may have several windows."""
        return np.arange(len(self.encoded))

    @property
    def truncated(self) -> int:
        """Rows of which a part was cut off."""
        return self.encoded.truncated


@dataclass(frozen=True)
class Targets:
    """What is learned from, on the CPU: one entry a row of the reading, in the shape of the head's outputs."""

    every: torch.Tensor
    """(n, ...); or (tokens in all, ...) one after the other where ``offsets`` is set."""
    offsets: np.ndarray | None = None
    """(n + 1,) where the targets of each row begin; None where a row has one."""
    filler: int = -100
    """Target of padding, which no loss counts."""

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """Targets of a batch: (len(rows), ...), padded to the longest row, and to one, where rows have several."""
        import torch

        if self.offsets is None:
            return self.every[rows]
        starts, ends = self.offsets[rows], self.offsets[rows + 1]
        width = max(1, int((ends - starts).max())) if len(rows) else 0
        padded = torch.full((len(rows), width, *self.every.shape[1:]), self.filler, dtype=self.every.dtype)
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            padded[row, : end - start] = self.every[start:end]
        return padded


@dataclass(frozen=True)
class PickedTargets:
    """Targets of chosen rows, which may be chosen more than once."""

    targets: Targets
    rows: np.ndarray

    def take(self, rows: np.ndarray) -> torch.Tensor:
        """As those of the rows themselves."""
        return self.targets.take(self.rows[rows])


def window_tokens(lengths: np.ndarray, limit: int, overlap: int, around: np.ndarray | int = 2) -> np.ndarray:
    """(windows,) tokens of the windows in which texts of ``lengths`` (n,) tokens are read.

    Each has at most ``limit`` tokens, of which ``around`` (n,) are not the text's; it shares ``overlap`` tokens of the
    text with the one before.
    """
    around = np.broadcast_to(around, lengths.shape)
    step = np.maximum(1, limit - around - overlap)
    counts = np.maximum(1, np.ceil((lengths - around - overlap) / step)).astype(int)
    total = lengths + (counts - 1) * (around + overlap)
    return np.repeat(total / counts, counts)


class Head(ABC):
    """Base of the heads: one for a task and its labels."""

    architecture: ClassVar[str] = "AutoModelForSequenceClassification"
    """The class of transformers whose model has this head."""
    peft_task: ClassVar[str] = "SEQ_CLS"
    """Name in peft's ``TaskType``."""
    problem: ClassVar[str | None] = None
    """What config.json calls it, so that plain transformers reads the outputs the same way."""
    by_token: ClassVar[bool] = False
    """True when there is an output for each token, not one for the whole text."""

    fresh: ClassVar[tuple[str, ...]] = HEAD_NAMES
    """Parts of the names of parameters that are new on the base; those learn faster."""
    unheard: ClassVar[frozenset[str]] = frozenset({"tag_scheme"})
    """Options of training that would do nothing for the task."""

    def __init__(self, task: Task, labels: list[str]) -> None:
        self.task = task
        self.labels = labels
        self.portions = Portions()

    @property
    def outputs(self) -> list[str]:
        """Names of the model's outputs in their order, for config.json."""
        return self.labels

    def owns(self, name: str) -> bool:
        """True for the name of a parameter that is new on the base, part of this head."""
        return any(part in name for part in self.fresh)

    def extended(self, data: TrainingData, options: Any, context: RunContext) -> tuple[TrainingData, Any]:
        """(data, options) with the rows that the task makes beside those of the data; most make none."""
        return data, options

    def heed(self, options: Any) -> None:
        """Take from the options of training what the head itself depends on; most depend on none."""
        return

    def remember(self, directory: Path) -> None:
        """Write beside the model what ``recall`` needs; most need nothing."""
        return

    def recall(self, directory: Path) -> Self:
        """This head as it was when it wrote there. Raises ModelError."""
        return self

    def architecture_of(self, folder: Path) -> str:
        """The class of transformers for the model in ``folder``. Raises ModelError for one that cannot do the task."""
        return self.architecture

    def peft_task_of(self, model: Any) -> str:
        """Name in peft's ``TaskType`` for this model."""
        return self.peft_task

    def settle(self, model: Any, tokenizer: Any, reading: Reading | None = None) -> None:
        """Write into a fresh model what it has to remember of the task and of the rows it will learn from."""
        return  # most have nothing to remember

    def read_rows(self, model: Any, tokenizer: Any, rows: Rows, limit: int) -> Reading:
        """Rows with their gold values, for learning and measuring: those of a text to write are read as well."""
        return self.read(tokenizer, rows.texts, rows.texts_b, limit)

    def read(self, tokenizer: Any, texts: Sequence[str], texts_b: Sequence[str] | None, limit: int) -> Reading:
        """Tokens of each row, at most ``limit`` of them."""
        return Reading(encode(tokenizer, texts, texts_b, limit))

    def tokens_read(self, work: Work, limit: int) -> np.ndarray:
        """(n,) how many tokens the rows of ``read`` will have, one entry a window where long texts have several."""
        return work.read(limit)

    @abstractmethod
    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """What is learned from the gold values of the rows."""

    @abstractmethod
    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """From the logits and targets of a batch to a scalar."""

    def divergence(self, first: torch.Tensor, second: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """How far two answers to the same batch are apart: the mean of both Kullback-Leibler divergences, a scalar."""
        import torch

        a, b = first.log_softmax(-1), second.log_softmax(-1)
        apart = ((a.exp() - b.exp()) * (a - b)).sum(-1) / 2  # one for each row, or token
        if apart.shape == targets.shape and not torch.is_floating_point(targets):
            apart = apart[targets >= 0]
        return apart.mean()

    @abstractmethod
    def answers(self, logits: torch.Tensor, reading: Reading) -> Answers:
        """What the outputs of ``run`` say about each row."""

    def logits(self, output: Any) -> torch.Tensor:
        """The outputs of one batch in what the model returns."""
        found: torch.Tensor = output.logits
        return found

    def run(self, model: Any, reading: Reading, device: str, should_stop: ShouldStop | None = None) -> torch.Tensor:
        """Outputs of every row in order, float32 on the CPU: (n, k), or (tokens in all, k) by token. Raises Stopped."""
        import torch

        encoded = reading.encoded
        size = int(encoded.offsets[-1]) if self.by_token else len(encoded)
        found = torch.empty(size, max(1, len(self.outputs)))

        def read(rows: np.ndarray) -> None:
            if should_stop is not None and should_stop():
                raise Stopped
            inputs = {name: torch.from_numpy(array).to(device) for name, array in encoded.batch(rows).items()}
            logits = self.logits(model(**inputs)).float().cpu()
            if not self.by_token:
                found[torch.from_numpy(rows)] = logits
                return
            for row, values in zip(rows, logits, strict=True):
                start, end = encoded.offsets[row], encoded.offsets[row + 1]
                found[start:end] = values[: end - start]

        with torch.inference_mode():
            self.portions.each(sorted_batches(encoded.lengths, SCORING_TOKENS, SCORING_ROWS), read)
        return found

    def say(
        self,
        model: Any,
        tokenizer: Any,
        texts: Sequence[str],
        texts_b: Sequence[str] | None,
        device: str,
        writing: Writing | None = None,
        seconds: float | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Answers:
        """What the model says about each text, or pair; ``writing`` and ``seconds`` are for heads that write."""
        reading = self.read(tokenizer, texts, texts_b, tokenizer.model_max_length)
        return self.answers(self.run(model, reading, device, should_stop), reading)

    def ranking(
        self, scores: Scores, queries: Sequence[str], candidates: Sequence[str], top: int
    ) -> Callable[[slice], np.ndarray]:
        """A function from a slice of the queries to how well the candidates fit them, (rows, candidates).

        ``scores`` are those of the model; it reads the ``top`` candidates of a quick search. Raises RefusedError.
        """
        raise RefusedError("This model does not search: it does not compare two texts.", "Use a model of pairs.")

    def examine(self, model: Any, tokenizer: Any, rows: Rows, device: str) -> dict[str, np.ndarray]:
        """Further numbers of each row beside its answer, (n,) by name; none for most tasks."""
        return {}

    def measure(self, model: Any, reading: Reading, rows: Rows, targets: Targets, device: str) -> dict[str, float]:
        """Dev metrics, the headline first, with ``loss``."""
        model.eval()
        logits = self.run(model, reading, device)
        said = self.answers(logits, reading)
        metrics = self.task.metrics(rows.values, said.values, self.labels, said.scores)
        return {**metrics, "loss": float(self.loss(targets, PLAIN, "cpu")(logits, targets.every))}
