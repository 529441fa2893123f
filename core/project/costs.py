"""What a run will cost before it starts: how long the texts are in tokens, and what the method makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.data.versions import read_split
from core.project.versions import Version

SAMPLE = 2000
"""Training texts that are tokenised to estimate the length of all of them."""
CHARACTERS_PER_TOKEN = 4.0
"""English prose in a WordPiece vocabulary; used where no tokenizer is at hand."""


def token_counts(texts: Sequence[str], base: Path | None) -> np.ndarray:
    """(n,) tokens of each text by the tokenizer of ``base``; by its number of characters without one."""
    file = base / "tokenizer.json" if base else None
    if file is None or not file.is_file():
        wide = [sum(ord(character) > 0x2E7F for character in text) for text in texts]
        return np.array([2 + w + (len(t) - w) / CHARACTERS_PER_TOKEN for t, w in zip(texts, wide, strict=True)])
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return np.array([len(encoding.ids) for encoding in tokenizer.encode_batch(list(texts))], dtype=float)


def training_sample(version: Version) -> list[str]:
    """At most ``SAMPLE`` training texts, evenly spread; of pairs both, of prompts with what is to be written."""
    rows = read_split(version.path, "train")
    texts = [*rows.texts, *(rows.texts_b or [])]
    if not version.project.task.needs_labels:  # what is written is read as well
        texts = [f"{text}\n{value}" for text, value in zip(rows.texts, rows.values, strict=True)]
    return texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE]
