"""Where a project stands on the way from texts to a live model, and the one thing to do next."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.methods import get_method
from core.model import Model
from core.project import Project, Version
from core.records import ItemFilter
from studio.headline import goodness, headline
from studio.i18n import _, ngettext, number

ENOUGH_LABELS = 20
"""Labelled texts from which on a first version is suggested; fewer teach a model next to nothing."""
GROWN_BY = 1.2
"""A new version is suggested when there are this many times the labels of the last one."""


@dataclass(frozen=True)
class Step:
    """One of the five steps and how far it is."""

    title: str
    state: str
    """In words of the catalogue."""
    done: bool


@dataclass(frozen=True)
class Next:
    """The next step as a button: where it leads and with which URL parameters."""

    words: str
    page: str
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Standing:
    """The five steps of a project and what follows."""

    steps: list[Step]
    next: Next


def standing(project: Project) -> Standing:
    """Work out where the project stands."""
    texts = project.count(ItemFilter())
    progress = project.progress()
    versions = project.versions()
    models = project.models()
    champion = next((model for model in models if model.info.champion), None)
    newest = max(versions, key=lambda version: version.number, default=None)
    steps = [
        Step(_("Data"), ngettext("{n} text", "{n} texts", texts).format(n=number(texts)), texts > 0),
        Step(
            _("Labels"),
            _("{done} of {total} labelled").format(done=number(progress.labelled), total=number(progress.total)),
            (len(progress.per_label) > 1 or not project.task.scored)
            and progress.labelled >= min(ENOUGH_LABELS, max(1, progress.total)),
        ),
        Step(_("Version"), _("No. {n}").format(n=newest.number) if newest else _("none yet"), newest is not None),
        Step(
            _("Model"),
            best_model(models) if models else _("none yet"),
            bool(models),
        ),
        Step(_("In use"), model_words(champion) if champion else _("none yet"), champion is not None),
    ]
    return Standing(steps, next_step(project, texts, steps, rows_of(newest)))


def rows_of(version: Version | None) -> int:
    """Rows of a version over all splits; 0 without one."""
    return sum(version.rows(split) for split in version.counts) if version else 0


def best_model(models: list[Model]) -> str:
    """The model that did best on its test split."""
    return model_words(max(models, key=lambda model: goodness(model.info.metrics)))


def model_words(model: Model) -> str:
    """How a model was made and how often it is right."""
    title = _(get_method(model.info.method).title)
    good = headline(model.info.metrics)
    return f"{title}, {good}" if good else title


def next_step(project: Project, texts: int, steps: list[Step], frozen_rows: int) -> Next:
    """The first step that is not done; for a live model, the way to a better one."""
    data, labels, version, model, live = (step.done for step in steps)
    if not data:
        return Next(_("Import texts"), "data", {"view": "import"})
    if project.task.needs_labels and not project.labels:
        return Next(_("Define labels"), "data", {"view": "labels"})
    if not version:
        return (
            Next(_("Freeze a version"), "data", {"view": "versions"}) if labels else Next(_("Label texts"), "annotate")
        )
    if not model:
        busy = any(run.active for run in project.runs())
        return Next(_("Watch the training") if busy else _("Train a model"), "train")
    if not live:
        return Next(_("Read the report"), "evaluate")
    if project.progress().labelled > GROWN_BY * frozen_rows:
        return Next(_("Freeze a new version"), "data", {"view": "versions"})
    return Next(_("Try the model"), "models")
