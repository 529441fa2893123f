"""A setup's data in memory, ready to make lists in milliseconds: built when first asked, again when the data changes.

Pages and API of one process share it. The texts are read by a model in the background; until then, lists are made
from behaviour alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from core.base_models import DEFAULT_BASE, resolve
from core.methods.embeddings import embedding_width, encode
from core.records import Progressing
from core.scenarios.recommendation.catalog import Catalog
from core.scenarios.recommendation.config import RecommendationConfig
from core.scenarios.recommendation.features import Features, Profile
from core.scenarios.recommendation.histories import Histories
from core.storage import recommendation as store

if TYPE_CHECKING:
    from core.model import Model
    from core.workspace import Workspace

Report = Callable[[Progressing], None]
TEXTS_AT_ONCE = 256
"""Texts between two steps of the progress bar when a tuned model reads them."""
TITLES = 8
"""Liked items, newest first, whose titles make up the text of a history."""
KEPT_PEOPLE = 256
"""People whose features are kept for the next move of a slider."""


@dataclass(eq=False)
class Shop:
    """One state of a setup's data."""

    catalog: Catalog
    histories: Histories
    features: Features
    model: Model | None
    """The tuned model that reads texts; None: the built-in base."""
    _kept: OrderedDict[object, np.ndarray] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def reads(self) -> bool:
        """Whether the texts have been read."""
        return self.features.vectors is not None

    def known(self, key: object, profile: Profile) -> np.ndarray:
        """Features of a profile, kept under ``key``: (items, features)."""
        key = (key, self.reads)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self.features.of(profile)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT_PEOPLE:
                self._kept.popitem(last=False)
        return found


class Shops:
    """Shops of one workspace by setup, and the vectors of their texts."""

    def __init__(self) -> None:
        self._shops: dict[int, tuple[object, Shop]] = {}
        self._vectors: dict[int, tuple[object, np.ndarray]] = {}
        self._locks: dict[int, threading.RLock] = {}
        self._lock = threading.Lock()

    def get(self, workspace: Workspace, setup_id: int, config: RecommendationConfig, model: Model | None) -> Shop:
        """The shop of a setup as its data is now."""
        with self._locked(setup_id):
            stamp = store.stamp(workspace.database, setup_id)
            told = config.model_dump_json(include={"kinds", "liked_from", "popular_days", "new_days", "memory"})
            key = (stamp, told, model.id if model else None)
            known = self._shops.get(setup_id)
            if known is None or known[0] != key:
                same = known[1].catalog if known and known[0][0][:2] == stamp[:2] else None  # type: ignore[index]
                known = (key, self._build(workspace, setup_id, config, model, same))
                self._shops[setup_id] = known
            shop = known[1]
            if not shop.reads:
                shop.features.vectors = self._read(setup_id, stamp[:2], model)
            return shop

    def _build(
        self,
        workspace: Workspace,
        setup_id: int,
        config: RecommendationConfig,
        model: Model | None,
        catalog: Catalog | None,
    ) -> Shop:
        with workspace.database.snapshot():
            catalog = catalog or Catalog.of(store.read_items(workspace.database, setup_id))
            histories = Histories.of(store.read_events(workspace.database, setup_id), catalog.index, config)
        return Shop(catalog, histories, Features(catalog, histories, config), model)

    def _read(self, setup_id: int, items: object, model: Model | None) -> np.ndarray | None:
        kept = self._vectors.get(setup_id)
        return kept[1] if kept and kept[0] == (items, model.id if model else None) else None

    def read_texts(
        self, workspace: Workspace, setup_id: int, config: RecommendationConfig, model: Model | None, report: Report
    ) -> int:
        """Have the model read every text that it has not read before; returns the number of items."""
        stamp = store.stamp(workspace.database, setup_id)
        catalog = self.get(workspace, setup_id, config, model).catalog
        vectors = read(workspace, model, catalog.texts(), report)
        self._vectors[setup_id] = ((stamp[:2], model.id if model else None), vectors)
        return len(catalog)

    def forget(self, setup_id: int) -> None:
        """Drop a setup that is removed."""
        self._shops.pop(setup_id, None)
        self._vectors.pop(setup_id, None)

    def _locked(self, setup_id: int) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(setup_id, threading.RLock())


_all: WeakKeyDictionary[Workspace, Shops] = WeakKeyDictionary()
_guard = threading.Lock()


def shops(workspace: Workspace) -> Shops:
    """The shops of a workspace."""
    with _guard:
        return _all.setdefault(workspace, Shops())


def silent(step: Progressing) -> None:
    """For work that nobody watches."""


def read(workspace: Workspace, model: Model | None, texts: Sequence[str], report: Report) -> np.ndarray:
    """Unit vectors (texts, d) by the tuned model or the built-in base; zeros for an empty text.

    Kept in the workspace's cache: what was read before costs nothing. Raises ModelError, RefusedError.
    """
    filled = [row for row, text in enumerate(texts) if text]
    wanted = [texts[row] for row in filled]
    if model is None:
        base = resolve(DEFAULT_BASE)
        found = np.zeros((0, embedding_width(base)), np.float32)
        if wanted:
            found = encode(wanted, base, workspace.path / "cache", progress=_steps(report))
    else:
        parts = []
        for start in range(0, max(len(wanted), 1), TEXTS_AT_ONCE):
            report(Progressing(done=start, total=len(wanted), message="Reading texts"))
            parts.append(model.embed(wanted[start : start + TEXTS_AT_ONCE] or [""], keep=True))
        found = np.concatenate(parts)[: len(wanted)]
    vectors = np.zeros((len(texts), found.shape[1]), np.float32)
    vectors[filled] = found
    return vectors


def read_sentence(workspace: Workspace, model: Model | None, text: str) -> np.ndarray:
    """Unit vector (d,) of what somebody wrote; kept nowhere."""
    if model is not None:
        return np.asarray(model.embed([text])[0])
    return np.asarray(encode([text], resolve(DEFAULT_BASE))[0])


def history_text(catalog: Catalog, rows: Sequence[int] | np.ndarray) -> str:
    """What a tuned model reads of a history, given the liked rows oldest first: the newest titles."""
    return "; ".join(catalog.titles[int(row)] for row in list(rows)[-TITLES:][::-1])


def _steps(report: Report) -> Callable[[int, int], None]:
    return lambda done, total: report(Progressing(done=done, total=total, message="Reading texts"))
