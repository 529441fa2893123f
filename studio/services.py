"""Long-lived objects shared by every browser session and the API. The only module with cache decorators."""

from __future__ import annotations

import logging

import streamlit as st

from core.evaluation import Evaluation
from core.model import Model
from core.settings import Settings
from core.workspace import Workspace
from studio.jobs import Jobs

logger = logging.getLogger("whetstone")


@st.cache_resource(show_spinner=False)
def _open(home: str) -> Workspace:
    settings = Settings()
    path = settings.home.expanduser()
    first_start = not path.exists() or not any(path.iterdir())
    if first_start and settings.demo:
        return Workspace.demo(path)
    return Workspace.open(path, settings)


def get_workspace() -> Workspace:
    """The workspace of this installation, opened once. Raises WorkspaceBusyError, StorageError; the next call tries
    again."""
    return _open(str(Settings().home.expanduser()))


def close_workspace() -> None:
    """Close the workspace; training goes on in its own processes."""
    workspace = get_workspace()
    _model.clear()
    _open.clear()
    workspace.close()


@st.cache_resource(show_spinner=False, max_entries=3)
def _model(home: str, model_id: str) -> Model:
    return _open(home).model(model_id)


def get_model(model_id: str) -> Model:
    """A registered model that stays in memory for the next sentence; at most three at once."""
    return _model(str(Settings().home.expanduser()), model_id)


@st.cache_resource(show_spinner=False)
def get_jobs() -> Jobs:
    """Imports, searches and batches that run in this process."""
    return Jobs()


@st.cache_resource(show_spinner=False, max_entries=32)
def _evaluation(home: str, model_id: str, split: str) -> Evaluation:
    return _open(home).model(model_id).evaluate(split=split)


def get_evaluation(model_id: str, split: str) -> Evaluation:
    """How a model does on a split of its version. Neither ever changes, so it is worked out once."""
    return _evaluation(str(Settings().home.expanduser()), model_id, split)
