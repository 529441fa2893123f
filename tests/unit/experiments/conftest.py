"""A workspace with one frozen version on which small runs take a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.project import Project, Version
from core.settings import Settings
from core.workspace import Workspace
from tests.unit.conftest import toy_texts


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    with Workspace.open(home, Settings(home=home, offline=True, device="cpu")) as opened:
        yield opened


@pytest.fixture
def project(workspace: Workspace) -> Project:
    made = workspace.create_project("Toys")
    made.add_items([{"text": text, "label": label} for text, label in toy_texts(150)])
    return made


@pytest.fixture
def version(project: Project) -> Version:
    return project.freeze(test=0.2, dev=0.2, seed=0)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, which the driver sees to."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
