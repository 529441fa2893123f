"""What a run will cost, in one line before the start."""

from __future__ import annotations

import streamlit as st

from core.methods.base import Estimate
from studio.i18n import _, duration, percent, size
from studio.phrases import phrase
from studio.text import escape


def show_cost(cost: Estimate | None) -> None:
    """Time, memory, and what will be cut off."""
    if cost is None:
        st.caption(_("The base model is not on this machine yet: it is fetched first, then the time can be told."))
        return
    st.markdown(
        _("About **{time}** and **{memory}** of memory on this machine.").format(
            time=duration(cost.seconds), memory=size(cost.memory_bytes)
        )
    )
    if cost.cut_share > 0:
        st.caption(
            ":material/content_cut: "
            + _("{share} of the texts are longer than the maximum length and will be cut.").format(
                share=percent(cost.cut_share)
            )
        )
    for note in cost.notes:
        st.caption(f":material/info: {escape(phrase(note))}")
