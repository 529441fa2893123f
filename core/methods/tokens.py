"""Texts as token ids, made once and kept flat, and padded batches of similar length. Knows nothing of models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

CHUNK = 2_000
"""Texts tokenised at a time."""


class Batches(Protocol):
    """Rows that a training loop takes in batches: texts, pairs of texts, or what else a model reads."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> np.ndarray:
        """(n,) tokens of each row; rows of similar length share a batch."""

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of these rows by name."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of n texts, one after the other."""

    ids: np.ndarray
    """(tokens in all,) int32."""
    types: np.ndarray | None
    """(tokens in all,) int8: 0 in the first, 1 in the second text of a pair; None without pairs."""
    offsets: np.ndarray
    """(n + 1,) int64: text i is ids[offsets[i]:offsets[i + 1]]."""
    pad_id: int
    truncated: int
    """Number of texts that were longer than the maximum and were cut."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n,) tokens of each text."""
        return np.diff(self.offsets)

    def batch(self, rows: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of these rows, padded to the longest of them: (rows, longest) int64 arrays.

        A row without a token is read as one of padding: no model attends to nothing.
        There is no attention mask when nothing is padded: attention is quicker without one.
        """
        starts, ends = self.offsets[rows], self.offsets[np.asarray(rows) + 1]
        width = max(1, int((ends - starts).max())) if len(rows) else 0
        ids = np.full((len(rows), width), self.pad_id, dtype=np.int64)
        mask = np.zeros_like(ids)
        types = None if self.types is None else np.zeros_like(ids)
        for row, (start, end) in enumerate(zip(starts, ends, strict=True)):
            ids[row, : end - start] = self.ids[start:end]
            mask[row, : max(1, end - start)] = 1
            if types is not None and self.types is not None:
                types[row, : end - start] = self.types[start:end]
        inputs = {"input_ids": ids}
        if not mask.all():
            inputs["attention_mask"] = mask
        if types is not None:
            inputs["token_type_ids"] = types
        return inputs


@dataclass(frozen=True)
class Picked:
    """Chosen rows of others, which may be chosen more than once."""

    data: Batches
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        """(n,) tokens of each row."""
        return self.data.lengths[self.rows]

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Model inputs of these rows by name."""
        return self.data.batch(self.rows[rows])


MOST_REPEATS = 20
"""A row of a very rare class is not shown more often than this in an epoch."""


def balanced_rows(keys: Sequence[str], seed: int) -> np.ndarray:
    """Rows of one epoch in which every class is shown as often as the largest; its rows in turn, each at least once."""
    random = np.random.default_rng(seed)
    _, classes, counts = np.unique(np.array(keys, dtype=object).astype(str), return_inverse=True, return_counts=True)
    found = []
    for number, count in enumerate(counts):
        own = random.permutation(np.flatnonzero(classes == number))
        found.append(np.resize(own, min(int(counts.max()), MOST_REPEATS * int(count))))
    return np.concatenate(found)


def encode(
    tokenizer: Any, texts: Sequence[str], texts_b: Sequence[str] | None = None, max_length: int = 128
) -> Encoded:
    """Tokenise ``texts`` (or pairs) with a fast transformers tokenizer, cutting them at ``max_length`` tokens."""
    ids: list[np.ndarray] = []
    types: list[np.ndarray] = []
    lengths: list[int] = []
    truncated = 0
    wants_types = texts_b is not None and "token_type_ids" in tokenizer.model_input_names
    for start in range(0, len(texts), CHUNK):
        part = list(texts[start : start + CHUNK])
        second = None if texts_b is None else list(texts_b[start : start + CHUNK])
        out = tokenizer(
            part,
            second,
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=wants_types,
        )
        sizes = [len(row) for row in out["input_ids"]]
        lengths += sizes
        ids += [np.asarray(row, dtype=np.int32) for row in out["input_ids"]]
        if wants_types:
            types += [np.asarray(row, dtype=np.int8) for row in out["token_type_ids"]]
        truncated += _count_longer(
            tokenizer, part, second, [i for i, n in enumerate(sizes) if n >= max_length], max_length
        )
    return Encoded(
        ids=np.concatenate(ids) if ids else np.zeros(0, np.int32),
        types=np.concatenate(types) if types else None,
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        pad_id=int(tokenizer.pad_token_id or 0),
        truncated=truncated,
    )


def _count_longer(tokenizer: Any, texts: list[str], second: list[str] | None, full: list[int], max_length: int) -> int:
    """How many of the rows that fill the maximum were really longer."""
    if not full:
        return 0
    whole = tokenizer(
        [texts[i] for i in full],
        None if second is None else [second[i] for i in full],
        truncation=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    return sum(len(row) > max_length for row in whole["input_ids"])


def shuffled_buckets(lengths: np.ndarray, size: int, seed: tuple[int, ...], span: int = 50) -> list[np.ndarray]:
    """Batches of ``size`` rows of similar length, in random order; the same seed gives the same batches.

    Rows are shuffled, sorted by length inside stretches of ``span`` batches, cut, and the batches are shuffled: little
    padding, while a row still meets other neighbours in every epoch.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(lengths))
    batches: list[np.ndarray] = []
    for start in range(0, len(order), size * span):
        stretch = order[start : start + size * span]
        stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
        batches += [stretch[i : i + size] for i in range(0, len(stretch), size)]
    return [batches[i] for i in random.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, tokens: int, rows: int) -> Iterator[np.ndarray]:
    """Batches of at most ``rows`` rows and about ``tokens`` padded tokens, longest first."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, min(rows, tokens // max(1, int(lengths[order[start]]))))
        yield order[start : start + size]
        start += size
