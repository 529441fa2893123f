"""Routes for experiments: several runs on one version that answer one question. Thin: one core call each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Body, Depends, Path
from pydantic import Field, JsonValue

from core.errors import InputError
from core.experiments import Experiment, Trial
from core.experiments.records import MOST_SEEDS
from core.experiments.standing import Standing, standing
from core.records import Record
from studio.api_base import Open, protected
from studio.api_models import Id


class NewComparison(Record):
    """Methods, or seeds of one method, to train and compare."""

    version_id: Id
    methods: list[str] | None = Field(
        default=None, max_length=50, description="Names from /v1/methods; none given: every method that suits."
    )
    base: str | None = Field(default=None, max_length=200, description="A name from /v1/bases or another Hub id.")
    seeds: int = Field(default=1, ge=1, le=MOST_SEEDS, description="How many seeds of each method.")
    minutes: float | None = Field(default=None, gt=0, le=100_000, description="Most minutes of training.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Options, where it is one method.")


class NewSearch(Record):
    """Options of one method to look for."""

    version_id: Id
    method: str = Field(max_length=100, description="A name from /v1/methods.")
    base: str | None = Field(default=None, max_length=200, description="A name from /v1/bases or another Hub id.")
    trials: int | None = Field(default=20, ge=1, le=1000, description="Most trials.")
    minutes: float | None = Field(default=None, gt=0, le=100_000, description="Most minutes of training.")
    device: str = Field(default="auto", pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")
    varied: list[str] | None = Field(default=None, max_length=50, description="Options to try; none given: all.")
    options: dict[str, JsonValue] = Field(default_factory=dict, description="Options that stay as they are.")


class MoreTime(Record):
    """How a stopped experiment goes on."""

    minutes: float | None = Field(default=None, gt=0, le=100_000, description="Minutes more than it had.")


class PublicExperiment(Record):
    """An experiment: what was asked and how far it is."""

    id: str
    project_id: int
    version_id: int
    kind: Literal["compare", "search"]
    state: Literal["running", "stopped", "finished"]
    minutes: float | None
    spent_seconds: float = Field(description="Seconds of work of its own runs so far.")
    varied: dict[str, Any] = Field(description="For a search: what is tried of each option.")
    trials: list[Trial]


def experiment_of(workspace: Open, experiment_id: Annotated[str, Path(max_length=100)]) -> Experiment:
    """The experiment of the address. Raises NotFoundError."""
    return workspace.experiments.get(experiment_id)


Chosen = Annotated[Experiment, Depends(experiment_of)]
router = protected()


@router.get("/projects/{project_id}/experiments", tags=["experiments"])
def list_experiments(workspace: Open, project_id: Annotated[Id, Path()]) -> list[PublicExperiment]:
    """Comparisons and searches of a project, newest first."""
    return [_public(one) for one in workspace.project(project_id).experiments()]


@router.post("/projects/{project_id}/experiments/compare", tags=["experiments"], status_code=202)
def start_comparison(workspace: Open, project_id: Annotated[Id, Path()], new: NewComparison) -> PublicExperiment:
    """Train several methods, or several seeds, one after the other; answers at once."""
    project = workspace.project(project_id)
    given: dict[str, Any] = new.model_dump(exclude={"version_id", "options"}) | new.options
    if new.options:  # before they become named arguments: one called 'minutes' would take that one's place
        if new.methods is None or len(new.methods) != 1:
            raise InputError("Options belong to one method, and there are several.", "Give one method, or no options.")
        workspace.check_options(new.methods[0], new.options, project.task.name)
    return _public(project.compare(project.version(new.version_id), **given))


@router.post("/projects/{project_id}/experiments/search", tags=["experiments"], status_code=202)
def start_search(workspace: Open, project_id: Annotated[Id, Path()], new: NewSearch) -> PublicExperiment:
    """Look for better options of one method, by the dev split; answers at once."""
    project = workspace.project(project_id)
    workspace.check_options(new.method, new.options, project.task.name)
    given: dict[str, Any] = new.model_dump(exclude={"version_id", "options"}) | new.options
    return _public(project.search(project.version(new.version_id), **given))


@router.get("/experiments/{experiment_id}", tags=["experiments"])
def get_experiment(experiment: Chosen) -> PublicExperiment:
    """What was asked and how far it is."""
    return _public(experiment)


@router.get("/experiments/{experiment_id}/standing", tags=["experiments"])
def get_standing(experiment: Chosen) -> Standing:
    """The finished runs ranked by their dev figures, with costs, and what to take in words."""
    return standing(experiment.runs())


@router.post("/experiments/{experiment_id}/stop", tags=["experiments"], status_code=202)
def stop_experiment(experiment: Chosen) -> PublicExperiment:
    """Start nothing more; what trains now saves and stops."""
    experiment.stop()
    return _public(experiment)


@router.post("/experiments/{experiment_id}/resume", tags=["experiments"], status_code=202)
def resume_experiment(experiment: Chosen, more: Annotated[MoreTime | None, Body()] = None) -> PublicExperiment:
    """Go on where it was stopped, or with more time."""
    return _public(experiment.resume(None if more is None else more.minutes))


@router.delete("/experiments/{experiment_id}", tags=["experiments"], status_code=204)
def delete_experiment(experiment: Chosen) -> None:
    """Forget an experiment; its runs and models stay."""
    experiment.delete()


def _public(experiment: Experiment) -> PublicExperiment:
    plan, progress = experiment.plan, experiment.progress
    return PublicExperiment(
        id=experiment.id,
        project_id=plan.project_id,
        version_id=plan.version_id,
        kind=plan.kind,
        state=progress.state,
        minutes=plan.minutes,
        spent_seconds=round(experiment.spent, 1),
        varied=plan.varied,
        trials=progress.trials,
    )
