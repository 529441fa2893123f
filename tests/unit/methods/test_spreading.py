"""Labels that spread over a graph of neighbours."""

import numpy as np
import pytest

from core.methods.base import Stopped
from core.methods.spreading import helps, spread


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


def spiral(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (2 * count, 3) on two bands that wind around a sphere: no plane parts them, neighbours do."""
    random = np.random.default_rng(seed)
    label = np.repeat([0, 1], count)
    height = random.uniform(-0.8, 0.8, len(label))
    turn = height * 9 + label * np.pi
    flat = np.sqrt(1 - height**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1), label


def test_neighbours_help_where_labels_lie_in_bands() -> None:
    vectors, targets = spiral(40, 0)
    assert helps(vectors, targets, spiral(500, 1)[0], seed=0)


def test_neighbours_do_not_help_where_they_differ_in_something_else() -> None:
    random = np.random.default_rng(0)
    topic, mood = random.normal(size=(440, 6)) * 3, random.choice([-1.0, 1.0], 440)
    vectors = np.concatenate([topic, mood[:, None] * 2], axis=1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert not helps(vectors[:80], (mood[:80] > 0).astype(int), vectors[80:], seed=0)


def test_what_cannot_be_asked_is_not_believed() -> None:
    vectors, targets = spiral(20, 0)
    others = spiral(200, 1)[0]
    assert not helps(vectors[[0, 20]], targets[[0, 20]], others, seed=0), "one text a label"
    assert not helps(vectors[:20], targets[:20], others, seed=0), "one label"
    with pytest.raises(Stopped):
        helps(vectors, targets, others, seed=0, should_stop=lambda: True)
