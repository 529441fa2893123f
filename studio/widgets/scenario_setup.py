"""What every scenario page begins and ends with: which setup, presenter view, settings with roles, the YAML file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from types import MappingProxyType
from typing import Any, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from core.errors import InputError, RefusedError
from core.project import Project
from core.scenarios import Scenario, get_scenario, list_setups
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.roles import best_model, candidates
from core.scenarios.setups import Setup, checked, create_setup, from_yaml, remove_setup, save_setup, to_yaml
from studio import session
from studio.address import remember
from studio.current import annotator
from studio.guard import guard
from studio.headline import headline
from studio.i18n import _
from studio.services import get_workspace
from studio.text import line, told_apart
from studio.widgets.basics import inline_error
from studio.widgets.options_form import field_title

LONG_TEXT = 200
"""A text field that may be longer gets several lines."""


def presenting() -> bool:
    """Whether the page is shown to a stakeholder: large type, no settings."""
    return remember(session.PRESENT, "0", lambda value: value in ("0", "1")) == "1"


def presenter_switch(on: bool) -> None:
    """The button that turns the presenter view on or off."""
    label = _("End presentation") if on else _("Present")
    icon = ":material/close_fullscreen:" if on else ":material/present_to_all:"
    if st.button(label, icon=icon, key="present_switch", type="tertiary"):
        st.session_state[session.PRESENT] = "0" if on else "1"
        st.rerun()


def setup_picker(scenario: str, key: str, hidden: bool = False) -> Setup | None:
    """Choose a setup; the choice is in the URL under ``key``. None while there is none. ``hidden`` only reads it."""
    setups = {str(setup.id): setup for setup in list_setups(get_workspace(), scenario)}
    if not setups:
        return None
    made, number = st.session_state.pop(session.NEXT_SETUP, (None, None))
    if made == key and number in setups:
        st.session_state[key] = number
    chosen = remember(key, next(iter(setups)), setups.__contains__)
    if hidden:
        return setups[chosen]
    chosen = st.selectbox(
        _("Setup"),
        list(setups),
        format_func=told_apart(
            setups, lambda number: _("Sample") if setups[number].name == "Sample" else line(setups[number].name, 60)
        ),
        key=key,
        width=320,
    )
    return setups[chosen]


def new_setup(scenario: str, key: str, config: Callable[[], ScenarioConfig]) -> None:
    """A popover that makes a setup of a name, empty or from a YAML file, and goes to it."""
    with st.popover(_("New setup"), icon=":material/add:"):
        name = st.text_input(_("Name"), key=f"{key}_new_name", max_chars=100)
        file = st.file_uploader(_("From a setup file (optional)"), type=["yaml", "yml"], key=f"{key}_new_file")
        if st.button(_("Create"), key=f"{key}_new_go", type="primary"):
            with guard():
                made = config()
                if file is not None:
                    found, made = from_yaml(_text(file.getvalue()), scenario, get_scenario(scenario).Config)
                    name = name or found
                setup = create_setup(get_workspace(), scenario, name, made, user=annotator())
                st.session_state[session.NEXT_SETUP] = (key, str(setup.id))
                st.rerun()


def setup_file(setup: Setup) -> None:
    """Download the setup as YAML."""
    st.download_button(
        _("Setup file (YAML)"),
        data=to_yaml(setup),
        file_name=f"{setup.scenario}-{setup.id}.yaml",
        mime="application/yaml",
        on_click="ignore",
        icon=":material/download:",
        key=f"yaml_{setup.id}",
    )


def delete_setup(scenario: Scenario, setup: Setup) -> None:
    """A popover that removes a setup with its data after one more click."""
    with st.popover(_("Delete this setup"), icon=":material/delete:"):
        st.markdown(_("The setup and its data go. Models and projects stay."))
        if st.button(_("Delete"), key=f"delete_setup_{setup.id}"):
            scenario.delete_data()
            remove_setup(get_workspace(), setup, user=annotator())
            st.rerun()


def setup_form(
    setup: Setup,
    roles: tuple[Role, ...],
    without: tuple[str, ...] = (),
    own: Mapping[str, Callable[[Any, str], Any]] = MappingProxyType({}),
) -> None:
    """Roles and every setting of a setup, saved together; refused when somebody else saved meanwhile.

    Settings named in ``without`` have forms of their own and stay as they are. ``own`` draws those that need more than
    one plain widget: a function from the value and a widget key to the new value.
    """
    loaded: dict[int, Setup] = st.session_state.setdefault(session.EDITED_SETUPS, {})
    base = loaded.setdefault(setup.id, setup)
    record = get_scenario(setup.scenario).Config
    if base.revision != setup.revision:
        st.info(_("This setup was changed meanwhile. Reload to see it as it is now; what you typed here is lost then."))
        if st.button(_("Reload"), icon=":material/refresh:", key=f"reload_{setup.id}"):
            loaded[setup.id] = setup
            st.rerun()
    key = f"setup_{setup.id}_{base.revision}"
    current = checked(record, base.config)
    with st.form(f"{key}_form", border=False):
        values: dict[str, Any] = {"roles": _roles(current, roles, key)}
        values |= {name: getattr(current, name) for name in without}
        fields = {name: field for name, field in record.model_fields.items() if name not in ("roles", *without, *own)}
        for group, names in groupby(fields, lambda name: _group(fields[name])):
            if group:
                st.markdown(f"**{_(group)}**")
            with st.grid(2, min_column_width=280):
                for name in names:
                    values[name] = _field(name, fields[name], getattr(current, name), f"{key}_{name}")
        values |= {name: draw(getattr(current, name), f"{key}_{name}") for name, draw in own.items()}
        saved = st.form_submit_button(_("Save"), type="primary", icon=":material/save:")
    if not saved:
        return
    try:
        made = checked(record, {name: _parsed(record.model_fields[name], value) for name, value in values.items()})
        loaded[setup.id] = save_setup(get_workspace(), base, made, user=annotator())
    except (InputError, RefusedError) as error:
        inline_error(error)
        return
    st.toast(_("Saved."), icon=":material/check:")
    st.rerun()


def reload_form(setup: Setup) -> None:
    """After this session changed a setup elsewhere: show its settings form as it is now."""
    st.session_state.get(session.EDITED_SETUPS, {}).pop(setup.id, None)


def _roles(config: ScenarioConfig, roles: tuple[Role, ...], key: str) -> dict[str, int | str]:
    """One select box a role: projects that could play it, or nobody."""
    chosen: dict[str, int | str] = {}
    with st.grid(max(1, len(roles)), min_column_width=220):
        for role in roles:
            names: dict[int | str, str] = {0: _("nobody")}
            names |= {project.id: _played(project) for project in candidates(get_workspace(), role)}
            now = config.roles.get(role.name, 0)
            if now not in names:
                names[now] = line(now, 60)
            value = st.selectbox(
                _(role.title),
                list(names),
                index=list(names).index(now),
                format_func=told_apart(names, names.__getitem__),
                help=_(role.help),
                key=f"{key}_role_{role.name}",
            )
            if value:
                chosen[role.name] = value
    return chosen


def _played(project: Project) -> str:
    model = best_model(project)
    name = line(project.name, 50)
    if model is None:
        return _("{project}, no model yet").format(project=name)
    good = headline(model.info.metrics)
    return f"{name}, {good}" if good else name


def _group(field: FieldInfo) -> str:
    """Heading under which a field stands: what its ``json_schema_extra`` names as group."""
    extra = field.json_schema_extra
    return str(extra.get("group", "")) if isinstance(extra, dict) else ""


def _field(name: str, field: FieldInfo, value: Any, key: str) -> Any:
    """The widget that fits one field; lists and name tables are edited as lines of text."""
    kind = field.annotation
    common: dict[str, Any] = {
        "label": field_title(name, field),
        "help": _(field.description) if field.description else None,
        "key": key,
    }
    if kind is bool:
        return st.toggle(value=value, **common)
    if kind in (int, float):
        return st.number_input(value=value, step=1 if kind is int else None, **common)
    if get_origin(kind) is list and get_args(kind) == (str,):
        return st.text_area(value="\n".join(value), height=110, **common)
    if get_origin(kind) is dict:
        return st.text_area(
            value="\n".join(f"{one}: {', '.join(of)}" for one, of in value.items()), height=110, **common
        )
    most = next((part.max_length for part in field.metadata if hasattr(part, "max_length")), 0)
    if most > LONG_TEXT and name.endswith("template"):
        return st.text_area(value=value, height=90, max_chars=most, **common)
    return st.text_input(value=value, max_chars=most or None, **common)


def _parsed(field: FieldInfo, value: Any) -> Any:
    """A widget's value as the record wants it."""
    kind = field.annotation
    if get_origin(kind) is list and isinstance(value, str):
        return [row.strip() for row in value.splitlines() if row.strip()]
    if get_origin(kind) is dict and isinstance(value, str):
        pairs = [row.partition(":") for row in value.splitlines() if row.strip()]
        return {name.strip(): [one.strip() for one in rest.split(",") if one.strip()] for name, _colon, rest in pairs}
    return value


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("The setup file is not UTF-8 text.", "Export it again.") from error
