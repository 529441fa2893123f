"""Labels that spread over a graph of neighbours."""

import numpy as np

from core.methods.spreading import spread


def ring(angles: np.ndarray) -> np.ndarray:
    """Unit vectors (n, 2)."""
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_labels_travel_along_neighbours_and_not_by_distance() -> None:
    chain = np.linspace(0.0, 2.0, 80)  # no gap wider than 0.03
    other = np.linspace(2.6, 3.0, 20)
    labelled, targets = ring(np.array([0.0, 3.0])), np.array([7, 4])
    found, sureness = spread(labelled, targets, ring(np.concatenate([chain, other])))
    assert set(found[:80]) == {7} and set(found[80:]) == {4}, "the end of the chain is nearer to the other label"
    assert ((sureness >= 0) & (sureness <= 1)).all() and sureness[0] > 0.9


def test_what_no_label_reaches_counts_nothing() -> None:
    near, far = np.linspace(0.0, 0.2, 12), np.linspace(3.0, 3.2, 12)
    found, sureness = spread(ring(np.array([0.0, 0.1])), np.array([0, 1]), ring(np.concatenate([near, far])))
    assert (sureness[:12] > 0).all() and (sureness[12:] == 0).all() and set(found) <= {0, 1}


def test_a_few_texts_are_enough() -> None:
    found, sureness = spread(ring(np.array([0.0, 1.5])), np.array([0, 1]), ring(np.array([0.1])))
    assert found.tolist() == [0] and sureness[0] > 0.5
