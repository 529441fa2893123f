from __future__ import annotations

from datetime import datetime

import pytest

from core.data.samples import PROJECT
from core.errors import RefusedError
from core.project import Project
from core.records import ModelInfo
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.roles import candidates, role_model, role_project, sample_roles
from core.storage import catalogue
from core.workspace import Workspace

INTENT = Role("intent", "Intent", "What does the customer want?", "classification", sample="intents")


def add_model(project: Project, name: str, method: str, day: int) -> str:
    facts = {"version_id": 1, "task": "classification", "labels": ["a", "b"], "path": "nowhere"}
    made = datetime(2026, 1, day)
    info = ModelInfo(id=name, project_id=project.id, method=method, created_at=made, **facts)  # type: ignore[arg-type]
    catalogue.insert_model(project.workspace.database, info)
    return name


def played_by(workspace: Workspace, config: ScenarioConfig) -> str | None:
    model = role_model(workspace, INTENT, config)
    return None if model is None else model.id


@pytest.fixture
def project(workspace: Workspace) -> Project:
    return workspace.create_project("Intents", labels=["a", "b"])


def test_a_project_sends_its_champion_else_its_newest_tuned_model(workspace, project):
    config = ScenarioConfig(roles={"intent": project.id})
    assert role_model(workspace, INTENT, ScenarioConfig()) is None
    assert role_model(workspace, INTENT, config) is None
    best = []
    for day, (name, method) in enumerate([("b", "baseline"), ("f", "features"), ("l", "lora"), ("b2", "baseline")], 1):
        add_model(project, name, method, day)
        best.append(played_by(workspace, config))
    assert best == ["b", "f", "l", "l"]
    project.promote("f")
    assert played_by(workspace, config) == "f"
    assert played_by(workspace, ScenarioConfig(roles={"intent": "b2"})) == "b2"


def test_what_a_role_gets_wrong_goes_to_its_project(workspace, project):
    model = add_model(project, "m", "features", 1)
    for chosen in (project.id, model):
        found = role_project(workspace, INTENT, ScenarioConfig(roles={"intent": chosen}))
        assert found is not None and found.id == project.id
    assert role_project(workspace, INTENT, ScenarioConfig()) is None


@pytest.mark.parametrize("chosen", [999, "no-such-model"])
def test_a_part_given_to_something_gone_is_said(workspace, chosen):
    with pytest.raises(RefusedError, match="'Intent' is given to something that is gone"):
        role_model(workspace, INTENT, ScenarioConfig(roles={"intent": chosen}))


def test_a_model_of_another_task_cannot_play(workspace, project):
    add_model(project, "m", "features", 1)
    role = Role("match", "Matching", "help", "pair")
    with pytest.raises(RefusedError, match="needs a model of the task 'pair', not 'classification'"):
        role_model(workspace, role, ScenarioConfig(roles={"match": "m"}))
    assert candidates(workspace, role) == [] and [p.id for p in candidates(workspace, INTENT)] == [project.id]


def test_sample_roles_are_filled_while_the_sample_projects_are_there(workspace, project):
    roles = (INTENT, Role("topic", "Topic", "", "classification", sample="topics"), Role("x", "X", "", "pair"))
    assert sample_roles(workspace, roles) == {}
    workspace.set_preference(PROJECT.format("intents"), project.id)
    workspace.set_preference(PROJECT.format("topics"), 999)
    assert sample_roles(workspace, roles) == {"intent": project.id}
