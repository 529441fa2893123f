"""Bytes in, staged rows out, through the same process as the page's import."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.data import import_worker, importing
from core.records import ColumnMapping, RejectedRow
from core.settings import Settings


class Staged:
    """What came out: rows as dictionaries, refused rows, and the import's own record."""

    def __init__(self, rows: list[dict[str, Any]], rejected: list[RejectedRow], record: Any) -> None:
        self.rows, self.rejected, self.record = rows, rejected, record

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


@pytest.fixture
def settings() -> Settings:
    """Tight limits: the files here are small."""
    return Settings(import_seconds=60, import_memory_mb=2048, offline=True)


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Where staged folders appear; a test must leave it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == [], "an import left files behind"


@pytest.fixture
def run(run_apart: Callable[..., Staged], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Staged]:
    """``run_apart`` without a process of its own, which takes a third of a second."""

    def run_job(job: dict[str, Any], folder: Path, settings: Settings, seconds: float, *_: Any) -> dict[str, Any]:
        job |= {"memory_mb": settings.import_memory_mb, "seconds": seconds}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        import_worker.run_job(folder)
        return importing.read_report(folder)

    monkeypatch.setattr(importing, "_run", run_job)
    return run_apart


@pytest.fixture
def run_apart(tmp_path: Path, scratch: Path, settings: Settings) -> Callable[..., Staged]:
    """``run(content, name, text=..., label=...)`` imports bytes, text or a path under a name."""

    def run_import(content: bytes | str | Path, name: str = "data.csv", task: str = "classification", **mapping: Any):
        path = content if isinstance(content, Path) else tmp_path / "upload"
        if not isinstance(content, Path):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        chosen = ColumnMapping(**({"text": "text", "label": "label"} | mapping))
        with importing.stage(path, chosen, task, filename=name, settings=settings, parent=scratch) as staged:
            return Staged(pq.read_table(staged.parquet).to_pylist(), staged.rejected(), staged)

    return run_import
