"""Setups of the scenarios: named sets of data, model roles and settings. Every change is a row; the newest counts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from core.storage.database import Database

_NEWEST = """
    SELECT setup_id, arg_max(scenario, id), arg_max(name, id), arg_max(config, id), max(id), min(happened_at)
    FROM setup_events WHERE setup_id = ? OR ? IS NULL GROUP BY setup_id
    HAVING NOT arg_max(removed, id) ORDER BY setup_id"""
SetupRow = tuple[int, str, str, dict[str, Any], int, datetime]
"""Number, scenario, name, config, revision (grows with every change), when it was made."""


def list_setups(database: Database, setup_id: int | None = None) -> list[SetupRow]:
    """Setups as they are now, oldest first; one or none with ``setup_id``."""
    rows = database.read(_NEWEST, [setup_id, setup_id])
    return [(number, scenario, name, json.loads(config), *rest) for number, scenario, name, config, *rest in rows]


def write_setup(
    database: Database,
    setup_id: int | None,
    scenario: str,
    name: str,
    config: dict[str, Any],
    username: str,
    removed: bool = False,
) -> tuple[int, int]:
    """Store a setup as it is from now on, a new one without ``setup_id``; returns (number, revision)."""
    with database.transaction() as write:
        revision = database.next_ids("setup_events")
        number = setup_id or revision
        write.execute(
            "INSERT INTO setup_events VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [revision, number, scenario, name, json.dumps(config), removed, username, datetime.now()],
        )
    return number, revision
