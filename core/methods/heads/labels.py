"""Heads with a score for each label of a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from core.methods.base import Answers, Rows
from core.methods.heads.base import Head, Loss, Reading, Targets, Weighting
from core.tasks.relation import punctuated

if TYPE_CHECKING:
    import torch


class LabelHead(Head):
    """Exactly one label a row."""

    problem: ClassVar[str | None] = "single_label_classification"

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """Label indices, (n,) int64."""
        import torch

        return Targets(torch.from_numpy(self.task.targets(rows.values, self.labels)))

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Cross entropy."""
        weights = class_weights(targets.every, len(self.labels)) if weighting.balanced else None
        return cross_entropy(weighting, weights, device)

    def scores(self, logits: torch.Tensor) -> np.ndarray:
        """Probabilities, (n, len(labels)) float32."""
        found: np.ndarray = logits.softmax(-1).numpy()
        return found

    def answers(self, logits: torch.Tensor, reading: Reading) -> Answers:
        """The most probable label."""
        scores = self.scores(logits)
        values = self.task.predictions(scores, self.labels) if len(scores) else []
        return Answers(values, scores.max(axis=1, initial=0.0), scores)


class RelationHead(LabelHead):
    """The relation between two marked entities."""

    def read(self, tokenizer: Any, texts: Sequence[str], texts_b: Sequence[str] | None, limit: int) -> Reading:
        """Tokens of each text, its markers as signs that the encoder knows."""
        return super().read(tokenizer, [punctuated(text) for text in texts], texts_b, limit)


class MultiLabelHead(LabelHead):
    """Any number of labels a row."""

    problem: ClassVar[str | None] = "multi_label_classification"

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """(n, len(labels)) float32, 1 where a row has the label."""
        import torch

        return Targets(torch.from_numpy(self.task.targets(rows.values, self.labels)).float())

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Binary cross entropy; balanced, a label's positive rows count as much as its negative ones."""
        import torch

        weights = None
        if weighting.balanced:
            positive = targets.every.sum(0).clamp(min=1)
            weights = ((len(targets.every) - positive).clamp(min=1) / positive).to(device)
        measure = torch.nn.BCEWithLogitsLoss(pos_weight=weights, reduction="none")

        def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            losses = measure(logits, wanted * (1 - weighting.smoothing) + weighting.smoothing / 2)
            if weighting.focal:
                right = torch.where(wanted > 0.5, logits, -logits).sigmoid()
                losses = losses * (1 - right) ** weighting.focal
            return losses.mean()

        return loss

    def divergence(self, first: torch.Tensor, second: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Each label is a decision of its own."""
        a, b = first.sigmoid(), second.sigmoid()
        return ((a - b) * (first - second)).sum(-1).mean() / 2

    def scores(self, logits: torch.Tensor) -> np.ndarray:
        """Probability of each label by itself, (n, len(labels)) float32."""
        found: np.ndarray = logits.sigmoid().numpy()
        return found


def cross_entropy(weighting: Weighting, weights: torch.Tensor | None, device: str, ignored: int = -100) -> Loss:
    """Mean cross entropy over (n, classes) logits; ``weights`` (classes,) are those of the classes."""
    from torch.nn import functional

    scale = None if weights is None else weights.to(device)
    how: dict[str, Any] = {"ignore_index": ignored, "label_smoothing": weighting.smoothing}

    def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        if not weighting.focal:
            return functional.cross_entropy(logits, wanted, weight=scale, **how)
        kept = wanted != ignored
        logits, wanted = logits[kept], wanted[kept]
        right = logits.softmax(-1).gather(-1, wanted[:, None])[:, 0]
        losses = functional.cross_entropy(logits, wanted, weight=scale, reduction="none", **how)
        total = (losses.new_ones(len(losses)) if scale is None else scale[wanted]).sum().clamp(min=1e-12)
        return ((1 - right) ** weighting.focal * losses).sum() / total

    return loss


def class_weights(targets: torch.Tensor, classes: int) -> torch.Tensor:
    """(classes,) weights in inverse proportion to the rows of each class (scikit-learn's "balanced")."""
    import torch

    counts = torch.bincount(targets[targets >= 0], minlength=classes).float()
    weights = counts.sum() / ((counts > 0).sum() * counts.clamp(min=1))
    return torch.where(counts > 0, weights, torch.ones(()))
