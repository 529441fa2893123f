"""Evaluate: is it good enough, and where is it wrong?"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

import streamlit as st

from core.errors import NotFoundError, RefusedError
from core.evaluation import Comparison, Evaluation
from core.model import Model
from core.project import Project
from studio import session
from studio.address import remember_several
from studio.current import require_project
from studio.i18n import _, translator
from studio.services import get_difference, get_evaluation, get_verdict
from studio.widgets.answers_view import show_replies
from studio.widgets.basics import page_header
from studio.widgets.choice import url_choice
from studio.widgets.model_picker import model_name, model_picker, require_models, version_numbers
from studio.widgets.ranking_view import LEADING, show_ranking
from studio.widgets.report_view import (
    show_beside,
    show_classes,
    show_confidence,
    show_confusion,
    show_figures,
    show_mistakes,
    show_verdict,
)
from studio.widgets.wording_view import show_exchanges, show_wording, show_wording_beside


def compare_with(project: Project, model: Model, models: list[Model]) -> dict[str, Model]:
    """Draw the choice of models to stand beside this one, at first the champion; return them by name."""
    numbers = version_numbers(project)
    names = {other.id: model_name(other.info, numbers) for other in models}
    others = [other.id for other in models if other.id != model.id]
    champion = [other.id for other in models if other.info.champion and other.id != model.id]
    chosen = remember_several(session.COMPARED, champion, others)
    st.multiselect(
        _("Compare with"),
        others,
        format_func=names.__getitem__,
        key=session.COMPARED,
        placeholder=_("other models"),
    )
    alike = Counter(names.values())
    # Two runs of a minute may be called alike, and none of them may hide the other.
    return {
        names[other.id] + (f" · {other.id[-4:]}" if alike[names[other.id]] > 1 else ""): other
        for other in models
        if other.id in chosen
    }


def beside(chosen: dict[str, Model], split: str, result: Evaluation) -> None:
    """The model beside its baseline, its base before tuning and whatever is chosen."""
    results = {_("This model"): result}
    differences: dict[str, Comparison | RefusedError] = {}
    for name, evaluation in ((_("Baseline"), result.baseline), (_("Before tuning"), result.before)):
        if evaluation is not None:
            results[name] = evaluation
            differences[name] = get_difference(result, evaluation)
    for name, other in chosen.items():
        results[name] = get_evaluation(other, split)
        differences[name] = get_difference(result, results[name])
    (show_beside if result.wording is None else show_wording_beside)(results, differences)


def exchanges(model: Model, models: list[Model], chosen: dict[str, Model], split: str, result: Evaluation) -> None:
    """What the model, its base before tuning, its baseline and whatever is chosen answered to each prompt."""
    others = {_("Before tuning"): result.before, _("Baseline"): result.baseline}
    same = [m for m in models if (m.info.method, m.info.version_id) == ("baseline", model.info.version_id)]
    shown = max(same, key=lambda other: other.info.created_at, default=None) if result.baseline else None
    for name, other in chosen.items():
        if shown is None or other.id != shown.id:  # its baseline stands there already
            with suppress(NotFoundError):  # its version has no such split
                others[name] = get_evaluation(other, split)
    show_exchanges(result, {name: other for name, other in others.items() if other is not None})


def downloads(model: Model, result: Evaluation) -> None:
    """The report to hand on."""
    say = translator()
    with st.popover(_("Download"), icon=":material/download:"):
        for words, suffix, mime, make in (
            ("HTML", "html", "text/html", lambda: result.to_html(say)),
            ("Markdown", "md", "text/markdown", lambda: result.to_markdown(say)),
            ("JSON", "json", "application/json", result.to_json),
        ):
            st.download_button(
                words,
                data=make,
                file_name=f"report-{model.id}.{suffix}",
                mime=mime,
                on_click="ignore",
                key=f"report_{suffix}",
                width="stretch",
            )


project = require_project()
page_header(_("Evaluate"), _("Judged on texts the model has never seen, beside an honest baseline."))
models = require_models(project)
with st.container(horizontal=True, vertical_alignment="bottom"):
    model = model_picker(models, version_numbers(project))
    split = url_choice(_("Split"), {"test": _("Test"), "dev": _("Dev")}, session.SPLIT)
    with st.spinner(_("Working out the report")):
        result = get_evaluation(model, split)
    downloads(model, result)
champion = next((other for other in models if other.info.champion and other.id != model.id), None)
show_verdict(get_verdict(result, get_evaluation(champion, split) if champion else None), result.warnings)
if result.baseline is None and model.info.method != "baseline":
    st.caption(_("The baseline of this version is still being trained; it appears here by itself."))
shown = [show_figures if result.wording is None else show_wording, show_ranking]
if result.headline[0] in LEADING:  # the figure that counts comes first
    shown.reverse()
for show in shown:
    show(result)
parts = {"beside": _("Side by side")}
if result.replies:
    parts |= {"replies": _("Read the answers")}
if result.wording is None:
    parts |= {
        "classes": _("Classes"),
        "confusion": _("Confusions"),
        "mistakes": _("Mistakes"),
        "confidence": _("Confidence"),
    }
else:
    parts |= {"exchanges": _("Read the answers")}
part = url_choice(_("Part of the report"), parts, session.REPORT_PART)
if part == "beside":
    beside(compare_with(project, model, models), split, result)
elif part == "replies":
    show_replies(result)
elif part == "exchanges":
    exchanges(model, models, compare_with(project, model, models), split, result)
elif part == "classes":
    show_classes(result)
elif part == "confusion":
    show_confusion(project, result)
elif part == "mistakes":
    show_mistakes(result)
else:
    show_confidence(result)
