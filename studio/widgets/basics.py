"""The small pieces every page is made of. User text given to them is escaped here, once."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import StudioError
from studio.i18n import _, duration, number, percent
from studio.navigation import open_page
from studio.text import escape


def page_header(title: str, help_line: str) -> None:
    """Title and one line of help. Both come from the catalogue, so they may hold Markdown."""
    st.title(title, anchor=False)
    st.caption(help_line)


def empty_state(message: str, button: str, page: str, **parameters: str) -> None:
    """Nothing here yet: say what it is for and offer the one next step."""
    with st.container(border=True, horizontal_alignment="center", gap="medium"):
        st.markdown(message, text_alignment="center")
        if st.button(button, type="primary", icon=":material/arrow_forward:", key=f"empty_{page}_{button}"):
            open_page(page, **parameters)


def stat(
    label: str,
    value: float,
    interval: tuple[float, float] | None = None,
    against: float | None = None,
    against_name: str = "",
    help_text: str | None = None,
) -> None:
    """A share as percent with its 95 % interval below, and the difference to another model in points.

    value, interval and against are shares of 1. ``label``, ``against_name`` and ``help_text`` come from the catalogue.
    """
    delta = None
    if against is not None:
        points = (value - against) * 100
        delta = _("{points} points").format(points=f"{points:+.1f}")
    with st.container(gap="xsmall"):
        st.metric(
            label,
            percent(value),
            delta=delta,
            delta_color="off" if delta is not None and abs(value - (against or 0)) < 0.0005 else "normal",
            delta_description=against_name or None,
            help=help_text,
        )
        if interval is not None:
            st.caption(_("95 % interval {low} to {high}").format(low=percent(interval[0]), high=percent(interval[1])))


def label_chips(names: Sequence[str], limit: int = 30) -> None:
    """Label names as quiet badges, the rest as a number."""
    with st.container(horizontal=True, gap="xsmall"):
        for name in names[:limit]:
            st.badge(escape(name, 40), color="gray")
        if len(names) > limit:
            st.caption(_("and {n} more").format(n=number(len(names) - limit)))


def progress_line(done: int, total: int | None, message: str = "", eta_seconds: float | None = None) -> None:
    """How far, of how much, how much longer. ``message`` may be user text."""
    share = min(1.0, done / total) if total else 0.0
    words = [f"{number(done)} / {number(total)}" if total else number(done)]
    if message:
        words.append(escape(message, 120))
    if eta_seconds is not None:
        words.append(_("about {time} left").format(time=duration(eta_seconds)))
    st.progress(share, text=" · ".join(words))


def inline_error(error: StudioError) -> None:
    """A warning that does not end the page, e.g. why a form cannot be sent."""
    st.warning(escape(error.message) + ("\n\n" + escape(error.hint) if error.hint else ""), icon=":material/info:")
