"""A form made from an options record."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def script() -> None:
    from typing import Literal

    import streamlit as st
    from pydantic import BaseModel, Field

    from studio.guard import guard
    from studio.widgets.options_form import options_form

    class Options(BaseModel):
        epochs: int | None = Field(default=None, ge=1, le=9, description="How often.")
        learning_rate: float = Field(default=2e-4, gt=0, description="How far.")
        schedule: Literal["linear", "cosine"] = "linear"
        weights: bool = False

    with guard():
        st.session_state["values"] = options_form(Options, "o")


def test_fields_become_widgets_with_bounds_and_help() -> None:
    app = AppTest.from_function(script, default_timeout=15).run()
    assert not app.exception and app.session_state["values"] == {}
    rate, epochs = app.number_input(key="o_learning_rate"), app.number_input(key="o_epochs")
    assert (rate.value, rate.step) == (2e-4, 1e-4)
    assert (epochs.value, epochs.min, epochs.max, epochs.help) == (None, 1, 9, "How often.")
    assert app.selectbox(key="o_schedule").options == ["linear", "cosine"]


def test_only_changed_values_are_returned() -> None:
    app = AppTest.from_function(script, default_timeout=15).run()
    app.number_input(key="o_epochs").set_value(3)
    app.toggle(key="o_weights").set_value(True)
    app.run()
    assert app.session_state["values"] == {"epochs": 3, "weights": True}


def test_a_value_out_of_bounds_is_named() -> None:
    app = AppTest.from_function(script, default_timeout=15).run()
    app.number_input(key="o_learning_rate").set_value(0.0).run()
    assert "learning" in app.error[0].value and not app.exception
