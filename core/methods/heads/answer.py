"""The head of questions about a text: where the answer starts and ends, and how probable it is that there is none.

The question is read before each window of the context (Devlin et al. 2019, "BERT", sections 4.2 and 4.3). The first
token stands for "no answer here".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.methods.base import Answers, Rows, Work
from core.methods.heads.base import PLAIN, Head, Loss, Reading, Targets, Weighting, window_tokens
from core.methods.heads.labels import class_weights
from core.methods.tokens import CHUNK, Encoded
from core.tasks.answers import Answer, answer_at
from core.tasks.base import Declining
from core.tasks.question_answering import chances

if TYPE_CHECKING:
    import torch

LONGEST_QUESTION = 64
"""Tokens of a question; what is beyond is cut off, as BERT's own script does."""
OVERLAP = 128
"""Tokens that a window shares with the one before it, where there is room for so many."""
LONGEST_ANSWER = 100
"""Tokens of an answer."""
WINDOWS = 256
"""Windows whose loss is worked out at a time."""
IGNORED = -100.0
START, END, NOTHING = range(3)
"""Columns of the targets: the token is the start, the end, the place that stands for no answer."""
LOW = -1e4


@dataclass(frozen=True)
class Windows(Reading):
    """Windows of contexts, each after its question."""

    contexts: list[str]
    owners: np.ndarray
    """(windows,) int64: the row that each window belongs to."""
    spots: np.ndarray
    """(tokens in all, 2) int64: start and end of each token in its context; (-1, -1) for tokens of no context."""
    firsts: np.ndarray
    """(windows,) int64: the place in its window of the token that stands for no answer."""

    @property
    def rows_read(self) -> np.ndarray:
        """(windows,) int64: the row that each window belongs to."""
        return self.owners


class AnswerHead(Head):
    """Start and end of the answer."""

    architecture: ClassVar[str] = "AutoModelForQuestionAnswering"
    peft_task: ClassVar[str] = "QUESTION_ANS"
    by_token: ClassVar[bool] = True

    @property
    def outputs(self) -> list[str]:
        """What the two outputs of a token are."""
        return ["start", "end"]

    def logits(self, output: Any) -> torch.Tensor:
        """Both outputs of each token, (rows, tokens, 2)."""
        import torch

        return torch.stack([output.start_logits, output.end_logits], dim=-1)

    # ------------------------------------------------------------ reading

    def tokens_read(self, work: Work, limit: int) -> np.ndarray:
        """(windows,) tokens of the windows, each with its question."""
        longest = min(LONGEST_QUESTION, limit // 2)
        asked = np.minimum(work.lengths[:, 1], longest + 2)
        return window_tokens(work.lengths[:, 0] + asked - 1, limit, min(OVERLAP, (limit - longest - 3) // 2), asked + 1)

    def read(self, tokenizer: Any, texts: Sequence[str], texts_b: Sequence[str] | None, limit: int) -> Windows:
        """Windows of at most ``limit`` tokens; a context that fits into one has one."""
        questions = list(texts_b or [""] * len(texts))
        ids: list[np.ndarray] = []
        types: list[np.ndarray] = []
        spots: list[np.ndarray] = []
        owners: list[int] = []
        firsts: list[int] = []
        cut = 0
        with_types = "token_type_ids" in tokenizer.model_input_names
        longest = min(LONGEST_QUESTION, limit // 2)
        room = limit - longest - tokenizer.num_special_tokens_to_add(pair=True)
        for start in range(0, len(texts), CHUNK):
            asked, shortened = _shortened(tokenizer, questions[start : start + CHUNK], longest)
            cut += shortened
            out = tokenizer(
                asked,
                list(texts[start : start + CHUNK]),
                truncation="only_second",
                max_length=limit,
                stride=max(0, min(OVERLAP, room // 2)),
                return_overflowing_tokens=True,
                return_offsets_mapping=True,
                return_attention_mask=False,
                return_token_type_ids=with_types,
            )
            for window, row in enumerate(out["overflow_to_sample_mapping"]):
                # Without a token, as tokenizers that put nothing around a text have it, there is one of padding.
                tokens = np.asarray(out["input_ids"][window] or [tokenizer.pad_token_id or 0], dtype=np.int32)
                within = np.array([part == 1 for part in out.sequence_ids(window)] or [False])
                places = np.asarray(out["offset_mapping"][window] or [(0, 0)], dtype=np.int64).reshape(-1, 2)
                within &= places[:, 1] > places[:, 0]
                ids.append(tokens)
                spots.append(np.where(within[:, None], places, -1))
                owners.append(start + row)
                first = np.flatnonzero(tokens == tokenizer.cls_token_id)
                firsts.append(int(first[0]) if len(first) else 0)
                if with_types:
                    types.append(np.asarray(out["token_type_ids"][window] or [0], dtype=np.int8))
        encoded = Encoded(
            ids=np.concatenate(ids) if ids else np.zeros(0, np.int32),
            types=np.concatenate(types) if types else None,
            offsets=np.concatenate([[0], np.cumsum([len(window) for window in ids], dtype=np.int64)]),
            pad_id=int(tokenizer.pad_token_id or 0),
            truncated=cut,
        )
        flat = np.concatenate(spots) if spots else np.zeros((0, 2), np.int64)
        return Windows(encoded, list(texts), np.array(owners, np.int64), flat, np.array(firsts, np.int64))

    # ------------------------------------------------------------ learning

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """(tokens in all, 3) float32: 1 at the start, the end, and the place of no answer; -100 where none can be.

        A window learns the first accepted answer that it holds as a whole; without one, that there is no answer.
        """
        import torch

        read = _windows(reading)
        bounds = read.encoded.offsets
        flat = np.where(read.spots[:, :1] >= 0, 0.0, IGNORED).repeat(3, axis=1).astype(np.float32)
        for window, row in enumerate(read.owners.tolist()):
            begin, end = int(bounds[window]), int(bounds[window + 1])
            first = begin + int(read.firsts[window])
            flat[first] = (0.0, 0.0, 1.0)
            held = _held(read.spots[begin:end], rows.values[row] or ())
            start, stop = (begin + held[0], begin + held[1]) if held else (first, first)
            flat[start, START] = flat[stop, END] = 1.0
        return Targets(torch.from_numpy(flat), bounds, int(IGNORED))

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Mean cross entropy of start and end over the tokens of a window that can be one.

        Balanced, windows with an answer count together as much as those without one.
        """
        import torch

        weights = torch.ones(2)
        if weighting.balanced:
            starts = targets.every[targets.every[:, START] == 1]  # one token of each window
            weights = class_weights((starts[:, NOTHING] == 0).long(), 2)
        weights = weights.to(device)

        def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            possible = wanted[..., NOTHING] != IGNORED  # (windows, tokens)
            sides = wanted[..., :NOTHING].clamp(min=0)  # (windows, tokens, 2)
            chances = logits.masked_fill(~possible[..., None], LOW).log_softmax(1)
            spread = possible[..., None] / possible.sum(1)[:, None, None]
            share = sides * (1 - weighting.smoothing) + spread * weighting.smoothing
            each = -(share * chances).sum(1)  # (windows, 2)
            if weighting.focal:
                each = each * (1 - (sides * chances.exp()).sum(1)) ** weighting.focal
            answered = 1 - (sides[..., START] * wanted[..., NOTHING].clamp(min=0)).sum(1)
            scale = weights[answered.round().long()]
            found: torch.Tensor = (each.mean(1) * scale).sum() / scale.sum()
            return found

        return loss

    def divergence(self, first: torch.Tensor, second: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """How far two answers to the same windows are apart: over their tokens, for start and end."""
        possible = (targets[..., NOTHING] != IGNORED)[..., None]
        a, b = (side.masked_fill(~possible, LOW).log_softmax(1) for side in (first, second))
        return ((a.exp() - b.exp()) * (a - b)).sum(1).mean() / 2

    def measure(self, model: Any, reading: Reading, rows: Rows, targets: Targets, device: str) -> dict[str, float]:
        """Dev metrics with the threshold that suits this very split, as the finished model will have it."""
        model.eval()
        logits = self.run(model, reading, device)
        said = self.answers(logits, reading)
        values = said.values
        if isinstance(self.task, Declining):
            decision = self.task.threshold(rows.values, said, self.labels)
            values = self.task.decline(said, self.labels, decision).values
        return {**self.task.metrics(rows.values, values, self.labels), "loss": self._mean_loss(logits, targets)}

    def _mean_loss(self, logits: torch.Tensor, targets: Targets) -> float:
        loss, given = self.loss(targets, PLAIN, "cpu"), Targets(logits, targets.offsets, 0)
        count = len(targets.offsets) - 1 if targets.offsets is not None else 0
        parts = [np.arange(start, min(count, start + WINDOWS)) for start in range(0, count, WINDOWS)]
        return sum(float(loss(given.take(part), targets.take(part))) * len(part) for part in parts) / max(1, count)

    # ------------------------------------------------------------ answering

    def answers(self, logits: torch.Tensor, reading: Reading) -> Answers:
        """The best span of all windows of each row, with the probabilities that there is an answer, and none.

        A span scores the sum of the logits of its ends, no answer that of the first token in the window that is least
        in favour of it; their difference is what the threshold of "no answer" is about. How sure the model is of a
        span is the product of the probabilities of its ends within its window.
        """
        read, raw = _windows(reading), logits.numpy().astype(np.float64)
        rows = len(read.contexts)
        best, nothing = np.full(rows, -np.inf), np.full(rows, np.inf)
        values: list[list[Answer]] = [[] for _ in range(rows)]
        confidence = np.zeros(rows, np.float32)
        for window, row in enumerate(read.owners.tolist()):
            begin, end = int(read.encoded.offsets[window]), int(read.encoded.offsets[window + 1])
            own, spots, first = raw[begin:end], read.spots[begin:end], int(read.firsts[window])
            nothing[row] = min(nothing[row], own[first].sum())
            found = best_span(own, spots[:, 0] >= 0)
            if found is None or found[2] <= best[row]:
                continue
            start, stop, best[row] = found
            answer = answer_at(read.contexts[row], int(spots[start, 0]), int(spots[stop, 1]))
            values[row] = [answer] if answer["text"] else []
            ends = _chances(own, (spots[:, 0] >= 0) | (np.arange(len(spots)) == first))
            confidence[row] = ends[start, START] * ends[stop, END]
        there = np.where([bool(value) for value in values], 1 / (1 + np.exp(np.clip(nothing - best, -50, 50))), 0.0)
        return Answers(values, confidence, chances(there, self.labels))


def best_span(logits: np.ndarray, possible: np.ndarray) -> tuple[int, int, float] | None:
    """(start, end, score) of the span of tokens whose ends have the highest sum; None where there can be none.

    ``logits`` is (tokens, 2), ``possible`` (tokens,) bool; a span has at most ``LONGEST_ANSWER`` tokens.
    """
    if not possible.any():
        return None
    starts, ends = (np.where(possible, logits[:, side], -np.inf) for side in (START, END))
    padded = np.concatenate([ends, np.full(LONGEST_ANSWER - 1, -np.inf)])
    reach = np.lib.stride_tricks.sliding_window_view(padded, LONGEST_ANSWER)  # (tokens, ends from there on)
    total = starts + reach.max(axis=1)
    start = int(total.argmax())
    return start, start + int(reach[start].argmax()), float(total[start])


def _held(spots: np.ndarray, answers: Sequence[Answer]) -> tuple[int, int] | None:
    """First and last token (in the window) of the first answer that the window holds; ``spots`` is (tokens, 2)."""
    there = np.flatnonzero(spots[:, 0] >= 0)
    if not len(there):
        return None
    for answer in answers:
        if spots[there[0], 0] <= answer["start"] and answer["end"] <= spots[there[-1], 1]:
            within = there[(spots[there, 1] > answer["start"]) & (spots[there, 0] < answer["end"])]
            if len(within):
                return int(within[0]), int(within[-1])
    return None


def _shortened(tokenizer: Any, questions: list[str], longest: int) -> tuple[list[str], int]:
    """Questions of at most ``longest`` tokens, and how many had more."""
    out = tokenizer(
        questions, add_special_tokens=False, return_offsets_mapping=True, return_attention_mask=False, verbose=False
    )
    long = [row for row, tokens in enumerate(out["input_ids"]) if len(tokens) > longest]
    for row in long:
        questions[row] = questions[row][: out["offset_mapping"][row][longest - 1][1]]
    return questions, len(long)


def _chances(logits: np.ndarray, possible: np.ndarray) -> np.ndarray:
    """(tokens, 2) probabilities of being the start and the end among the possible tokens."""
    kept = np.where(possible[:, None], logits, -np.inf)
    chances = np.exp(kept - kept.max(axis=0))
    found: np.ndarray = chances / chances.sum(axis=0)
    return found


def _windows(reading: Reading) -> Windows:
    if not isinstance(reading, Windows):
        raise TypeError("the reading of another head")
    return reading
