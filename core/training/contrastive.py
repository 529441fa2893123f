"""What turns an encoder into a bi-encoder: both texts through the same weights, losses on their cosines, and a training
loop that keeps the batch whole."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from core.methods.embeddings import pooled
from core.methods.pairs import PairBatches
from core.training.loop import Loop, Tensors

TEMPERATURE = 0.07
"""Divides cosines before the softmax of ``LabelLoss``; the value of its authors' code."""
SCALE = 20.0
"""Factor on cosines before the softmax; the value of sentence-transformers, a temperature of 0.05."""


SECOND = "second_"
"""In front of the names of what belongs to the second texts."""


class TwoTexts(torch.nn.Module):
    """One encoder for both texts, as the training loop calls it."""

    def __init__(self, encoder: torch.nn.Module, pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """``logits``: unit vectors of the first texts, then of the second ones if any, (firsts + seconds, d)."""
        second = {name.removeprefix(SECOND): inputs.pop(name) for name in list(inputs) if name.startswith(SECOND)}
        sides = [self._vectors(side) for side in (inputs, second) if side]
        return SimpleNamespace(logits=torch.cat(sides))

    def _vectors(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        hidden = self.encoder(**inputs).last_hidden_state  # (B, T, d)
        return torch.as_tensor(pooled(hidden, inputs.get("attention_mask"), self.pooling))


class PairLoop(Loop):
    """The training loop where the rows of a batch are each other's counter-examples: its parts are learned from as one.

    All texts are read part by part without gradients; the loss of the whole batch gives the gradients of their vectors;
    with those they are read part by part again (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under
    Memory Limited Setup", GradCache).
    """

    def _part_by_part(self, rows: np.ndarray, whole: int) -> float:
        if self.state.parts == 1 or not getattr(self.loss, "joint", False):
            return super()._part_by_part(rows, whole)
        inputs = {name: torch.from_numpy(array).to(self.device) for name, array in self.data.batch(rows).items()}
        parts = [part for side in _sides(inputs) for part in _parts(side, self.state.parts)]
        found, again = [], []
        with torch.no_grad():
            for part in parts:
                again.append(self._same_draws())
                found.append(self._forward(part))
        vectors = torch.cat(found).requires_grad_()
        loss = self.loss(vectors, self.targets.take(rows).to(self.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(value)
        gradients = torch.autograd.grad(loss, vectors)[0].split([len(one) for one in found])
        for part, draws, gradient in zip(parts, again, gradients, strict=True):
            with draws:
                self._forward(part).backward(gradient)
        return value

    def _same_draws(self) -> AbstractContextManager[None]:
        """Around a repetition of what is computed next: the same signals are dropped."""
        _, masks = self.masks.twice()
        host = torch.get_rng_state()
        device = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None

        @contextmanager
        def again() -> Iterator[None]:
            torch.set_rng_state(host)
            if device is not None:
                torch.cuda.set_rng_state(device, self.device)
            with masks:
                yield

        return again()


def _sides(inputs: Tensors) -> list[Tensors]:
    """Inputs of the first texts, and of the second ones, each named as an encoder takes them."""
    second = {name.removeprefix(SECOND): tensor for name, tensor in inputs.items() if name.startswith(SECOND)}
    return [{name: tensor for name, tensor in inputs.items() if not name.startswith(SECOND)}, second]


def _parts(inputs: Tensors, count: int) -> list[Tensors]:
    """The rows of some inputs in ``count`` parts, or one a row where there are fewer."""
    split = {name: tensor.tensor_split(min(count, len(tensor))) for name, tensor in inputs.items()}
    return [dict(zip(split, part, strict=True)) for part in zip(*split.values(), strict=True)]


@dataclass
class RankingLoss:
    """Multiple negatives ranking: each first text has to find its own second text among those of the batch.

    Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply", section 4; the same form
    as InfoNCE (van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding").
    """

    batches: PairBatches
    scale: float = SCALE
    joint = True
    """The rows of a batch cannot be learned from by themselves."""

    def __call__(self, vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy over ``rows`` (B,); ``vectors`` (B + candidates, d) are of unit length."""
        pairs, numbers = self.batches.pairs, rows.cpu().numpy()
        kept = self.batches.rows[numbers]
        candidates = self.batches.candidates(numbers)
        own = np.searchsorted(candidates, pairs.second[kept])
        hidden = pairs.together(pairs.first[kept], candidates)  # (B, candidates): no counter-examples
        hidden[np.arange(len(own)), own] = False
        scores = self.scale * vectors[: len(own)] @ vectors[len(own) :].T
        scores = scores.masked_fill(torch.from_numpy(hidden).to(scores.device), float("-inf"))
        return torch.nn.functional.cross_entropy(scores, torch.from_numpy(own).to(scores.device))


@dataclass
class GradeLoss:
    """Graded pairs: the cosines have to be in the order of the grades, or equal to them.

    ``ordered`` is CoSENT (Su 2022, kexue.fm/archives/8847; CoSENTLoss of sentence-transformers); otherwise the squared
    distance of cosine and grade (Reimers & Gurevych 2019, "Sentence-BERT", regression objective).
    """

    batches: PairBatches
    ordered: bool = True
    scale: float = SCALE

    @property
    def joint(self) -> bool:
        """Whether the rows of a batch cannot be learned from by themselves."""
        return self.ordered

    def __call__(self, vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Loss of ``rows`` (B,); ``vectors`` (B + candidates, d) are of unit length."""
        pairs, numbers = self.batches.pairs, rows.cpu().numpy()
        kept = self.batches.rows[numbers]
        own = np.searchsorted(self.batches.candidates(numbers), pairs.second[kept])
        second = vectors[len(kept) :][torch.from_numpy(own).to(vectors.device)]
        cosines = (vectors[: len(kept)] * second).sum(1)  # (B,)
        grade = torch.from_numpy(pairs.grade[kept]).to(vectors.device)
        if not self.ordered:
            return torch.nn.functional.mse_loss(cosines, grade)
        wrong = self.scale * (cosines[None, :] - cosines[:, None])  # (B, B): positive where j lies above i
        wrong = wrong[grade[:, None] > grade[None, :]]
        return torch.logsumexp(torch.cat([wrong.new_zeros(1), wrong]), 0)


@dataclass
class LabelLoss:
    """Supervised contrast: each text of a batch has to find those that share its labels among all the others.

    Khosla et al. 2020, "Supervised Contrastive Learning", the loss with the sum outside of the logarithm; a text counts
    by the share of labels that both have (Jaccard), which is 1 or 0 where a text has one label.
    """

    batches: PairBatches
    has: np.ndarray
    """(texts, labels) bool; first and second texts of the pairs are the same list."""
    temperature: float = TEMPERATURE
    joint = True
    """The rows of a batch cannot be learned from by themselves."""

    def __call__(self, vectors: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Mean over the texts of ``rows`` (B,); ``vectors`` (B + candidates, d) are of unit length."""
        numbers = rows.cpu().numpy()
        texts = np.concatenate([self.batches.pairs.first[self.batches.rows[numbers]], self.batches.candidates(numbers)])
        has = torch.from_numpy(self.has[texts].astype(np.float32)).to(vectors.device)
        common = has @ has.T
        alike = common / (has.sum(1)[:, None] + has.sum(1)[None, :] - common)
        number = torch.from_numpy(texts).to(vectors.device)
        itself = number[:, None] == number[None, :]
        alike = alike.masked_fill(itself, 0.0)
        said = (vectors @ vectors.T / self.temperature).masked_fill(itself, float("-inf")).log_softmax(1)
        found = alike.sum(1) > 0
        if not found.any():  # nothing to find; still a loss that gradients can be asked of
            return vectors.sum() * 0.0
        each = (alike * said.masked_fill(itself, 0.0)).sum(1)[found] / alike.sum(1)[found]
        return -each.mean()
