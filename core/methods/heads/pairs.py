"""The head of two texts read together: how likely they are a match."""

from __future__ import annotations

import numpy as np

from core.methods.base import Rows
from core.methods.heads.base import Loss, Reading, Targets, Weighting
from core.methods.heads.labels import LabelHead
from core.tasks.pair import MATCH, grades


class PairHead(LabelHead):
    """Match or no match; a grade is that share of a match."""

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """(n, 2) float32: how much each row is of each label."""
        import torch

        match = grades(rows.values)
        columns = [match if label == MATCH else 1 - match for label in self.labels]
        return Targets(torch.from_numpy(np.stack(columns, axis=1).reshape(len(rows), len(self.labels))))

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Cross entropy with shares: for two labels the same as binary cross entropy on the grade."""
        import torch

        weights = torch.ones(len(self.labels))
        if weighting.balanced:
            total = targets.every.sum(0)
            weights = torch.where(total > 0, total.sum() / (2 * total.clamp(min=1e-6)), weights)
        return torch.nn.CrossEntropyLoss(weight=weights.to(device), label_smoothing=weighting.smoothing)
