"""Freeze a dataset version and see the ones there are."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.project import Project
from core.records import VersionInfo
from studio.i18n import _, date_time, number
from studio.navigation import open_page
from studio.phrases import phrase
from studio.text import escape
from studio.widgets.basics import empty_state

SPLITS = ("train", "dev", "test")


def versions_panel(project: Project, user: str) -> None:
    """A form that freezes, above the list of versions."""
    progress = project.progress()
    versions = project.versions()
    if not progress.labelled and not versions:
        empty_state(
            _("A version freezes what is labelled, so that models are compared on the same ground. Label first."),
            _("Start labeling"),
            "annotate",
        )
        return
    # Labels given since the newest version are what one comes here for.
    more = not versions or progress.labelled > sum(versions[0].info.rows(split) for split in SPLITS)
    with st.expander(_("Freeze a new version"), expanded=more, icon=":material/ac_unit:"):
        _freeze(project, user, progress.labelled, first=not versions)
    for version in versions:
        version_card(version.info, newest=version.id == versions[0].id)


def _freeze(project: Project, user: str, labelled: int, first: bool) -> None:
    st.caption(
        _("{n} labelled items. Models learn from train, are chosen on dev, and are judged once on test.").format(
            n=number(labelled)
        )
    )
    imported = "test" in project.split_counts()
    how = {"random": _("Drawn by chance, each label in proportion"), "imported": _("The split column of the import")}
    split = (
        st.radio(_("Split"), list(how), format_func=how.__getitem__, index=1, key=f"freeze_how_{project.id}")
        if imported
        else "random"
    )
    with st.container(horizontal=True):
        test = 20
        if split == "random":
            test = st.slider(_("Test, percent"), 5, 50, 20, step=5, key=f"freeze_test_{project.id}", width=260)
        dev = st.slider(
            _("Dev, percent"),
            5,
            40,
            10,
            step=5,
            key=f"freeze_dev_{project.id}",
            width=260,
            help=_("Taken out of train where the import has no dev split of its own."),
        )
        seed = st.number_input(
            _("Seed"), 0, 2**31 - 1, 0, key=f"freeze_seed_{project.id}", width=120, help=_("Same seed, same split.")
        )
    names = [label.name for label in project.labels]
    left_out = (
        st.multiselect(
            _("Leave out labels"),
            names,
            key=f"freeze_without_{project.id}",
            placeholder=_("none"),
            help=_("The version knows nothing of these labels; the texts stay, with their other labels.")
            if project.task.many
            else _("Items with these labels do not become part of the version."),
        )
        if names
        else []
    )
    if st.button(
        _("Freeze"), type="primary" if first else "secondary", key=f"freeze_{project.id}", icon=":material/ac_unit:"
    ):
        options: dict[str, Any] = {"test": test / 100} if split == "random" else {"split": "imported"}
        if left_out:
            options["labels"] = [name for name in names if name not in left_out]
        with st.spinner(_("Freezing")):
            version = project.freeze(dev=dev / 100, seed=int(seed), user=user, **options)
        st.toast(_("Version {n} is frozen.").format(n=version.number), icon=":material/check:")
        st.rerun()


def version_card(info: VersionInfo, newest: bool) -> None:
    """One version: sizes, counts by label, hash, warnings, and the way to training."""
    sizes = [_("train {train} · dev {dev} · test {test}").format(**{s: number(info.rows(s)) for s in SPLITS})]
    if more := info.rows("unlabelled"):
        sizes.append(_("without a label {n}").format(n=number(more)))
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(_("Version {n}").format(n=info.number), anchor=False, width="content")
            st.caption(" · ".join([*sizes, date_time(info.created_at)]), width="stretch")
            if st.button(_("Train on it"), key=f"train_on_{info.id}", type="primary" if newest else "secondary"):
                open_page("train", version=str(info.id))
        for warning in info.warnings[:5]:
            st.caption(f":material/info: {escape(phrase(warning))}")
        if len(info.warnings) > 5:
            st.caption(_("and {n} more").format(n=number(len(info.warnings) - 5)))
        words = _("Counts by label") if info.labels else _("Fingerprint")
        with st.expander(words, key=f"version_counts_{info.id}", on_change="rerun") as place:
            if place.open:
                if info.labels:
                    st.dataframe(counts_frame(info), alt=_("Rows by label and split"))
                    st.caption(_("Fingerprint"))
                st.code(info.hash, language=None)


def counts_frame(info: VersionInfo) -> pd.DataFrame:
    """Rows by label (index) and split (columns)."""
    return pd.DataFrame(
        {split: [info.counts.get(split, {}).get(label, 0) for label in info.labels] for split in SPLITS},
        index=pd.Index(info.labels, name=_("Label")),
    )
