"""The head of two texts read together: how likely they are a match."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from core.methods.base import Rows, RunContext, TrainingData
from core.methods.counter_examples import by_words, with_others
from core.methods.heads.base import Loss, Reading, Scores, Targets, Weighting
from core.methods.heads.labels import LabelHead
from core.tasks.pair import MATCH, grades


class PairHead(LabelHead):
    """Match or no match; a grade is that share of a match."""

    def extended(self, data: TrainingData, options: Any, context: RunContext) -> tuple[TrainingData, Any]:
        """With counter-examples: as many a match as the options say, or some where the data has none."""
        context.progress(0, 1, "looking for counter-examples")
        count = getattr(options, "negatives", None)
        train = with_others(data.train, count, options.seed)
        dev = with_others(data.dev, count, options.seed, beside=[data.train])
        if len(train) > len(data.train):
            # As many of both kinds in the loss, or a probability would only say how many were made.
            options = options.model_copy(update={"class_weights": True})
        return replace(data, train=train, dev=dev), options

    def targets(self, rows: Rows, reading: Reading) -> Targets:
        """(n, 2) float32: how much each row is of each label."""
        import torch

        match = grades(rows.values)
        columns = [match if label == MATCH else 1 - match for label in self.labels]
        return Targets(torch.from_numpy(np.stack(columns, axis=1).reshape(len(rows), len(self.labels))))

    def loss(self, targets: Targets, weighting: Weighting, device: str) -> Loss:
        """Cross entropy with shares: for two labels the same as binary cross entropy on the grade.

        Focal, a pair counts less the closer its probability is to the grade (Li et al. 2020, "Generalized Focal Loss",
        section 3.2).
        """
        import torch

        weights = torch.ones(len(self.labels))
        if weighting.balanced:
            total = targets.every.sum(0)
            weights = torch.where(total > 0, total.sum() / (2 * total.clamp(min=1e-6)), weights)
        measure = torch.nn.CrossEntropyLoss(
            weight=weights.to(device), label_smoothing=weighting.smoothing, reduction="none"
        )

        def loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            each: torch.Tensor = measure(logits, wanted)
            if weighting.focal:
                off = (wanted - logits.softmax(-1)).abs().amax(-1)  # the same for both labels
                each = each * off**weighting.focal
            return each.mean()

        return loss

    def ranking(
        self, scores: Scores, queries: Sequence[str], candidates: Sequence[str], top: int
    ) -> Callable[[slice], np.ndarray]:
        """The best ``top`` candidates by TF-IDF have 1 + their probability of a match, the others their cosine."""
        quick = by_words(queries, candidates)
        most, match = min(top, len(candidates)), self.labels.index(MATCH)

        def found(rows: slice) -> np.ndarray:
            close = quick(rows)
            best = np.argsort(-close, axis=1, kind="stable")[:, :most]  # (rows, most)
            first = [text for text in queries[rows] for _ in range(most)]
            second = [candidates[column] for line in best for column in line]
            read = scores(first, second)[:, match].reshape(best.shape)
            np.put_along_axis(close, best, 1.0 + read, axis=1)
            return close

        return found
