"""Try a model that writes: the response appears as it is written, beside that of the model before tuning if wanted.

The script run of this page writes. Whatever ends that run ends the writing with it, at the next token: the stop button,
another page, a window that is closed. Nobody else waits for a response that no one reads.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import StudioError
from core.model import Model
from core.records import Writing
from studio import session
from studio.i18n import _, number, percent
from studio.services import get_model

SHOWN_EVERY = 0.08
"""Seconds between two looks at what is written."""


@dataclass(frozen=True)
class Written:
    """A response, or as much of it as there is."""

    title: str
    """Whose response it is; empty where there is only one."""
    text: str = ""
    milliseconds: float = 0.0
    share: float | None = None
    """How sure the model was of a token on average; None while it writes, and where it was stopped."""


def writing_desk(model: Model) -> None:
    """One prompt, how to answer it, and the response."""
    with st.form(f"write_{model.id}", border=False):
        prompt = st.text_area(
            _("A prompt"), key=f"write_prompt_{model.id}", height=130, placeholder=_("What should be written?")
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            longest = st.number_input(
                _("Longest response, in tokens"),
                1,
                4096,
                value=None,
                placeholder=_("as learned"),
                key=f"write_longest_{model.id}",
                width=220,
                help=_(Writing.model_fields["max_tokens"].description or ""),
            )
            temperature = st.slider(
                _("Temperature"),
                0.0,
                2.0,
                0.0,
                step=0.1,
                key=f"write_temperature_{model.id}",
                width=260,
                help=_(Writing.model_fields["temperature"].description or ""),
            )
            both = model.has_untuned and st.checkbox(
                _("Beside it the base model before tuning"), key=f"write_both_{model.id}"
            )
        asked = st.form_submit_button(_("Write"), type="primary", icon=":material/edit:")
    if asked and (prompt or "").strip():
        how = Writing(max_tokens=longest, temperature=temperature, seed=time.time_ns() % 2**32)
        _write(model, prompt.strip(), how, both)
        return
    held: tuple[str, list[Written]] | None = st.session_state.get(session.WRITTEN)
    if held is not None and held[0] == model.id and held[1]:
        for written, slot in zip(held[1], _slots(len(held[1])), strict=True):
            _show(written, slot)


def _write(model: Model, prompt: str, how: Writing, both: bool) -> None:
    """Write one response after the other; what there is of them outlives this script run."""
    responses = [Written(title) for title in ([_("This model"), _("Before tuning")] if both else [""])]
    st.session_state[session.WRITTEN] = (model.id, responses)
    stop = st.empty()
    stop.button(_("Stop"), key=f"write_stop_{model.id}", icon=":material/stop:")
    slots = _slots(len(responses))
    for place, slot in enumerate(slots):
        started = looked = time.perf_counter()

        def wrote(text: str, place: int = place, slot: DeltaGenerator = slot, started: float = started) -> bool:
            nonlocal looked
            now = time.perf_counter()
            responses[place] = replace(responses[place], text=text, milliseconds=(now - started) * 1000)
            if now - looked > SHOWN_EVERY:
                looked = now
                _show(responses[place], slot)  # where Streamlit ends this run if it is not wanted any more
            return True

        try:
            with slot, st.spinner(_("Writing")):
                answer = get_model(model.id).write(prompt, wrote, how, untuned=bool(place))
        except StudioError:
            st.session_state[session.WRITTEN] = (model.id, responses[:place])  # what failed is no empty response
            stop.empty()
            raise
        took = (time.perf_counter() - started) * 1000
        responses[place] = replace(responses[place], text=str(answer.label), milliseconds=took, share=answer.score)
        _show(responses[place], slot)
    stop.empty()


def _slots(count: int) -> list[DeltaGenerator]:
    """A place for each response, side by side."""
    return [column.empty() for column in st.columns(count)]


def _show(written: Written, slot: DeltaGenerator) -> None:
    """A response as it is, never interpreted."""
    with slot.container(border=True):
        if written.title:
            st.markdown(f"**{written.title}**")
        st.text(written.text or _("(nothing)"))
        facts = _("{ms} ms").format(ms=number(written.milliseconds))
        if written.share is not None:
            facts = _("{ms} ms · on average {share} sure of a token").format(
                ms=number(written.milliseconds), share=percent(written.share)
            )
        st.caption(facts)
