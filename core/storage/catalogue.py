"""Frozen versions, registered models and promotions."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from core.records import ModelInfo, VersionInfo
from core.storage.database import Database


def _moved(database: Database, noted: str, depth: int) -> str:
    """Where a folder lies now that was so deep in the workspace when it was noted: a workspace can be moved."""
    return str(database.home.joinpath(*Path(noted).parts[-depth:]))


def next_version(database: Database, project_id: int) -> int:
    """Number of the next version of a project, from 1."""
    return database.read("SELECT coalesce(max(number), 0) + 1 FROM versions WHERE project_id = ?", [project_id])[0][0]


def insert_version(database: Database, fields: dict[str, Any]) -> VersionInfo:
    """Store a frozen version (fields of VersionInfo without id and created_at)."""
    with database.transaction() as write:
        info = VersionInfo(id=database.next_ids("versions"), created_at=datetime.now(), **fields)
        write.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                info.id,
                info.project_id,
                info.number,
                info.task,
                _dump(info.labels),
                _dump(info.counts),
                info.hash,
                _dump(info.options),
                _dump(info.warnings),
                info.path,
                info.created_at,
            ],
        )
    return info


def list_versions(database: Database, project_id: int | None = None) -> list[VersionInfo]:
    """Versions of one project, or of all, newest first."""
    rows = database.read(
        "SELECT id, project_id, number, task, labels, counts, hash, options, warnings, path, created_at FROM versions "
        "WHERE ? IS NULL OR project_id = ? ORDER BY id DESC",
        [project_id, project_id],
    )
    return [
        VersionInfo(
            id=r[0],
            project_id=r[1],
            number=r[2],
            task=r[3],
            labels=json.loads(r[4]),
            counts=json.loads(r[5]),
            hash=r[6],
            options=json.loads(r[7]),
            warnings=json.loads(r[8]),
            path=_moved(database, r[9], 2),
            created_at=r[10],
        )
        for r in rows
    ]


def insert_model(database: Database, info: ModelInfo) -> None:
    """Register a model once; a second call with the same id changes nothing."""
    with database.transaction() as write:
        if database.read("SELECT 1 FROM models WHERE id = ?", [info.id]):
            return
        write.execute(
            "INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                info.id,
                info.project_id,
                info.version_id,
                info.task,
                info.method,
                info.base,
                _dump(info.labels),
                _dump(info.options),
                _dump(info.metrics),
                info.size_bytes,
                info.path,
                info.created_at,
            ],
        )


def list_models(database: Database, project_id: int | None = None) -> list[ModelInfo]:
    """Models of one project, or of all, newest first; ``champion`` is set on the last one promoted."""
    rows = database.read(
        "SELECT m.id, m.project_id, m.version_id, m.task, m.method, m.base, m.labels, m.options, m.metrics, "
        "m.size_bytes, m.path, m.created_at, "
        "m.id = (SELECT arg_max(p.model_id, p.happened_at) FROM promotions p "
        "        WHERE p.project_id = m.project_id AND p.model_id IN (SELECT id FROM models)) "
        "FROM models m WHERE ? IS NULL OR m.project_id = ? ORDER BY m.created_at DESC, m.id DESC",
        [project_id, project_id],
    )
    return [
        ModelInfo(
            id=r[0],
            project_id=r[1],
            version_id=r[2],
            task=r[3],
            method=r[4],
            base=r[5],
            labels=json.loads(r[6]),
            options=json.loads(r[7]),
            metrics=json.loads(r[8]),
            size_bytes=r[9],
            path=_moved(database, r[10], 3),
            created_at=r[11],
            champion=bool(r[12]),
        )
        for r in rows
    ]


def delete_model(database: Database, model_id: str) -> None:
    """Take a model out of the registry."""
    with database.transaction() as write:
        write.execute("DELETE FROM models WHERE id = ?", [model_id])


def promoted(database: Database) -> set[str]:
    """Ids of the models that serve a project, or did."""
    return {row[0] for row in database.read("SELECT DISTINCT model_id FROM promotions")}


def insert_promotion(database: Database, project_id: int, model_id: str, user: str) -> None:
    """Record that a model now serves its project."""
    with database.transaction() as write:
        write.execute("INSERT INTO promotions VALUES (?, ?, ?, ?)", [project_id, model_id, user, datetime.now()])


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
