"""One running job: what, how far, a stop. The page reruns by itself when the job ends."""

from __future__ import annotations

import streamlit as st

from studio.guard import guarded
from studio.i18n import _, number
from studio.jobs import Job
from studio.phrases import phrase
from studio.services import get_jobs
from studio.text import escape


def show_job(key: str) -> Job | None:
    """Draw the running job of this key, if there is one; return the job in whatever state it is."""
    job = get_jobs().get(key)
    if job is not None and job.state == "running":
        _watch(key)
    return job


@st.fragment(run_every=0.7)
@guarded
def _watch(key: str) -> None:
    job = get_jobs().get(key)
    if job is None or job.state != "running":
        st.rerun()
        return
    now = job.progress
    share = min(now.done / now.total, 1.0) if now.total else 0.0
    words = [escape(job.title, 80)]
    if now.message:
        words.append(escape(phrase(now.message), 80))
    if now.done:
        words.append(f"{number(now.done)} / {number(now.total)}" if now.total else number(now.done))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.progress(share, text=" · ".join(words))
        if st.button(_("Stopping…") if job.stopping else _("Stop"), key=f"stop_{key}", disabled=job.stopping):
            job.stop()
            st.rerun(scope="fragment")
