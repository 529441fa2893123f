"""Train: which model should I make, and what will it cost?"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import streamlit as st

from core.errors import RefusedError
from core.methods.base import Estimate, Method, options_for
from core.project import Project, Version
from studio import session
from studio.address import remember
from studio.current import require_project
from studio.guard import guard
from studio.i18n import _, number
from studio.phrases import phrase
from studio.services import get_estimate
from studio.text import escape
from studio.widgets.base_picker import base_picker, chosen_base
from studio.widgets.basics import empty_state, page_header
from studio.widgets.choice import url_choice
from studio.widgets.cost_line import show_cost
from studio.widgets.curves_view import curves_together
from studio.widgets.device_picker import device_picker
from studio.widgets.experiment_form import experiment_form
from studio.widgets.experiment_view import experiment_view
from studio.widgets.method_cards import method_cards
from studio.widgets.options_form import options_form
from studio.widgets.run_copy import copied_options, fill_form, forget_copy
from studio.widgets.run_queue import run_queue
from studio.widgets.setup import hardware_panel

DEFAULT_METHOD = "features"


def pick_version(project: Project) -> Version:
    """The dataset version to learn from; ends the page with the way to one when there is none."""
    versions = {str(version.id): version for version in project.versions()}
    if not versions:
        empty_state(
            _("A model learns from a frozen version of the labelled texts. There is none yet."),
            _("Freeze a version"),
            "data",
            view="versions",
        )
        run_queue(project)
        st.stop()
    remember(session.TRAIN_VERSION, next(iter(versions)), versions.__contains__)
    chosen = st.selectbox(
        _("Dataset version"),
        list(versions),
        format_func=lambda key: _("Version {n}: {train} to learn from, {test} to judge").format(
            n=versions[key].number,
            train=number(versions[key].rows("train")),
            test=number(versions[key].rows("test")),
        ),
        key=session.TRAIN_VERSION,
        width=520,
    )
    if gone := versions[chosen].gone_labels:
        st.warning(
            _(
                "The labels changed since this version was frozen: a model of it still gives {labels}. Freeze a new "
                "version to learn the labels of today."
            ).format(labels=escape(", ".join(gone), 200)),
            icon=":material/sell:",
        )
    return versions[chosen]


def advanced(method: Method, project: Project) -> tuple[dict[str, Any], str]:
    """Options that differ from the defaults of this task, and the device."""
    reset = st.session_state.get(session.TRAIN_RESET, 0)
    with st.expander(_("Options"), icon=":material/tune:", key="train_options"):
        st.caption(_("The defaults are good; change one only with a reason."))
        record, start = options_for(method, project.task.name), copied_options(method)
        options = options_form(record, f"option_{method.name}_{reset}", start=start)
        device = device_picker()
        if options and st.button(_("Back to the defaults"), icon=":material/restart_alt:"):
            forget_copy()
            st.rerun()
    if options:
        st.caption(_("Changed: {options}").format(options=escape(", ".join(f"{k} = {v}" for k, v in options.items()))))
    return options, device


def one_model(project: Project, version: Version) -> None:
    """Method cards, options, cost, the start, and below it the queue."""

    def estimate(method: Method) -> Estimate | None:
        """What this method would cost on the chosen version and base, with its default options."""
        return get_estimate(version, method.name, chosen_base(project) if method.needs_base else None, {})

    def reason(method: Method) -> str | None:
        """Why this method does not fit the task or the chosen base."""
        return project.unsuited(method.name, chosen_base(project) if method.needs_base else None)

    method = method_cards(project.task.name, DEFAULT_METHOD, estimate, reason)
    base = base_picker(project) if method.needs_base else None
    start = st.container()
    choice = None
    why: str | None = None
    started: str | None = None
    with guard():
        choice = advanced(method, project)
    with start, guard():
        options, device = choice or ({}, "auto")
        if why := project.unsuited(method.name, base):
            st.warning(escape(phrase(why)), icon=":material/block:")
        show_cost(get_estimate(version, method.name, base, options, device))
        first = bool(project.workspace.queue()) and st.toggle(
            _("Put it first in line"), key="train_first", help=_("Other runs wait; this one begins before them.")
        )
        if st.button(
            _("Start training"),
            type="primary",
            icon=":material/play_arrow:",
            key="train_start",
            disabled=choice is None or why is not None,
        ):
            run = project.train(version, method=method.name, base=base, device=device, **options)
            if first:
                with suppress(RefusedError):  # it has begun already
                    run.move(1)
            st.toast(_("Queued. It trains in the background."), icon=":material/check:")
            st.session_state[session.TRAIN_STARTED] = run.id
        started = st.session_state.get(session.TRAIN_STARTED)
        if started:
            run_queue(project, only=started)
    curves_together(project, version)
    run_queue(project, without=started)


project = require_project()
page_header(_("Train"), _("Choose how the model is made. It trains in the background; go on labeling meanwhile."))
fill_form(project)
how = url_choice(_("How many"), {"one": _("One model"), "several": _("Several, compared")}, session.TRAIN_HOW)
version = pick_version(project)
if how == "one":
    one_model(project, version)
else:
    experiment_form(project, version)
    experiment_view(project, version)
with st.expander(_("Hardware"), icon=":material/memory:", key="train_hardware", on_change="rerun") as machine:
    if machine.open:
        hardware_panel()
