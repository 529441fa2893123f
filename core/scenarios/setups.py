"""Named setups of a scenario: which data, which models, which settings; kept in the workspace, shared as one YAML file.

A setup that two people edit at once is not overwritten: whoever saves an older revision is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, ValidationError

from core.errors import InputError, NotFoundError, RefusedError
from core.records import Record
from core.scenarios.base import ScenarioConfig
from core.storage import setups as store

if TYPE_CHECKING:
    from core.workspace import Workspace

SAMPLE = "Sample"
LARGEST_YAML = 1_000_000
"""Characters of a setup file."""


class Setup(Record):
    """One setup as it is stored."""

    id: int
    scenario: str
    name: str = Field(description="1 to 100 visible characters; the sample's is 'Sample'.")
    config: dict[str, Any] = Field(description="As the scenario's Config record holds it.")
    revision: int = Field(description="Grows with every change; saving an older one is refused.")
    created_at: datetime


def list_setups(workspace: Workspace, scenario: str) -> list[Setup]:
    """Setups of a scenario, the sample first."""
    found = [_setup(row) for row in store.list_setups(workspace.database) if row[1] == scenario]
    return sorted(found, key=lambda setup: (setup.name != SAMPLE, setup.id))


def get_setup(workspace: Workspace, setup_id: int) -> Setup:
    """One setup. Raises NotFoundError."""
    for row in store.list_setups(workspace.database, setup_id):
        return _setup(row)
    raise NotFoundError(f"There is no setup {setup_id}.", "Choose one from the list on the scenario's page.")


def create_setup(workspace: Workspace, scenario: str, name: str, config: ScenarioConfig, user: str = "me") -> Setup:
    """Store a new setup. Raises InputError for a bad or taken name."""
    with workspace.database.transaction():
        name = _checked_name(workspace, scenario, name)
        number, _ = store.write_setup(workspace.database, None, scenario, name, config.model_dump(mode="json"), user)
    return get_setup(workspace, number)


def save_setup(workspace: Workspace, setup: Setup, config: ScenarioConfig, user: str = "me") -> Setup:
    """Store a changed config; ``setup`` is the state that was edited. Raises RefusedError when it is out of date."""
    with workspace.database.transaction():
        if get_setup(workspace, setup.id).revision != setup.revision:
            raise RefusedError(f"Somebody else changed '{setup.name}' meanwhile.", "Reload it and change it again.")
        values = config.model_dump(mode="json")
        store.write_setup(workspace.database, setup.id, setup.scenario, setup.name, values, user)
    return get_setup(workspace, setup.id)


def remove_setup(workspace: Workspace, setup: Setup, user: str = "me") -> None:
    """Take a setup off the list. Its data is the scenario's to delete."""
    store.write_setup(workspace.database, setup.id, setup.scenario, setup.name, setup.config, user, removed=True)


def to_yaml(setup: Setup) -> str:
    """The setup as one file that another workspace can read; models are named, not contained."""
    content = {"scenario": setup.scenario, "name": setup.name, "config": setup.config}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def from_yaml(text: str, scenario: str, record: type[ScenarioConfig]) -> tuple[str, ScenarioConfig]:
    """(name, config) of a setup file. Raises InputError that names the line or the field."""
    if len(text) > LARGEST_YAML:
        raise InputError(f"The setup file is longer than {LARGEST_YAML:,} characters.", "Choose another file.")
    try:
        content = yaml.load(text, Loader=_Plain)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise InputError(f"The setup file is not valid YAML{where}.", "Correct it, or export it again.") from error
    if not isinstance(content, dict) or content.get("scenario") != scenario:
        raise InputError(f"The file is no setup of '{scenario}'.", "Choose a file that was exported from this page.")
    return str(content.get("name") or "Imported"), checked(record, content.get("config") or {})


def checked(record: type[ScenarioConfig], values: Any) -> ScenarioConfig:
    """Config from plain values. Raises InputError that names the field."""
    try:
        return record.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "config"
        raise InputError(f"The field '{field}' of the setup is not usable: {first['msg']}.", "Correct it.") from error


class _Plain(yaml.SafeLoader):
    """YAML without aliases, by which a small file becomes gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.MarkedYAMLError(problem="aliases are not read", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _checked_name(workspace: Workspace, scenario: str, name: str) -> str:
    cleaned = " ".join("".join(c for c in name if c.isprintable()).split())
    if not cleaned or len(cleaned) > 100:
        raise InputError("A setup needs a name of 1 to 100 visible characters.", "Type a name.")
    if any(setup.name == cleaned for setup in list_setups(workspace, scenario)):
        raise InputError(f"There is a setup '{cleaned}' already.", "Choose another name.")
    return cleaned


def _setup(row: store.SetupRow) -> Setup:
    number, scenario, name, config, revision, made = row
    return Setup(id=number, scenario=scenario, name=name, config=config, revision=revision, created_at=made)
