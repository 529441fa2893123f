"""Long-lived objects shared by every browser session and the API. The only module with cache decorators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import NotFoundError, RefusedError
from core.evaluation import Comparison, Evaluation, Message, compare, verdict
from core.experiments.standing import Standing, standing
from core.methods.base import Estimate
from core.model import Model
from core.project import Version
from core.run import Run
from core.settings import Settings
from core.training import pace
from core.workspace import Workspace
from studio.jobs import Jobs


@st.cache_resource(show_spinner=False)
def _open(home: str) -> Workspace:
    settings = Settings()
    return (Workspace.demo if settings.demo else Workspace.open)(Path(home), settings)


def get_workspace() -> Workspace:
    """The workspace of this installation, opened once. Raises WorkspaceBusyError, StorageError; the next call tries
    again."""
    return _open(_home())


def close_workspace() -> None:
    """Close the workspace; training goes on in its own processes."""
    workspace = get_workspace()
    for cached in (_open, _evaluation, _standing, _difference, _verdict):
        cached.clear()
    workspace.close()


def get_model(model_id: str) -> Model:
    """A registered model as it is now; its weights stay in memory inside the workspace for the next sentence."""
    return get_workspace().model(model_id)


@st.cache_resource(show_spinner=False)
def get_jobs() -> Jobs:
    """Imports, searches and batches that run in this process."""
    return Jobs()


@st.cache_resource(show_spinner=False, max_entries=32)
def _evaluation(home: str, model_id: str, split: str, siblings: tuple[str, ...], beside: bool) -> Evaluation:
    return _open(home).model(model_id).evaluate(split=split, beside=beside)


@st.cache_resource(show_spinner=False, max_entries=32)
def _standing(home: str, finished: tuple[str, ...], _runs: list[Run]) -> Standing:
    def evaluate(run: Run, split: str) -> Evaluation | None:
        try:
            return _evaluation(home, run.id, split, (), False)
        except NotFoundError:  # the split is empty, or the model was deleted
            return None

    return standing(_runs, evaluate)


def get_standing(runs: list[Run]) -> Standing:
    """How the finished ones of some runs stand beside each other, worked out again only when one more has finished."""
    finished = [run for run in runs if run.state == "finished"]
    for run in finished:
        get_workspace().register(run.id)
    return _standing(_home(), tuple(run.id for run in finished), finished)


def get_evaluation(model: Model, split: str) -> Evaluation:
    """How a model does on a split of its version, worked out again only when a new model of that version appears.

    Without its baseline while that is still being trained.
    """
    same = [m.info for m in get_workspace().models(model.info.project_id) if m.info.version_id == model.info.version_id]
    siblings = tuple(sorted(info.id for info in same))
    beside = model.info.method != "baseline" and any(info.method == "baseline" for info in same)
    return _evaluation(_home(), model.id, split, siblings, beside)


@st.cache_resource(show_spinner=False, max_entries=64)
def _difference(key: tuple[object, ...], _first: Evaluation, _second: Evaluation) -> Comparison | RefusedError:
    try:
        return compare(_first, _second)
    except RefusedError as error:
        return error


def get_difference(first: Evaluation, second: Evaluation) -> Comparison | RefusedError:
    """Whether the first is better than the second; the refusal when they were measured on different texts."""
    return _difference((*_figures(first), *_figures(second)), first, second)


@st.cache_resource(show_spinner=False, max_entries=64)
def _verdict(key: tuple[object, ...], _result: Evaluation, _champion: Evaluation | None) -> list[Message]:
    comparable = _champion is not None and isinstance(get_difference(_result, _champion), Comparison)
    return verdict(_result, _champion if comparable else None)


def get_verdict(result: Evaluation, champion: Evaluation | None) -> list[Message]:
    """The sentences above a report, beside the champion where both were measured on the same texts."""
    return _verdict((*_figures(result), *_figures(result.baseline), *_figures(champion)), result, champion)


def _figures(result: Evaluation | None) -> tuple[object, ...]:
    """What tells one evaluation from another."""
    if result is None:
        return ()
    return (result.name, result.split, result.rows, result.accuracy, result.macro_f1, result.weighted_f1,
            *result.figures.values(), *_figures(result.before))  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=64)
def _estimate(
    key: tuple[object, ...], method: str, base: str | None, options: str, device: str, _version: Version
) -> Estimate | None:
    return _version.project.estimate(_version, method, base, device, **json.loads(options))


def get_estimate(
    version: Version, method: str, base: str | None, options: dict[str, Any], device: str = "auto"
) -> Estimate | None:
    """What a run would cost; asked again when another run has taught how quick this machine is."""
    key = _home(), version.id, pace.revision(get_workspace().path / "cache")
    return _estimate(key, method, base, json.dumps(options, sort_keys=True, default=str), device, version)


def _home() -> str:
    return str(Settings().home.expanduser())
