"""Who plays which part: the model behind each role, looked up anew each time, so that a promotion counts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.samples import PROJECT
from core.errors import NotFoundError, RefusedError
from core.scenarios.base import Role, ScenarioConfig

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Project
    from core.workspace import Workspace


def role_model(workspace: Workspace, role: Role, config: ScenarioConfig) -> Model | None:
    """The model that plays a role; None while nobody does.

    A number means a project, whose champion plays, else its newest tuned model, else its baseline. Raises RefusedError
    for a model that is gone or was trained for another task.
    """
    chosen = config.roles.get(role.name)
    if chosen is None:
        return None
    try:
        model = best_model(workspace.project(chosen)) if isinstance(chosen, int) else workspace.model(chosen)
    except NotFoundError as error:
        raise RefusedError(
            f"The part '{role.title}' is given to something that is gone.", "Choose another model for it."
        ) from error
    if model is not None and model.info.task != role.task:
        raise RefusedError(
            f"The part '{role.title}' needs a model of the task '{role.task}', not '{model.info.task}'.",
            "Choose another model for it.",
        )
    return model


def best_model(project: Project) -> Model | None:
    """The champion of a project, else its newest model that is no baseline, else its newest one."""
    models = project.models()
    tuned = [model for model in models if model.info.method != "baseline"]
    return project.champion() or next(iter(tuned), None) or next(iter(models), None)


def role_project(workspace: Workspace, role: Role, config: ScenarioConfig) -> Project | None:
    """The project that a role's model belongs to, to which what it gets wrong goes back; None while there is none."""
    chosen = config.roles.get(role.name)
    if isinstance(chosen, int):
        try:
            return workspace.project(chosen)
        except NotFoundError:
            return None
    model = role_model(workspace, role, config)
    return None if model is None else workspace.project(model.info.project_id)


def sample_roles(workspace: Workspace, roles: tuple[Role, ...]) -> dict[str, int | str]:
    """Roles of a sample setup: each given to the sample project that trains for it."""
    found: dict[str, int | str] = {}
    existing = {project.id for project in workspace.projects()}
    for role in roles:
        number = workspace.preference(PROJECT.format(role.sample)) if role.sample else None
        if number in existing:
            found[role.name] = number
    return found


def candidates(workspace: Workspace, role: Role) -> list[Project]:
    """Projects whose models could play a role."""
    return [project for project in workspace.projects() if project.task.name == role.task]
