"""Projects and their label schemas. Label names change here only; label ids never do."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from core.errors import NotFoundError
from core.records import Label, ProjectInfo, SchemaEvent
from core.storage.database import Database
from core.storage.migrations import NUMBERED

_OWNED = (
    "labels",
    "schema_events",
    "items",
    "item_texts",
    "imports",
    "label_events",
    "cleaning_batches",
    "cleaning_changes",
    "versions",
    "models",
    "promotions",
)


def insert_project(database: Database, name: str, language: str, task: str, guidelines: str) -> ProjectInfo:
    """Store a new project and return it."""
    with database.transaction() as write:
        info = ProjectInfo(
            id=database.next_ids("projects"),
            name=name,
            language=language,
            task=task,
            guidelines=guidelines,
            created_at=datetime.now(),
        )
        write.execute(
            "INSERT INTO projects VALUES (?, ?, ?, ?, ?, ?)",
            [info.id, name, language, task, guidelines, info.created_at],
        )
    return info


def list_projects(database: Database) -> list[ProjectInfo]:
    """All projects, oldest first."""
    rows = database.read("SELECT id, name, language, task, guidelines, created_at FROM projects ORDER BY id")
    return [
        ProjectInfo(id=i, name=n, language=lang, task=t, guidelines=g, created_at=c) for i, n, lang, t, g, c in rows
    ]


def get_project(database: Database, project_id: int) -> ProjectInfo:
    """One project; NotFoundError when there is none."""
    for info in list_projects(database):
        if info.id == project_id:
            return info
    raise NotFoundError(f"There is no project {project_id}.", "Choose one from the list on the home page.")


def update_project(database: Database, info: ProjectInfo) -> None:
    """Store a changed name, language or guidelines."""
    with database.transaction() as write:
        write.execute(
            "UPDATE projects SET name = ?, language = ?, guidelines = ? WHERE id = ?",
            [info.name, info.language, info.guidelines, info.id],
        )


def delete_project(database: Database, project_id: int) -> None:
    """Remove a project with all that belongs to it; its ids are never used again."""
    with database.transaction() as write:
        for table in {*_OWNED, "projects"} & set(NUMBERED):
            database.forget_highest(table)
        for table in _OWNED:
            write.execute(f"DELETE FROM {table} WHERE project_id = ?", [project_id])
        write.execute("DELETE FROM projects WHERE id = ?", [project_id])


# ---------------------------------------------------------------- labels


def list_labels(database: Database, project_id: int) -> list[Label]:
    """Labels in use, in their order."""
    rows = database.read(
        "SELECT id, name, colour, key, description, example FROM labels "
        "WHERE project_id = ? AND merged_into IS NULL AND NOT removed ORDER BY position, id",
        [project_id],
    )
    return [Label(id=i, name=n, colour=c, key=k, description=d, example=e) for i, n, c, k, d, e in rows]


def merged_labels(database: Database, project_id: int) -> dict[int, int]:
    """Ids of merged labels -> id of the label that now stands for them."""
    pairs = dict(
        database.read(
            "SELECT id, merged_into FROM labels WHERE project_id = ? AND merged_into IS NOT NULL", [project_id]
        )
    )

    def final(label: int) -> int:
        while label in pairs:
            label = pairs[label]
        return label

    return {label: final(label) for label in pairs}


def insert_labels(database: Database, project_id: int, labels: list[dict[str, Any]], user: str) -> list[Label]:
    """Add labels (fields of ``Label`` without id) at the end of the schema."""
    made = []
    with database.transaction() as write:
        (position,) = database.read("SELECT count(*) FROM labels WHERE project_id = ?", [project_id])[0]
        for offset, fields in enumerate(labels):
            label = Label(id=database.next_ids("labels"), **fields)
            write.execute(
                "INSERT INTO labels VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, FALSE)",
                [
                    label.id,
                    project_id,
                    position + offset,
                    label.name,
                    label.colour,
                    label.key,
                    label.description,
                    label.example,
                ],
            )
            _record(database, project_id, "add", {"label": label.id, "name": label.name}, user)
            made.append(label)
    return made


def update_label(
    database: Database, project_id: int, label: Label, kind: str, detail: dict[str, Any], user: str
) -> None:
    """Store changed fields of one label together with the event that says so."""
    with database.transaction() as write:
        write.execute(
            "UPDATE labels SET name = ?, colour = ?, key = ?, description = ?, example = ? WHERE id = ?",
            [label.name, label.colour, label.key, label.description, label.example, label.id],
        )
        _record(database, project_id, kind, detail, user)


def merge_label(database: Database, project_id: int, source: Label, into: Label, user: str) -> None:
    """Let ``into`` stand for ``source`` from now on; no label event is rewritten."""
    with database.transaction() as write:
        write.execute("UPDATE labels SET merged_into = ? WHERE id = ?", [into.id, source.id])
        detail = {"label": source.id, "name": source.name, "into": into.id, "into_name": into.name}
        _record(database, project_id, "merge", detail, user)


def remove_label(database: Database, project_id: int, label: Label, user: str) -> None:
    """Take an unused label out of the schema."""
    with database.transaction() as write:
        write.execute("UPDATE labels SET removed = TRUE WHERE id = ?", [label.id])
        _record(database, project_id, "remove", {"label": label.id, "name": label.name}, user)


def list_schema_events(database: Database, project_id: int) -> list[SchemaEvent]:
    """Every recorded change of the schema, newest first."""
    rows = database.read(
        "SELECT id, kind, detail, username, happened_at FROM schema_events WHERE project_id = ? ORDER BY id DESC",
        [project_id],
    )
    return [SchemaEvent(id=i, kind=k, detail=json.loads(d), user=u, at=t) for i, k, d, u, t in rows]


def _record(database: Database, project_id: int, kind: str, detail: dict[str, Any], user: str) -> None:
    database.cursor().execute(
        "INSERT INTO schema_events VALUES (?, ?, ?, ?, ?, ?)",
        [
            database.next_ids("schema_events"),
            project_id,
            kind,
            json.dumps(detail, ensure_ascii=False),
            user,
            datetime.now(),
        ],
    )
