"""The curves of a run for an experiment tracker, as a download. Nothing is sent to one."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.run import Run
from core.training.trackers import TRACKERS, installed
from studio.i18n import _


def curve_export(run: Run) -> None:
    """A popover with the format and one download button; the file is made when it is pressed."""
    with st.popover(_("Export curves"), icon=":material/download:", type="tertiary"):
        there = [name for name, tracker in TRACKERS.items() if installed(tracker)]
        name = st.selectbox(_("Format"), there, format_func=lambda one: TRACKERS[one].title, key=f"curves_as_{run.id}")
        st.download_button(
            _("Download the curves"),
            data=partial(run.export_zip, name),
            file_name=f"whetstone-{run.id}-{name}.zip",
            mime="application/zip",
            on_click="ignore",
            key=f"curves_zip_{run.id}",
        )
        st.caption(_("Unpack it as FOLDER, then look at it with:"))
        st.code(TRACKERS[name].look.format(folder="FOLDER"), language=None)
        if absent := [tracker.title for tracker in TRACKERS.values() if not installed(tracker)]:
            words = _("Offered as well once it is installed beside the studio: {trackers}.")
            st.caption(words.format(trackers=", ".join(absent)))
