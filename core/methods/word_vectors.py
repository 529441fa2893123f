"""Vectors of words by a frozen encoder: what models of spans look at that tune nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.methods.base import Stopped
from core.methods.embeddings import Encoder, open_encoder
from core.methods.heads.base import SCORING_ROWS, SCORING_TOKENS
from core.methods.heads.spans import TagHead
from core.methods.linear import encoder_facts, encoder_folder
from core.methods.tokens import Encoded, sorted_batches
from core.tasks import get_task

CHUNK = 1_024
"""Texts whose tokens are in memory at a time."""


@dataclass(frozen=True)
class WordReader:
    """A frozen encoder that reads words."""

    base: Path
    max_length: int = 256
    """Tokens of one window of a text."""
    device: str = "cpu"

    def vectors(
        self,
        texts: Sequence[str],
        progress: Callable[[int, int], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> list[np.ndarray]:
        """Of each text (words, d) float32, the state of the first token of every word; long texts are read in windows.

        A vector has unit variance; a word without a token has zeros. Raises Stopped, ModelError.
        """
        encoder = open_encoder(str(self.base), self.device)
        head = TagHead(get_task("tagging"), [])
        found: list[np.ndarray] = []
        for start in range(0, len(texts), CHUNK):
            reading = head.read(
                encoder.tokenizer, texts[start : start + CHUNK], None, min(self.max_length, encoder.longest)
            )
            states = _states(encoder, reading.encoded, should_stop)
            found += [np.where(places[:, None] >= 0, states[places], np.float32(0)) for places in reading.places]
            if progress is not None:
                progress(len(found), len(texts))
        return found

    def facts(self) -> dict[str, Any]:
        """What a model has to remember of it."""
        return encoder_facts(self.base, self.max_length)

    @classmethod
    def restore(cls, facts: dict[str, Any], device: str) -> WordReader:
        """From ``facts``. Raises ModelError when the encoder is missing or another one."""
        return cls(encoder_folder(facts), int(facts["max_length"]), device)


def _states(encoder: Encoder, encoded: Encoded, should_stop: Callable[[], bool] | None) -> np.ndarray:
    """(tokens in all, d) float32: what the encoder says of each token, each with unit variance. Raises Stopped."""
    import torch

    found = np.zeros((int(encoded.offsets[-1]), int(encoder.model.config.hidden_size)), np.float32)
    for rows in sorted_batches(encoded.lengths, SCORING_TOKENS, SCORING_ROWS):
        if should_stop is not None and should_stop():
            raise Stopped
        inputs = {name: torch.from_numpy(array).to(encoder.device) for name, array in encoded.batch(rows).items()}
        with encoder.lock, torch.inference_mode():
            hidden = encoder.model(**inputs).last_hidden_state  # (B, T, d)
            values = torch.nn.functional.layer_norm(hidden.float(), hidden.shape[-1:]).cpu().numpy()
        for row, states in zip(rows, values, strict=True):
            begin, end = encoded.offsets[row], encoded.offsets[row + 1]
            found[begin:end] = states[: end - begin]
    return found
