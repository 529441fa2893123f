"""What a run is asked to do, checked and filled in before anything is written."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from core.base_models import DEFAULT_BASE, MODEL_PREFIX, is_available, resolve
from core.errors import InputError
from core.methods import get_method
from core.methods.base import check_for
from core.settings import Settings
from core.training.placement import devices_for
from core.training.run_folder import RunConfig


def complete(config: RunConfig, settings: Settings, cache: Path, bases: Path, runs: Path) -> RunConfig:
    """The configuration with everything filled in. Raises InputError, NotFoundError, OfflineError, RefusedError."""
    method = get_method(config.method)
    if config.task not in method.tasks:
        raise InputError(f"{method.title} cannot do the task '{config.task}'.", "Choose another method.")
    try:
        options = method.Options.model_validate(config.options)
    except ValidationError as error:
        found = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise InputError(f"Options of {method.title} that do not fit: {found}.", "Change these values.") from error
    check_for(method, options, config.task)
    base = (config.base or DEFAULT_BASE) if method.needs_base else None
    ours = base is not None and base.startswith(MODEL_PREFIX)
    if base and (ours or (settings.offline and not is_available(base, bases))):
        resolve(base, offline=True, bases=bases, runs=runs)  # raises the error that says what to do
    device = settings.device if config.device == "auto" else config.device
    devices_for(device, options.model_dump())
    now = datetime.now(UTC)
    return config.model_copy(
        update={
            "id": f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
            "created_at": now,
            "options": options.model_dump(mode="json"),
            "base": base,
            "device": device,
            "cache": str(cache),
            "bases": str(bases),
            "offline": settings.offline,
        }
    )
