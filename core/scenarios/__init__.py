"""Scenarios: whole products built from a workspace's models, for a stakeholder to play with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError, NotFoundError
from core.scenarios.base import Scenario
from core.scenarios.customer_service.scenario import CustomerService
from core.scenarios.finance_sentiment.scenario import FinanceSentiment
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import SAMPLE, Setup, get_setup, list_setups

if TYPE_CHECKING:
    from core.workspace import Workspace

_SCENARIOS: dict[str, type[Scenario]] = {
    scenario.name: scenario for scenario in (CustomerService, FinanceSentiment, Recommendation)
}
"""By registry name, in the order of the navigation."""


def all_scenarios() -> list[type[Scenario]]:
    """Every scenario."""
    return list(_SCENARIOS.values())


def get_scenario(name: str) -> type[Scenario]:
    """A scenario by its registry name. Raises InputError."""
    if name not in _SCENARIOS:
        raise InputError(f"There is no scenario '{name[:40]}'.", f"Scenarios: {', '.join(_SCENARIOS)}.")
    return _SCENARIOS[name]


def open_scenario(workspace: Workspace, name: str, setup_id: int | None = None) -> Scenario:
    """A scenario on one of its setups, the sample without ``setup_id``. Raises InputError, NotFoundError."""
    chosen = get_scenario(name)
    setups = list_setups(workspace, name)
    setup = get_setup(workspace, setup_id) if setup_id is not None else next(iter(setups), None)
    if setup is None or setup.scenario != name:
        raise NotFoundError(f"'{chosen.title}' has no such setup.", "Choose another one, or install the sample.")
    return chosen(workspace, setup)


def install_scenarios(workspace: Workspace) -> None:
    """Make the sample setup of every scenario that has none."""
    for name, scenario in _SCENARIOS.items():
        if not any(setup.name == SAMPLE for setup in list_setups(workspace, name)):
            with workspace.database.transaction():  # all of its data, or nothing after a kill
                scenario.install_sample(workspace)


__all__ = ["Scenario", "Setup", "all_scenarios", "get_scenario", "install_scenarios", "list_setups", "open_scenario"]
