"""A small workspace of its own for every page test, and the app opened on one of its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from core.project import Project
from core.workspace import Workspace
from studio import services

MAIN = Path(__file__).parents[2] / "studio" / "main.py"
Open = Callable[..., AppTest]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """An empty workspace that the pages find as their own."""
    monkeypatch.setenv("WHETSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WHETSTONE_DEMO", "false")
    monkeypatch.setenv("WHETSTONE_OFFLINE", "true")
    yield services.get_workspace()
    services.close_workspace()
    st.cache_resource.clear()


@pytest.fixture
def project(workspace: Workspace) -> Project:
    """Three texts, two labels, nothing labelled."""
    project = workspace.create_project("Tickets", labels=["refund", "delivery"])
    project.add_items(
        [{"text": "Money back please"}, {"text": "Where is my parcel?"}, {"text": "It broke"}], user="ann"
    )
    return project


@pytest.fixture
def open_page(workspace: Workspace) -> Open:
    """``open_page("data", lang="zh_CN")`` runs the app on that page and returns it."""
    return open_on


def open_on(name: str = "home", **parameters: str) -> AppTest:
    """The app on a page with these URL parameters."""
    app = AppTest.from_file(str(MAIN), default_timeout=60)
    for key, value in {"as": "ann", **parameters}.items():
        app.query_params[key] = value
    app.run()
    if name != "home":
        app.switch_page(str(MAIN.parent.parent / "pages" / f"{name}.py"))
        for key, value in {"as": "ann", **parameters}.items():
            app.query_params[key] = value
        app.run()
    assert not app.exception, app.exception
    return app


HOSTILE = ":red[x] <b>"
"""A label that would colour, embolden or break a page that does not escape it."""


@pytest.fixture
def hostile() -> str:
    """One of the labels of the trained project."""
    return HOSTILE


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace folder with one project, one version and its baseline, trained by a real worker."""
    words = {"refund": "money back", HOSTILE: "parcel late", "broken": "screen cracked"}
    rows = [{"text": f"{word} please {i}", "label": label} for i in range(20) for label, word in words.items()]
    rows.append({"text": "money back or cracked?", "label": "broken"})
    return trained_on(tmp_path_factory.mktemp("trained"), "Trained", "classification", rows, test=0.3, dev=0.2)


def trained_on(home: Path, name: str, task: str, rows: list[dict[str, Any]], **frozen: Any) -> Path:
    """A workspace folder with one project of these rows, a version ``frozen`` so, and its baseline by a real worker."""
    with Workspace.open(home) as workspace:
        project = workspace.create_project(name, task=task)
        project.add_items(rows, user="ann")
        run = project.train(project.freeze(**frozen), method="baseline").wait(timeout=120)
        assert run.model is not None, run.error
    return home


def button(app: AppTest, key: str) -> Button:
    """The button with this key."""
    return next(b for b in app.button if b.key == key)


def plain(words: str) -> str:
    """Words as one reads them, without what keeps them from being Markdown."""
    return words.replace("\\", "").replace("\u2060", "")


def project_of(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The first project of a workspace folder, which is the one that the pages open meanwhile."""
    monkeypatch.setenv("WHETSTONE_HOME", str(home))
    monkeypatch.setenv("WHETSTONE_DEMO", "false")
    monkeypatch.setenv("WHETSTONE_OFFLINE", "true")
    yield services.get_workspace().projects()[0]
    services.close_workspace()
    st.cache_resource.clear()


@pytest.fixture
def trained(trained_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """The project of ``trained_home`` in the workspace that the pages find; what a test changes there stays."""
    yield from project_of(trained_home, monkeypatch)


@pytest.fixture
def open_trained(trained: Project) -> Open:
    """``open_page`` on the workspace of ``trained``."""
    return open_on
