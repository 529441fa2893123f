"""A small workspace with one project."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.project import Project
from core.settings import Settings
from core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """An empty workspace."""
    with Workspace.open(tmp_path / "home", Settings(offline=True)) as opened:
        yield opened


@pytest.fixture
def project(workspace: Workspace) -> Project:
    """A project with the labels refund and delivery and no items."""
    return workspace.create_project("Support", labels=["refund", "delivery"])


@pytest.fixture
def add(project: Project) -> Callable[..., list[int]]:
    """Adds texts ('text 0', 'text 1' ...), the first ``labelled`` of them with a label; returns the item ids."""

    def add_texts(count: int = 6, labelled: int = 0) -> list[int]:
        names = ["refund", "delivery"]
        rows = [{"text": f"text {i}", "label": names[i % 2] if i < labelled else ""} for i in range(count)]
        project.add_items(rows)
        return project.item_ids()

    return add_texts
