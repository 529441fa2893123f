"""Several runs at once: which question they are to answer, how long they may take, and the start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from core.experiments import Experiment
from core.experiments.planning import suitable
from core.experiments.records import MOST_SEEDS
from core.experiments.search import ranges, words
from core.methods import all_methods, get_method
from core.methods.base import Estimate, options_for
from core.project import Project, Version
from studio import session
from studio.guard import guard
from studio.i18n import _, duration
from studio.services import get_estimate
from studio.text import escape
from studio.widgets.base_picker import base_picker
from studio.widgets.choice import url_choice
from studio.widgets.device_picker import device_picker

MINUTES, TRIALS, SEEDS = 20, 20, 3
MOST_TRIALS = 500
Start = Callable[[], Experiment]


def experiment_form(project: Project, version: Version) -> None:
    """Draw the form; a press on the button starts the experiment and leads to it."""
    questions = {
        "methods": _("Which method?"),
        "seeds": _("How much is chance?"),
        "options": _("Which options?"),
    }
    # Who has an answer to read finds it first; who has none finds the form open.
    place = st.expander(_("A new comparison"), expanded=not project.experiments(), icon=":material/science:")
    with place:
        question = url_choice(_("Question"), questions, session.EXPERIMENT_KIND)
        base = base_picker(project)
        draw = {"methods": _methods, "seeds": _seeds, "options": _options}[question]
        start = None
        with guard():
            start = draw(project, version, base)
        pressed = st.button(
            _("Start all"), type="primary", icon=":material/play_arrow:", key="experiment_start", disabled=start is None
        )
        if pressed and start is not None:
            with guard():
                st.session_state[session.EXPERIMENT] = start().id
                st.toast(_("Started. The runs follow each other in the background."), icon=":material/check:")


def _methods(project: Project, version: Version, base: str) -> Start:
    """Every method that suits, within a time."""
    st.caption(_("Trains every method on this version, the quick ones first, and says which one to take."))
    fitting = suitable(project, base)
    chosen = st.multiselect(
        _("Methods"),
        fitting,
        default=fitting,
        format_func=method_words,
        key=f"experiment_methods_{project.id}_{base}",
    )
    left, right = st.columns(2)
    with left:
        minutes = _limit(
            _("Minutes at most"),
            "experiment_minutes",
            MINUTES,
            _("as long as it takes"),
            _("Methods that would take longer than what is left are left out, and it is said."),
        )
    seeds = right.number_input(_("Seeds of each"), min_value=1, max_value=MOST_SEEDS, value=1, key="experiment_seeds")
    _cost([_estimate(version, name, base) for name in chosen], seeds, _seconds(minutes))
    device = device_picker()
    return lambda: project.compare(version, chosen, base, int(seeds), minutes, device)


def _seeds(project: Project, version: Version, base: str) -> Start:
    """One method with several seeds."""
    st.caption(_("Trains one method several times. How far the figures lie apart is what chance in training does."))
    method = _one_method(project, base, "seeds")
    seeds = st.number_input(_("Seeds"), min_value=2, max_value=MOST_SEEDS, value=SEEDS, key="experiment_only_seeds")
    _cost([_estimate(version, method, base)], seeds, None)
    device = device_picker()
    return lambda: project.compare(version, [method], base, int(seeds), None, device)


def _options(project: Project, version: Version, base: str) -> Start | None:
    """The options of one method."""
    st.caption(
        _(
            "Tries other options of one method and keeps what does best on the dev split; what falls behind is stopped "
            "early."
        )
    )
    method = _one_method(project, base, "options")
    found = ranges(get_method(method), project.task.name)
    defaults = options_for(get_method(method), project.task.name)().model_dump()
    varied = st.multiselect(
        _("Options to try"),
        list(found),
        default=list(found)[:3],
        format_func=lambda name: f"{option_words(name)}: {words(found[name], defaults[name])}",
        key=f"experiment_varied_{method}",
    )
    left, right = st.columns(2)
    with left:
        trials = _limit(_("Trials at most"), "experiment_trials", TRIALS, _("any number"), most=MOST_TRIALS)
    with right:
        minutes = _limit(_("Minutes at most"), "experiment_search_minutes", MINUTES, _("as long as it takes"))
    st.caption(_("Leave one of the two empty to search until the other is reached."))
    _cost([_estimate(version, method, base)], trials, _seconds(minutes))
    device = device_picker()
    if trials is None and minutes is None:
        st.warning(_("A search needs an end: give a number of trials, or minutes."), icon=":material/block:")
        return None
    return lambda: project.search(version, method, base, trials, minutes, device, varied=varied or list(found))


def _limit(label: str, key: str, usual: int, empty: str, meaning: str | None = None, most: int = 10_000) -> int | None:
    """A number that may be left empty, which then says ``empty``; it begins with the ``usual`` one."""
    st.session_state.setdefault(key, usual)  # Streamlit lets a field be emptied only when it has no value of its own
    return st.number_input(
        label, min_value=1, max_value=most, value=None, step=1, key=key, placeholder=empty, help=meaning
    )


def _one_method(project: Project, base: str, key: str) -> str:
    names = suitable(project, base)
    if key == "options":
        names = [name for name in names if ranges(get_method(name), project.task.name)]
    usual = next((name for name in ("lora", "full", "bi_encoder") if name in names), names[0])
    return st.selectbox(
        _("Method"),
        names,
        index=names.index(usual),
        format_func=method_words,
        key=f"experiment_method_{key}_{project.id}",
        width=420,
    )


def method_words(name: str) -> str:
    """Name of a method in the reader's language."""
    return _(get_method(name).title)


def option_words(name: str) -> str:
    """Name of an option in the reader's language."""
    return _(name.replace("_", " ").capitalize())


def known_method(name: str) -> bool:
    """Whether a method of this name is still there; runs of older versions may name others."""
    return name in {method.name for method in all_methods()}


def _estimate(version: Version, method: str, base: str) -> Estimate | None:
    options: dict[str, Any] = {}
    return get_estimate(version, method, base if get_method(method).needs_base else None, options)


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else minutes * 60


def _cost(estimates: list[Estimate | None], times: float | None, limit: float | None) -> None:
    """How long all of it will take; ``times`` None: as often as the ``limit`` in seconds allows."""
    known = [one.seconds for one in estimates if one is not None]
    total = sum(known) * (times or 0)
    if times is None:
        if limit is not None:
            st.caption(escape(_("It ends after {limit}.").format(limit=duration(limit))))
    elif not known:
        st.caption(_("How long it takes can be told once the base model is on this machine."))
    elif limit is not None and total > limit:
        text = _("All of it would take about {time}; it ends after {limit}.")
        if len(estimates) > 1:
            text = _("All of it would take about {time}; it ends after {limit}, and what is quick comes first.")
        st.caption(escape(text.format(time=duration(total), limit=duration(limit))))
    else:
        st.caption(escape(_("All of it takes about {time}.").format(time=duration(total))))
