"""Loaded models, a bounded number of them, shared by every page and the API."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from core.errors import RefusedError
from core.methods.base import Answers, Predictor, answers_of
from core.records import Found
from core.tasks import get_task

MOST_LOADED = 3
"""Models kept in memory; the one used longest ago makes room."""
MOST_INDEXED = 4
"""Lists of candidates whose vectors are kept in memory for the next search: 15 MB for 10,000 by MiniLM."""


class Predictors:
    """Loads models on first use. Thread-safe: one prediction at a time, because one already uses every core.

    Only candidates are taken in beside predictions: many of them take minutes.
    """

    def __init__(self, most: int = MOST_LOADED) -> None:
        self._most = most
        self._loaded: OrderedDict[tuple[Path, ...], Predictor] = OrderedDict()
        """By the model's folder; a base that is asked as a model is, by the folders of both."""
        self._indexed: OrderedDict[tuple[Path, str], Any] = OrderedDict()
        self._lock = threading.RLock()
        self._indexing: WeakValueDictionary[tuple[Path, str], threading.Lock] = WeakValueDictionary()
        """Held while candidates are taken in, so that it happens once; never asked for under the other lock."""

    def scores(
        self,
        directory: Path,
        texts: Sequence[str],
        texts_b: Sequence[str] | None = None,
        embeddings: Path | None = None,
    ) -> np.ndarray:
        """Probabilities (len(texts), labels) by the model in ``directory``. Raises ModelError.

        ``embeddings`` names a cache in which those of the texts are kept, so that training need not make them again;
        without it nothing of the texts stays behind.
        """
        with self._lock:
            predictor: Any = self._get(directory, embeddings)
            scores = np.asarray(predictor.scores(texts, texts_b)) if hasattr(predictor, "scores") else np.zeros((1, 0))
        if not scores.shape[1]:
            raise RefusedError("This model gives no score to each label.", "Ask it for answers instead.")
        return scores

    def answers(
        self, directory: Path, task: str, texts: Sequence[str], texts_b: Sequence[str] | None, **how: Any
    ) -> Answers:
        """What the model in ``directory`` says about each text, or pair of texts; ``how`` as ``Answering`` takes it.

        Raises ModelError.
        """
        from core.inference.predictor import decision_of

        with self._lock:
            predictor = self._get(directory, None)
            return answers_of(predictor, get_task(task), texts, texts_b, decision_of(directory), **how)

    def untuned(self, directory: Path, base: Path, texts: Sequence[str], **how: Any) -> Answers:
        """What the base of the writing model in ``directory`` says, as ``answers``. Raises ModelError, RefusedError."""
        from core.inference.predictor import load_untuned

        with self._lock:
            predictor: Any = self._kept((directory, base), lambda: load_untuned(directory, base))
            found: Answers = predictor.answers(texts, **how)
            return found

    def embed(self, directory: Path, texts: Sequence[str], embeddings: Path | None = None) -> np.ndarray:
        """Unit vectors (len(texts), d) float32 by the model in ``directory``. Raises RefusedError, ModelError."""
        with self._lock:
            predictor: Any = self._get(directory, embeddings)
            if not hasattr(predictor, "embed"):
                raise RefusedError("This model makes no vectors of texts.", "Use one that was trained on pairs.")
            return np.asarray(predictor.embed(texts))

    def search(
        self,
        directory: Path,
        queries: Sequence[str],
        candidates: Sequence[str],
        top: int,
        rerank_with: Path | None = None,
        embeddings: Path | None = None,
    ) -> list[list[Found]]:
        """The best candidates for each query by the model in ``directory``, re-ranked by that in ``rerank_with``.

        The candidates are taken in once: their vectors stay in memory for the next search, and in the cache
        ``embeddings`` where one is named. Raises ModelError.
        """
        from core.inference.search import search
        from core.methods.counter_examples import WordSearch
        from core.methods.matching import Searching

        with self._lock:
            predictor = self._get(directory, None)
            quick = isinstance(predictor, Searching)
            # A copy shares the weights and has a cache of its own: others ask the model meanwhile.
            searcher: Any = copy.copy(predictor) if quick else WordSearch()
        if hasattr(searcher, "use_cache"):
            searcher.use_cache(embeddings)
        index = self._index(directory, searcher, candidates)
        if hasattr(searcher, "use_cache"):  # nothing of the queries stays behind
            searcher.use_cache(None)
        with self._lock:
            readers = [] if quick else [predictor]
            if rerank_with is not None:
                readers.append(self._get(rerank_with, None))
            return search(searcher, index, readers, queries, candidates, top)

    def _index(self, directory: Path, searcher: Any, candidates: Sequence[str]) -> Any:
        from core.inference.search import digest

        key = directory, digest(candidates)
        with self._lock:
            turn = self._indexing.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._indexed:
                    self._indexed.move_to_end(key)
                    return self._indexed[key]
            made = searcher.index(candidates)
            with self._lock:
                self._indexed[key] = made
                while len(self._indexed) > MOST_INDEXED:
                    self._indexed.popitem(last=False)
            return made

    def _get(self, directory: Path, embeddings: Path | None) -> Predictor:
        from core.inference.predictor import load_predictor

        predictor = self._kept((directory,), lambda: load_predictor(directory))
        if hasattr(predictor, "use_cache"):
            predictor.use_cache(embeddings)
        return predictor

    def _kept(self, key: tuple[Path, ...], load: Callable[[], Predictor]) -> Predictor:
        if key not in self._loaded:
            self._loaded[key] = load()
            while len(self._loaded) > self._most:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def forget(self, run_id: str) -> None:
        """Drop the model of a run that is being deleted, also where it is asked as another one's base."""
        with self._lock:
            for key in [key for key in self._loaded if any(run_id in path.parts for path in key)]:
                del self._loaded[key]
            for index in [index for index in self._indexed if run_id in index[0].parts]:
                del self._indexed[index]
