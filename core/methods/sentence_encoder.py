"""A tuned sentence encoder as a model hands it out: vectors of texts, and a folder that others load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.durable import write_json
from core.methods.embeddings import Encoder, encode, forward_all

_MODULES = ("Transformer", "Pooling", "Normalize")
"""The parts of a sentence-transformers model, in order."""


class SentenceEncoder:
    """What predictors with an encoder of their own share."""

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self.encoder = encoder
        self.folder = folder
        """Where it was loaded from; None before it is saved."""
        self.cache: Path | None = None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (len(texts), d) float32; the cosine of two texts is the product of their vectors."""
        if self.folder and self.cache:
            device, length = self.encoder.device, self.encoder.longest
            return encode(texts, self.folder, self.cache, device, length, encoder=self.encoder)
        return forward_all(self.encoder, texts, self.encoder.longest)

    def use_cache(self, cache: Path | None) -> None:
        """Look vectors up in, and add them to, this cache. None, as at first, keeps nobody's input."""
        self.cache = cache

    def save_encoder(self, directory: Path) -> None:
        """Write a folder that transformers and sentence-transformers load."""
        encoder = self.encoder
        encoder.model.save_pretrained(directory)
        encoder.tokenizer.save_pretrained(directory)
        modules = [
            {
                "idx": i,
                "name": str(i),
                "path": f"{i}_{kind}" if i else "",
                "type": f"sentence_transformers.models.{kind}",
            }
            for i, kind in enumerate(_MODULES)
        ]
        pooling = {
            "word_embedding_dimension": int(encoder.model.config.hidden_size),
            "pooling_mode_cls_token": encoder.pooling == "cls",
            "pooling_mode_mean_tokens": encoder.pooling == "mean",
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
        }
        (directory / "1_Pooling").mkdir()
        write_json(directory / "modules.json", modules)
        write_json(directory / "1_Pooling" / "config.json", pooling)
        write_json(directory / "sentence_bert_config.json", {"max_seq_length": encoder.longest, "do_lower_case": False})
