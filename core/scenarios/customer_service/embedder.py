"""Texts as vectors: by the tuned bi-encoder that plays the matching role, or by the built-in base model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.base_models import DEFAULT_BASE, resolve
from core.methods.embeddings import encode, forward_all, open_encoder

if TYPE_CHECKING:
    from core.model import Model
    from core.workspace import Workspace

Progress = Callable[[int, int], None]


class Embedder(Protocol):
    """One way from texts to unit vectors."""

    name: str
    """Changes when the vectors would."""

    def many(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """(len(texts), d) float32 of texts that are kept: each is encoded once on this machine."""

    def one(self, text: str) -> np.ndarray:
        """(d,) float32 of a message; nothing of it stays behind."""


class BaseEmbedder:
    """The embedded base model as it comes."""

    def __init__(self, workspace: Workspace) -> None:
        self.name = DEFAULT_BASE
        self._cache = workspace.path / "cache"

    def many(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """See Embedder."""
        return encode(texts, _base(), self._cache, progress=progress)

    def one(self, text: str) -> np.ndarray:
        """See Embedder."""
        return np.asarray(forward_all(open_encoder(str(_base()), "cpu"), [text])[0])


class ModelEmbedder:
    """A tuned bi-encoder."""

    def __init__(self, model: Model) -> None:
        self.name = model.id
        self._model = model

    def many(self, texts: Sequence[str], progress: Progress | None = None) -> np.ndarray:
        """See Embedder."""
        return self._model.embed(texts, keep=True)

    def one(self, text: str) -> np.ndarray:
        """See Embedder."""
        return np.asarray(self._model.embed([text])[0])


@lru_cache(maxsize=1)
def _base() -> Path:
    """Resolved once: that reads and checks 90 MB of weights."""
    return resolve(DEFAULT_BASE)


def one_thread() -> AbstractContextManager[Any]:
    """Compute on this thread alone.

    A message is a few dozen tokens. On an idle machine a second thread saves some milliseconds; beside a training run
    the two wait for each other: measured on two busy cores, one message took 1,000 ms with two threads, 40 with one.
    """
    return _pools().limit(limits=1)


@lru_cache(maxsize=1)
def _pools() -> Any:
    import torch  # noqa: F401 - its thread pool is to be among those found
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
