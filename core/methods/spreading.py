"""Labels spread from a few texts to their neighbours that have none.

Texts are points of a graph in which each is tied to those most like it, and every text takes on what its neighbours
are (Zhou et al. 2004, "Learning with Local and Global Consistency", as scikit-learn's ``LabelSpreading`` does it).
Where neighbours are alike in something else than the label (the topic, where the label is a mood) this does great harm,
so ``helps`` asks the labelled texts first.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from core.methods.base import Stopped

NEIGHBOURS = 10
"""Texts that each text is tied to at least. Banking77 with 10 texts a class, MiniLM: 5 to 10 are alike, 20 is worse."""
SHARPNESS = 8
"""Power of the cosine that weighs a tie."""
CLAMPING = 0.9
"""How much a text takes on from its neighbours; 0.8 and 0.95 are alike, 0.99 forgets who was labelled."""
ROUNDS = 30
MEGABYTES = 64
"""Of the distances that are worked out at a time; scikit-learn would take a gigabyte, and is no faster for it."""
FOLDS = 5


def spread(vectors: np.ndarray, targets: np.ndarray, unlabelled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(label indices (m,), how sure they are (m,), 0 to 1) of ``unlabelled`` (m, d).

    ``vectors`` (n, d) are the labelled texts, ``targets`` (n,) their label indices, 0 or more; all vectors have length
    1. A text that no labelled one reaches has a sureness of 0.
    """
    known = np.concatenate([targets, np.full(len(unlabelled), -1)])
    found, sureness = _spread(_ties(np.concatenate([vectors, unlabelled])), known)
    return found[len(targets) :], sureness[len(targets) :]


def helps(
    vectors: np.ndarray,
    targets: np.ndarray,
    unlabelled: np.ndarray,
    seed: int,
    should_stop: Callable[[], bool] | None = None,
) -> bool:
    """Whether labelled texts are clearly more often told right by their neighbours than by a logistic regression.

    Arguments as those of ``spread``. Each fifth of the labelled texts is told by the others; clearly means by more than
    one standard deviation of chance (McNemar 1947). The vectors must not have learned from these labels. Banking77 with
    10 texts a class: yes (51 texts won, 31 lost; 2 to 4 points on others); twitter_financial_news and clinc150: no (8
    won, 12 lost; up to 16 points lost). Raises Stopped.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, int(np.bincount(targets).max(initial=0)))
    if folds < 2 or len(np.unique(targets)) < 2:
        return False
    graph = _ties(np.concatenate([vectors, unlabelled]))
    won = lost = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels with fewer texts than folds
        parts = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(vectors, targets))
    for told, asked in parts:
        if should_stop is not None and should_stop():
            raise Stopped
        if len(np.unique(targets[told])) < 2:
            continue
        known = np.full(graph.shape[0], -1)
        known[told] = targets[told]
        neighbours = _spread(graph, known)[0][asked] == targets[asked]
        plain = LogisticRegression(C=10.0, max_iter=500).fit(vectors[told], targets[told])
        alone = plain.predict(vectors[asked]) == targets[asked]
        won += int((neighbours & ~alone).sum())
        lost += int((alone & ~neighbours).sum())
    return bool(won - lost > (won + lost) ** 0.5)


def _spread(graph: Any, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(label indices (n,), how sure they are (n,)) of the points of a graph; ``known`` (n,) is -1 where nothing is."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.semi_supervised import LabelSpreading

    model = LabelSpreading(kernel=lambda *_: graph, alpha=CLAMPING, max_iter=ROUNDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last rounds change little and no decision
        model.fit(np.zeros((len(known), 1)), known)
    shares = np.nan_to_num(model.label_distributions_)
    return model.classes_[shares.argmax(axis=1)], shares.max(axis=1)


def _ties(vectors: np.ndarray) -> Any:
    """Weights of the graph (n, n) as a sparse matrix: cosines of neighbours, in both directions alike."""
    from sklearn import config_context
    from sklearn.neighbors import kneighbors_graph

    count = min(NEIGHBOURS, len(vectors) - 1)
    with config_context(working_memory=MEGABYTES):
        ties = kneighbors_graph(vectors, count, mode="distance", metric="cosine")
    ties.data = np.maximum(1.0 - ties.data, 0.0) ** SHARPNESS
    return ties.maximum(ties.T)
