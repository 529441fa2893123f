"""Bring your own shop: a file of items, a file of events, the settings of the setup, and a new item tried out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.records import ImportPreview
from core.scenarios.recommendation.config import RecommendationConfig, Rule, Weights
from core.scenarios.recommendation.imports import DataReport, EventMapping, ItemMapping, guess
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import SAMPLE
from studio import session
from studio.guard import guard
from studio.i18n import N_, _, ngettext, number
from studio.jobs import Report
from studio.phrases import phrase
from studio.services import get_workspace
from studio.text import escape, line
from studio.uploads import keep_upload
from studio.widgets.column_names import column_names
from studio.widgets.import_result import form_key, import_job, rejected_rows, start_import
from studio.widgets.options_form import field_title
from studio.widgets.scenario_setup import delete_setup, new_setup, setup_file, setup_form

TITLES = {
    "id": N_("Your own id of the item"),
    "title": N_("Title"),
    "description": N_("Description"),
    "category": N_("Category"),
    "price": N_("Price"),
    "added_on": N_("First day in the catalogue"),
    "person": N_("Person"),
    "item": N_("Item (its id)"),
    "kind": N_("What was done"),
    "rating": N_("Rating"),
    "at": N_("When"),
}
REQUIRED = ("id", "person", "item")
Store = Callable[[Path, Any, str, Report], DataReport]


def data_panel(scenario: Recommendation) -> None:
    """Setups, two imports, settings."""
    with st.container(horizontal=True):
        new_setup(scenario.name, session.SHOP, RecommendationConfig)
        setup_file(scenario.setup)
        if scenario.setup.name != SAMPLE:
            delete_setup(scenario, scenario.setup)
    if scenario.setup.name == SAMPLE:
        st.caption(_("Make a new setup for your own shop, so that the sample stays as it is."))
    standing(scenario)
    items, events = st.columns(2, gap="large")
    with items:
        st.subheader(_("Items"), anchor=False)
        importing(
            scenario,
            "items",
            ItemMapping,
            lambda path, mapping, name, report: scenario.import_items(path, mapping, name, report),
        )
    with events:
        st.subheader(_("Events"), anchor=False)
        importing(
            scenario,
            "events",
            EventMapping,
            lambda path, mapping, name, report: scenario.import_events(path, mapping, name, report),
        )
    st.subheader(_("A new item, from its text alone"), anchor=False)
    new_item(scenario)
    st.subheader(_("Model, weights and house rules"), anchor=False)
    own: dict[str, Callable[[Any, str], Any]] = {
        "kinds": _kinds,
        "weights": _weights,
        "popular_days": _popular,
        "new_days": _new,
        "rules": _rules,
    }
    setup_form(scenario.setup, scenario.roles, own=own)


def standing(scenario: Recommendation) -> None:
    """What is there, and what of it cannot be used."""
    found = scenario.standing()
    with st.grid(4, min_column_width=150):
        st.metric(_("Items"), number(found.items))
        st.metric(_("People"), number(found.people))
        st.metric(_("Events"), number(found.events))
        st.metric(_("Likes"), number(found.likes), help=_("Different pairs of a person and an item they like."))
    notes = []
    if found.without_text:
        notes.append(
            ngettext(
                "{n} item has no text: only behaviour finds it.",
                "{n} items have no text: only behaviour finds them.",
                found.without_text,
            ).format(n=number(found.without_text))
        )
    if found.items and found.without_price:
        notes.append(
            ngettext("{n} item has no price.", "{n} items have no price.", found.without_price).format(
                n=number(found.without_price)
            )
        )
    if found.unknown_events:
        notes.append(
            ngettext(
                "{n} event names an item that is not there; it waits for it.",
                "{n} events name items that are not there; they wait for them.",
                found.unknown_events,
            ).format(n=number(found.unknown_events))
        )
    if found.events and not found.timed:
        notes.append(_("The events have no times: their order in the file says what came last."))
    for note in notes:
        st.caption(f":material/info: {note}")


def importing(scenario: Recommendation, kind: str, record: type[Any], store: Store) -> None:
    """Upload, map, add, in the background."""
    key = f"shop_{kind}_{scenario.setup.id}"
    busy = import_job(key, _counts)
    upload = st.file_uploader(_("CSV, JSONL, Parquet or Excel"), key=f"{form_key(key)}_upload")
    if upload is None:
        return
    path, name = keep_upload(upload), upload.name
    preview = _preview(upload.file_id, path, name)
    st.dataframe(
        pd.DataFrame(preview.rows[:5], columns=preview.columns), hide_index=True, alt=_("First rows of the file")
    )
    mapping = _mapping(preview.columns, record, key)
    if st.button(_("Import"), type="primary", icon=":material/download:", disabled=busy, key=f"{key}_go"):
        start_import(
            key, _("Importing {name}").format(name=line(name, 60)), lambda report: store(path, mapping, name, report)
        )


def _preview(upload: str, path: Path, name: str) -> ImportPreview:
    """The first rows of an upload, read once a session."""
    from core.data.importing import preview

    known: dict[str, ImportPreview] = st.session_state.setdefault(session.SHOP_PREVIEWS, {})
    if upload not in known:
        with st.spinner(_("Reading the first rows")):
            known[upload] = preview(path, filename=name, settings=get_workspace().settings)
    return known[upload]


def _mapping(columns: list[str], record: type[Any], key: str) -> Any:
    """A select box a meaning, set to our guess."""
    found = guess(columns, record)
    chosen: dict[str, str | None] = {}
    with st.grid(2, min_column_width=160):
        for name, field in record.model_fields.items():
            options = list(columns) if name in REQUIRED else ["", *columns]
            now = found[name] or ""
            value = st.selectbox(
                _(TITLES[name]),
                options,
                index=options.index(now) if now in options else 0,
                format_func=column_names(options),
                help=_(field.description or ""),
                key=f"{key}_{name}_{'|'.join(columns)[:80]}",
            )
            chosen[name] = value or None
    return record.model_validate(chosen)


def _counts(report: DataReport, key: str) -> None:
    st.success(
        ngettext("{n} row added", "{n} rows added", report.added).format(n=number(report.added)),
        icon=":material/check:",
    )
    facts = []
    if report.replaced:
        facts.append(ngettext("{n} replaced", "{n} replaced", report.replaced).format(n=number(report.replaced)))
    if report.duplicates:
        facts.append(
            ngettext("{n} there already", "{n} there already", report.duplicates).format(n=number(report.duplicates))
        )
    if facts:
        st.caption(" · ".join(facts))
    for warning in report.warnings:
        st.warning(escape(phrase(warning)), icon=":material/info:")
    if report.rejected:
        rejected_rows(report.rejected, key)


def new_item(scenario: Recommendation) -> None:
    """Type an item; see what it is near to and whom it suits."""
    with st.form(f"shop_new_item_{scenario.setup.id}", border=False):
        text = st.text_area(
            _("Title and description"),
            height=80,
            key=f"shop_new_text_{scenario.setup.id}",
            placeholder=_("e.g. Cast iron teapot. Small, black, keeps two cups hot."),
        )
        asked = st.form_submit_button(_("Find its place"), icon=":material/search:")
    if not asked:
        return
    with guard(), st.spinner(_("Reading")):
        found = scenario.place_item(text or "")
        left, right = st.columns(2, gap="large")
        for place, title, close in ((left, _("Reads like"), found.similar), (right, _("Suits"), found.people)):
            with place:
                st.dataframe(
                    pd.DataFrame([{"title": line(one.title, 80), "score": one.score} for one in close]),
                    hide_index=True,
                    column_config={
                        "title": st.column_config.TextColumn(title),
                        "score": st.column_config.ProgressColumn(
                            _("How close"), format="%.2f", min_value=0, max_value=1
                        ),
                    },
                    alt=title,
                )


# ---------------------------------------------------------------- fields of the settings form


def _help(name: str) -> str:
    return _(RecommendationConfig.model_fields[name].description or "")


def _kinds(value: dict[str, float], key: str) -> dict[str, float]:
    """A small table: kind of event and what it says."""
    st.markdown(_("What events say"), help=_help("kinds"))
    rows = st.data_editor(
        pd.DataFrame([{"kind": kind, "weight": weight} for kind, weight in value.items()], columns=["kind", "weight"]),
        num_rows="dynamic",
        hide_index=True,
        column_config={
            "kind": st.column_config.TextColumn(_("Kind of event"), max_chars=50, required=True),
            "weight": st.column_config.NumberColumn(
                _("Weight"), min_value=-10.0, max_value=10.0, step=0.1, required=True
            ),
        },
        key=key,
    )
    filled = rows.dropna().to_dict("records")
    return {str(row["kind"]): float(row["weight"]) for row in filled if row["kind"]}


def _weights(value: Weights, key: str) -> dict[str, float]:
    """Sliders, as beside the list."""
    st.markdown(_("Where the sliders stand at first"))
    found: dict[str, float] = {}
    with st.grid(3, min_column_width=180):
        for name, field in Weights.model_fields.items():
            found[name] = st.slider(
                field_title(name, field),
                0.0,
                2.0,
                float(getattr(value, name)),
                0.05,
                help=_(field.description or ""),
                key=f"{key}_{name}",
            )
    return found


def _days(label: str, name: str, value: float | None, key: str) -> float | None:
    return st.number_input(
        label, min_value=0.1, value=value, placeholder=_("automatic"), help=_help(name), key=key, width=320
    )


def _popular(value: float | None, key: str) -> float | None:
    return _days(_("Days until an event counts half"), "popular_days", value, key)


def _new(value: float | None, key: str) -> float | None:
    return _days(_("Days until an item is half as new"), "new_days", value, key)


def _rules(value: list[Rule], key: str) -> list[dict[str, str]]:
    """A table of house rules."""
    st.markdown(_("House rules"), help=_help("rules"))
    rows = st.data_editor(
        pd.DataFrame([rule.model_dump() for rule in value], columns=["field", "value", "action"]),
        num_rows="dynamic",
        hide_index=True,
        column_config={
            "field": st.column_config.SelectboxColumn(
                _("Where"), options=["category", "title", "id"], required=True, default="category"
            ),
            "value": st.column_config.TextColumn(_("What stands there"), max_chars=200, required=True),
            "action": st.column_config.SelectboxColumn(
                _("Then"), options=["exclude", "boost", "bury"], required=True, default="exclude"
            ),
        },
        key=key,
    )
    return [{str(name): str(cell) for name, cell in row.items()} for row in rows.dropna().to_dict("records")]
