"""Which registered model a page is about; the choice is in the URL."""

from __future__ import annotations

import streamlit as st

from core.methods import get_method
from core.model import Model
from core.project import Project
from core.records import ModelInfo
from studio import session
from studio.address import remember
from studio.headline import goodness, headline
from studio.i18n import _, date_time, percent
from studio.widgets.base_picker import base_words
from studio.widgets.basics import empty_state


def require_models(project: Project) -> list[Model]:
    """The models of the project, champion first, then newest; ends the page with the way to one when there is none."""
    models = project.models()
    if not models:
        if any(run.active for run in project.runs()):
            message, button = (
                _("A model is being trained. Its report appears here when it is done."),
                _("Watch it train"),
            )
        elif project.versions():
            message, button = _("There is no model yet. Train one on the frozen version."), _("Train a model")
        else:
            message, button = (
                _("There is no model yet. It needs a frozen version of labelled texts first."),
                _("Train a model"),
            )
        empty_state(message, button, "train")
        st.stop()
    return sorted(models, key=lambda model: not model.info.champion)


def model_picker(models: list[Model], numbers: dict[int, int]) -> Model:
    """Draw the picker; ``numbers`` maps version ids to what people call them. Returns the chosen model.

    Until someone chooses it is the live model, or the one that did best.
    """
    by_id = {model.id: model for model in models}
    live_or_best = max(models, key=lambda model: (model.info.champion, goodness(model.info.metrics)))
    remember(session.MODEL, live_or_best.id, by_id.__contains__)
    chosen = st.selectbox(
        _("Model"),
        list(by_id),
        format_func=lambda model_id: model_name(by_id[model_id].info, numbers),
        key=session.MODEL,
        width=545,
    )
    return by_id[chosen]


def model_name(info: ModelInfo, numbers: dict[int, int]) -> str:
    """How a model is called: method, base, version, accuracy, time."""
    parts = [_(get_method(info.method).title)]
    if info.base:
        parts.append(base_words(info.base))
    if info.version_id in numbers:
        parts.append(_("version {n}").format(n=numbers[info.version_id]))
    if next(iter(info.metrics), "") == "accuracy":
        parts.append(percent(info.metrics["accuracy"]))
    elif good := headline(info.metrics):
        parts.append(good)
    parts.append(date_time(info.created_at))
    name = " · ".join(parts)
    return "★ " + name if info.champion else name


def version_numbers(project: Project) -> dict[int, int]:
    """Version id -> number inside the project."""
    return {version.id: version.number for version in project.versions()}
