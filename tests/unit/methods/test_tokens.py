from __future__ import annotations

import numpy as np

from core.methods.encoders import load_tokenizer
from core.methods.tokens import encode, shuffled_buckets, sorted_batches


def test_batches_are_padded_to_their_own_longest_text(tiny_bases):
    encoded = encode(load_tokenizer(tiny_bases / "tiny"), ["hello", "money back please", ""], None, 64)
    assert encoded.lengths.tolist() == [3, 5, 2]
    batch = encoded.batch([0, 2])
    assert batch["input_ids"].shape == (2, 3) and batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["input_ids"][1, 2] == encoded.pad_id
    assert "attention_mask" not in encoded.batch([1])


def test_cut_texts_are_counted_and_exact_fits_are_not(tiny_bases):
    tokenizer = load_tokenizer(tiny_bases / "tiny")
    encoded = encode(tokenizer, ["the a my your", "the a my your this", "hello"], None, 6)
    assert encoded.truncated == 1 and encoded.lengths.tolist() == [6, 6, 3]
    pairs = encode(tokenizer, ["the a my"], ["your this that"], 6)
    assert pairs.truncated == 1 and pairs.types is not None and set(pairs.types.tolist()) == {0, 1}


def test_an_epoch_meets_every_row_once_in_batches_of_like_length():
    lengths = np.random.default_rng(0).integers(3, 60, 1000)
    batches = shuffled_buckets(lengths, 32, (0, 1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    padded = sum(lengths[batch].max() * len(batch) for batch in batches)
    assert padded < 1.1 * lengths.sum()
    again, other = shuffled_buckets(lengths, 32, (0, 1)), shuffled_buckets(lengths, 32, (0, 2))
    assert all((one == two).all() for one, two in zip(batches, again, strict=True))
    assert np.concatenate(batches).tolist() != np.concatenate(other).tolist()


def test_scoring_batches_keep_to_their_budget():
    lengths = np.array([5, 500, 3, 60, 60, 4])
    batches = list(sorted_batches(lengths, tokens=200, rows=3))
    assert sorted(np.concatenate(batches).tolist()) == list(range(6))
    assert all(len(batch) == 1 or lengths[batch].max() * len(batch) <= 200 for batch in batches)
    assert max(map(len, batches)) <= 3
