"""Vectors of words by a frozen encoder: one a word, also in long texts and for words without a token."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.methods.base import Stopped
from core.methods.word_vectors import WordReader


def test_every_word_has_a_vector(tiny: Path) -> None:
    reader = WordReader(tiny)
    texts = ["hello there my parcel", "", "money", "hello there"]
    found = reader.vectors(texts)
    assert [len(vectors) for vectors in found] == [4, 0, 1, 2] and found[1].shape == (0, 32)
    assert np.allclose(found[0].mean(axis=1), 0, atol=1e-5) and np.allclose(found[0].std(axis=1), 1, atol=1e-3)
    alone = reader.vectors(["hello there"])[0]
    assert np.allclose(alone, found[3], atol=1e-5), "the same whatever stands beside it in a batch"
    assert not np.allclose(found[0][:2], found[3]), "and another in other company"


def test_a_long_text_is_read_in_windows(tiny: Path) -> None:
    text = "hello there is my parcel late today " * 8
    found = WordReader(tiny, max_length=16).vectors([text])[0]
    assert len(found) == 56 and (np.abs(found).sum(axis=1) > 0).all()


def test_it_stops_when_asked(tiny: Path) -> None:
    with pytest.raises(Stopped):
        WordReader(tiny).vectors(["hello"], should_stop=lambda: True)
