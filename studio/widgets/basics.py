"""The small pieces every page is made of. User text given to them is escaped here, once."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.errors import StudioError
from studio.i18n import _, duration, number, percent
from studio.navigation import open_page
from studio.phrases import phrase
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
    help_text: str | None = None,
) -> None:
    """A share as percent, its 95 % interval below, and the difference to another model in points.

    value, interval and against are shares of 1. ``label`` and ``help_text`` come from the catalogue. The page says
    once what the interval and the difference are.
    """
    delta = None if against is None else f"{(value - against) * 100:+.1f}"
    with st.container(gap="xsmall"):
        st.metric(label, percent(value), delta=0 if delta in ("+0.0", "-0.0") else delta, help=help_text)
        if interval is not None:
            st.caption(f"{percent(interval[0])} – {percent(interval[1])}")


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
    words = [f"{number(done)} / {number(total)}"] if total else [number(done)] if done else []
    if message:
        words.append(escape(phrase(message), 120))
    if eta_seconds is not None:
        words.append(_("about {time} left").format(time=duration(eta_seconds)))
    st.progress(share, text=" · ".join(words))


def inline_error(error: StudioError) -> None:
    """A warning that does not end the page, e.g. why a form cannot be sent."""
    st.warning(
        escape(phrase(error.message)) + ("\n\n" + escape(phrase(error.hint)) if error.hint else ""),
        icon=":material/info:",
    )
