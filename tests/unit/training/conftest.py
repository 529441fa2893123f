"""A run in a folder and a context that needs no worker process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.training import hardware
from core.training.run_folder import RunConfig


class MemoryContext:
    """A RunContext that remembers what it is told and can stop after a number of steps."""

    def __init__(self, directory: Path, stop_after: int | None = None) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self.device = "cpu"
        self.stop_after = stop_after
        self.events: list[dict[str, Any]] = []
        self.done = 0

    def report(self, kind: str, **values: Any) -> None:
        self.events.append({"kind": kind, **values})

    def progress(self, done: int, total: int, message: str = "") -> None:
        self.done = done

    def should_stop(self) -> bool:
        return self.stop_after is not None and self.done >= self.stop_after

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["kind"] == kind]


@pytest.fixture
def make_context(tmp_path: Path) -> Callable[..., MemoryContext]:
    def make(name: str = "run", stop_after: int | None = None, half: bool = False) -> MemoryContext:
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        context = MemoryContext(directory, stop_after)
        hardware.remember(context.cache, "cpu", {"float32": 100.0, "bfloat16": 400.0 if half else 1.0})
        return context

    return make


@pytest.fixture
def make_config() -> Callable[..., RunConfig]:
    def make(**changes: Any) -> RunConfig:
        values: dict[str, Any] = {
            "project_id": 1,
            "version_id": 1,
            "version_hash": "abc",
            "labels": ["refund", "delivery", "greeting"],
            "method": "full",
            "base": "local:tiny",
            "options": {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3},
        }
        return RunConfig(**{**values, **changes})

    return make
