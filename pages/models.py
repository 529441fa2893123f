"""Models: which model is live, and can I try it?"""

from __future__ import annotations

from math import nan

import pandas as pd
import streamlit as st

from core.methods import get_method
from core.model import Model
from studio import session
from studio.current import annotator, require_project
from studio.i18n import _, date_time_column
from studio.widgets.base_picker import base_words
from studio.widgets.basics import page_header
from studio.widgets.batch_form import batch_form
from studio.widgets.choice import url_choice
from studio.widgets.model_panel import api_snippet, model_card, model_header
from studio.widgets.model_picker import model_picker, require_models, version_numbers
from studio.widgets.playground import playground


def models_table(models: list[Model], numbers: dict[int, int]) -> None:
    """Every model of the project with its figures."""
    writes = any("rouge_l" in model.info.metrics for model in models)
    rows = [
        {
            "live": "★" if model.info.champion else "",
            "method": _(get_method(model.info.method).title),
            "base": base_words(model.info.base) if model.info.base else None,
            "version": numbers.get(model.info.version_id),
            "accuracy": 100 * model.info.metrics.get("accuracy", nan),
            "macro": 100 * model.info.metrics.get("macro_f1", nan),
            **({"perplexity": model.info.metrics.get("perplexity")} if writes else {}),
            "bytes": model.info.size_bytes,
            "made": model.info.created_at,
        }
        for model in models
    ]
    column = st.column_config
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        placeholder="",
        column_config={
            "live": column.TextColumn(_("In use"), width=60),
            "method": column.TextColumn(_("Method")),
            "base": column.TextColumn(_("Base model")),
            "version": column.NumberColumn(_("Version"), width=80),
            "accuracy": column.NumberColumn(
                _("Word for word") if writes else _("Accuracy"), format="%.1f %%", width=110
            ),
            "macro": column.NumberColumn(_("F1 of words") if writes else _("Macro F1"), format="%.1f %%", width=100),
            "perplexity": column.NumberColumn(_("Perplexity"), format="%.2f", width=100),
            "bytes": column.NumberColumn(_("Size"), format="bytes", width=90),
            "made": column.DatetimeColumn(_("Made"), format=date_time_column()),
        },
        alt=_("Models of this project"),
    )


project = require_project()
page_header(_("Models"), _("The live model answers for this project. Try it, run a file through it, take it along."))
models = require_models(project)
numbers = version_numbers(project)
model = model_picker(models, numbers)
model_header(project, model, numbers, annotator())
parts = {
    "try": _("Try it"),
    "batch": _("A whole file"),
    "card": _("Card"),
    "api": _("From a program"),
    "all": _("All models"),
}
part = url_choice(_("Part"), parts, session.MODEL_PART)
if part == "try":
    playground(model)
elif part == "batch":
    batch_form(project, model)
elif part == "card":
    model_card(model)
elif part == "api":
    api_snippet(model)
else:
    models_table(models, numbers)
