"""A form made from an options record: field descriptions become help, types and bounds become widgets.

Knows nothing of any method: a new option is one field in the record.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from core.errors import InputError
from studio.i18n import _
from studio.phrases import phrase


def options_form(
    record: type[BaseModel], key: str, columns: int = 3, start: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Show one widget a field of ``record``; return the values that differ from the defaults.

    The widgets begin with the values of ``start``, those that it does not name with the defaults.
    Raises InputError naming the fields that do not fit.
    """
    begin = _usable(record, start or {})
    values: dict[str, Any] = {}
    with st.grid(columns, min_column_width=220):
        for name, field in record.model_fields.items():
            values[name] = _widget(name, field, f"{key}_{name}", begin[name])
    try:
        checked = record(**values)
    except ValidationError as error:
        raise InputError(_explain(error), _("Change these values, or reset the options.")) from error
    return {
        name: getattr(checked, name)
        for name, field in record.model_fields.items()
        if getattr(checked, name) != field.get_default(call_default_factory=True)
    }


def field_title(name: str, field: FieldInfo) -> str:
    """Name of an option in the words of the form."""
    return _(field.title or name.replace("_", " ").capitalize())


def _usable(record: type[BaseModel], start: Mapping[str, Any]) -> dict[str, Any]:
    """Values for every field: those of ``start`` that the record knows, if they fit, and the defaults."""
    try:
        return dict(record(**{name: value for name, value in start.items() if name in record.model_fields}))
    except ValidationError:  # of an earlier release, with other bounds
        return {name: field.get_default(call_default_factory=True) for name, field in record.model_fields.items()}


def _explain(error: ValidationError) -> str:
    named = [(".".join(str(part) for part in found["loc"]), found["msg"]) for found in error.errors()]
    return "; ".join(f"{name}: {words}" if name else phrase(words) for name, words in named)


def _widget(name: str, field: FieldInfo, key: str, begin: Any) -> Any:
    """The widget that fits the annotation of one field; it begins with the value ``begin``."""
    kind, optional = _unwrap(field.annotation)
    default = field.get_default(call_default_factory=True)
    common: dict[str, Any] = {
        "label": field_title(name, field),
        "help": _(field.description) if field.description else None,
        "key": key,
    }
    if kind is bool:
        return st.toggle(value=begin, **common)
    if get_origin(kind) is Literal:
        choices = [*([None] if optional else []), *get_args(kind)]
        return st.selectbox(
            options=choices, index=choices.index(begin), format_func=lambda value: _choice(value), **common
        )
    if kind in (int, float):
        return _number(kind, field, begin, optional, common)
    draw = st.text_area if "\n" in str(default) else st.text_input
    text = draw(value="" if begin is None else str(begin), **common)
    return None if optional and not text else text


def _choice(value: Any) -> str:
    return _("automatic") if value is None else _(str(value).replace("_", " "))


def _number(kind: type, field: FieldInfo, begin: Any, optional: bool, common: dict[str, Any]) -> Any:
    low, high = _bounds(field, kind)
    step = 1 if kind is int else _step(field.get_default(call_default_factory=True))
    return st.number_input(
        value=None if begin is None else kind(begin),
        min_value=low,
        max_value=high,
        step=step,
        format=None if kind is int else "%g",
        placeholder=_("automatic") if optional else None,
        **common,
    )


def _step(default: float | None) -> float:
    """A tenth of the default's own size, so that one click is a sensible change: 2e-4 -> 1e-4, 0.1 -> 0.1."""
    if not default:
        return 0.1
    return float(f"1e{int(f'{abs(default):e}'.split('e')[1])}")


def _bounds(field: FieldInfo, kind: type) -> tuple[Any, Any]:
    """Inclusive bounds as the widget wants them; exclusive ones are left to the record's own check."""
    low = next((kind(rule.ge) for rule in field.metadata if getattr(rule, "ge", None) is not None), None)
    high = next((kind(rule.le) for rule in field.metadata if getattr(rule, "le", None) is not None), None)
    if low is None and any(getattr(rule, "gt", None) is not None for rule in field.metadata) and kind is float:
        low = 0.0
    return low, high


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """(inner type, whether None is allowed)."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return inner[0], len(inner) < len(get_args(annotation))
    return annotation, False
