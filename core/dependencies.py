"""Which models others cannot do without: what may not be deleted, and what may not lose its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.base_models import MODEL_PREFIX
from core.durable import MANIFEST, read_json
from core.methods import COMPOSED, FROZEN
from core.methods.ensemble import member_names
from core.storage import catalogue, setups

if TYPE_CHECKING:
    from core.records import ModelInfo
    from core.workspace import Workspace


def readers(workspace: Workspace, run_id: str) -> list[str]:
    """Ids of the models that read with this one whenever they are asked, alone or as a part of an ensemble."""
    own = MODEL_PREFIX + run_id
    models = catalogue.list_models(workspace.database)
    return [info.id for info in models if any(method in FROZEN and base == own for method, base in _parts(info))]


def _parts(info: ModelInfo) -> list[tuple[str, str | None]]:
    """(method, base) of a model, or of those that an ensemble has copied: their own runs may be gone."""
    if info.method not in COMPOSED:
        return [(info.method, info.base)]
    found = [read_json(path) or {} for path in Path(info.path).glob(f"members/*/{MANIFEST}")]
    return [(str(facts.get("method")), facts.get("base")) for facts in found]


def is_needed(workspace: Workspace, run_id: str) -> bool:
    """Whether anybody counts on the weights of this model: it serves or served, plays a part in a scenario, belongs to
    an ensemble, or is what another run begins with or reads with."""
    played = [name for _, _, _, config, *_ in setups.list_setups(workspace.database) for name in _roles(config)]
    if run_id in catalogue.promoted(workspace.database) or run_id in played or readers(workspace, run_id):
        return True
    own = MODEL_PREFIX + run_id
    for run in workspace.runs():
        members = member_names(run.options) if run.method in COMPOSED else []
        everything = run.method in COMPOSED and not members and run.active
        if run.base == own or run_id in members or everything:
            return True
    return False


def _roles(config: object) -> list[object]:
    roles = config.get("roles") if isinstance(config, dict) else None
    return list(roles.values()) if isinstance(roles, dict) else []
