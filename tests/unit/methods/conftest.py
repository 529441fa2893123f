"""A run context that needs no worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Context:
    """Remembers what it is told; ``stop`` asks the method to stop."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self.device = "cpu"
        self.stop = False
        self.notes: list[dict[str, Any]] = []
        self.marks: list[tuple[int, int]] = []

    def report(self, kind: str, **values: Any) -> None:
        self.notes.append({"kind": kind, **values})

    def progress(self, done: int, total: int, message: str = "") -> None:
        self.marks.append((done, total))

    def should_stop(self) -> bool:
        return self.stop


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(tmp_path)


@pytest.fixture
def tiny(tiny_bases: Path) -> Path:
    return tiny_bases / "tiny"


@pytest.fixture
def trained(toy_data, context, tiny) -> Callable[..., Any]:
    """Fits a method by name on toy texts: trained("features", train=48, dev=24, **options)."""
    from core.methods import get_method

    def fit(name: str, train: int = 48, dev: int = 24, **options: Any) -> Any:
        method = get_method(name)
        return method.fit(toy_data(train, dev), method.Options(**options), tiny, context)

    return fit
