"""What a scenario is: a product built from models, with data of its own, settings, and figures to prove itself.

A scenario knows nothing of screens. Its data belongs to a *setup*: the sample, or what a founder brought along. Models
come from the workspace through *roles*, so that the same scenario runs on anybody's models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from core.scenarios.setups import Setup
    from core.workspace import Workspace


@dataclass(frozen=True)
class Role:
    """A part that a model plays in a scenario."""

    name: str
    """E.g. ``intent``."""
    title: str
    """Plain words for the form."""
    help: str
    """What the model is asked, one sentence."""
    task: str
    """Task that the model must have been trained for."""
    sample: str | None = None
    """Sample project whose model plays the part in the sample setup (``core.data.samples``)."""
    required: bool = True


class ScenarioConfig(BaseModel):
    """What every setup holds: which project or model plays which part. Scenarios add their thresholds and templates.

    Field descriptions are the help text of the form; the record is what the YAML file of a setup contains.
    """

    model_config = ConfigDict(extra="forbid")

    roles: dict[str, int | str] = Field(
        default_factory=dict,
        description="By role: the number of a project, whose best model plays it, or the id of one model.",
    )


class Scenario(Protocol):
    """One scenario on one setup. Registered in ``core.scenarios`` under ``name``; make one per call, it is cheap."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    """What a stakeholder sees, one sentence."""
    data: ClassVar[str]
    """What data it takes, one sentence."""
    roles: ClassVar[tuple[Role, ...]]
    Config: ClassVar[type[ScenarioConfig]]

    def __init__(self, workspace: Workspace, setup: Setup) -> None: ...

    @classmethod
    def install_sample(cls, workspace: Workspace) -> Self:
        """Make the sample setup with its data; takes seconds at most, models are not needed yet."""

    def delete_data(self) -> None:
        """Remove everything that belongs to the setup."""
