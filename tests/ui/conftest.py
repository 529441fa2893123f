"""A small workspace of its own for every page test, and the app opened on one of its pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

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

    def open_(name: str = "home", **parameters: str) -> AppTest:
        app = AppTest.from_file(str(MAIN), default_timeout=15)
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

    return open_
