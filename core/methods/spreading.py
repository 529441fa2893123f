"""Labels spread from a few texts to their neighbours that have none.

Texts are points of a graph in which each is tied to those most like it, and every text takes on what its neighbours
are (Zhou et al. 2004, "Learning with Local and Global Consistency", as scikit-learn's ``LabelSpreading`` does it).
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

NEIGHBOURS = 10
"""Texts that each text is tied to at least. Banking77 with 10 texts a class, MiniLM: 5 to 10 are alike, 20 is worse."""
SHARPNESS = 8
"""Power of the cosine that weighs a tie."""
CLAMPING = 0.9
"""How much a text takes on from its neighbours; 0.8 and 0.95 are alike, 0.99 forgets who was labelled."""
ROUNDS = 30
MEGABYTES = 64
"""Of the distances that are worked out at a time; scikit-learn would take a gigabyte, and is no faster for it."""


def spread(vectors: np.ndarray, targets: np.ndarray, unlabelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(label indices (m,), how sure they are (m,), 0 to 1) of ``unlabelled`` (m, d).

    ``vectors`` (n, d) are the labelled texts, ``targets`` (n,) their label indices, 0 or more; all vectors have length
    1. A text that no labelled one reaches has a sureness of 0.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading

    every = np.concatenate([vectors, unlabelled])
    known = np.concatenate([targets, np.full(len(unlabelled), -1)])
    model = LabelSpreading(kernel=_ties, alpha=CLAMPING, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last rounds change little and no decision
        model.fit(every, known)
    shares = np.nan_to_num(model.label_distributions_[len(targets) :])
    return model.classes_[shares.argmax(axis=1)], shares.max(axis=1)


def _ties(vectors: np.ndarray, others: Any = None) -> Any:
    """Weights of the graph (n, n) as a sparse matrix: cosines of neighbours, in both directions alike."""
    from sklearn import config_context
    from sklearn.neighbors import kneighbors_graph

    count = min(NEIGHBOURS, len(vectors) - 1)
    with config_context(working_memory=MEGABYTES):
        ties = kneighbors_graph(vectors, count, mode="distance", metric="cosine")
    ties.data = np.maximum(1.0 - ties.data, 0.0) ** SHARPNESS
    return ties.maximum(ties.T)
