"""What turns an encoder into a bi-encoder: both texts through the same weights, and losses on their cosines."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import torch

from core.methods.embeddings import pooled
from core.methods.pairs import PairBatches

SCALE = 20.0
"""Factor on cosines before the softmax; the value of sentence-transformers, a temperature of 0.05."""


class TwoTexts(torch.nn.Module):
    """One encoder for both texts, as the training loop calls it."""

    def __init__(self, encoder: torch.nn.Module, pooling: str) -> None:
        super().__init__()
        self.encoder = encoder
        self.pooling = pooling

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        """``logits``: unit vectors of the first texts, then of the second ones, (firsts + seconds, d)."""
        second = {name.removeprefix("second_"): inputs.pop(name) for name in list(inputs) if name.startswith("second_")}
        return SimpleNamespace(logits=torch.cat([self._vectors(inputs), self._vectors(second)]))

    def _vectors(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        hidden = self.encoder(**inputs).last_hidden_state  # (B, T, d)
        return torch.as_tensor(pooled(hidden, inputs.get("attention_mask"), self.pooling))


@dataclass
class RankingLoss:
    """Multiple negatives ranking: each first text has to find its own second text among those of the batch.

    Henderson et al. 2017, "Efficient Natural Language Response Suggestion for Smart Reply", section 4; the same form
    as InfoNCE (van den Oord et al. 2018, "Representation Learning with Contrastive Predictive Coding").
    """

    batches: PairBatches
    scale: float = SCALE

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
