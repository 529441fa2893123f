"""Bulk changes made by cleaning, each kept with what it replaced so that it can be undone as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.errors import NotFoundError, RefusedError
from core.records import CleaningBatch
from core.storage.database import Database


def exclude_items(database: Database, project_id: int, item_ids: Sequence[int], kind: str, user: str) -> CleaningBatch:
    """Take items out of labeling and versions; they stay stored."""
    with database.transaction() as write:
        batch = _insert_batch(database, project_id, kind, "exclude", len(item_ids), user)
        write.execute(
            "INSERT INTO cleaning_changes SELECT ?, ?, id, excluded, NULL, NULL FROM items "
            "WHERE project_id = ? AND id IN (SELECT unnest(?::BIGINT[]))",
            [batch.id, project_id, project_id, list(item_ids)],
        )
        write.execute(
            "UPDATE items SET excluded = TRUE WHERE project_id = ? AND id IN (SELECT unnest(?::BIGINT[]))",
            [project_id, list(item_ids)],
        )
    return batch


def replace_texts(
    database: Database, project_id: int, texts: Mapping[int, tuple[str, int]], kind: str, user: str
) -> CleaningBatch:
    """Repair texts: item id -> (new text, new text hash)."""
    rows = [{"item_id": i, "new_text": text, "new_hash": text_hash} for i, (text, text_hash) in texts.items()]
    with database.transaction() as write:
        batch = _insert_batch(database, project_id, kind, "replace_text", len(rows), user)
        write.execute(
            "CREATE OR REPLACE TEMP TABLE repaired AS SELECT unnest("
            "?::STRUCT(item_id BIGINT, new_text VARCHAR, new_hash UBIGINT)[], recursive := true)",
            [rows],
        )
        write.execute(
            "INSERT INTO cleaning_changes SELECT ?, ?, i.id, NULL, t.text, i.text_hash FROM items i "
            "JOIN item_texts t ON t.item_id = i.id JOIN repaired r ON r.item_id = i.id WHERE i.project_id = ?",
            [batch.id, project_id, project_id],
        )
        write.execute(
            "UPDATE item_texts SET text = r.new_text FROM repaired r "
            "WHERE item_texts.item_id = r.item_id AND project_id = ?",
            [project_id],
        )
        write.execute(
            "UPDATE items SET text_hash = r.new_hash, length = length(r.new_text) FROM repaired r "
            "WHERE items.id = r.item_id AND project_id = ?",
            [project_id],
        )
        write.execute("DROP TABLE repaired")
    return batch


def list_batches(database: Database, project_id: int) -> list[CleaningBatch]:
    """Applied bulk actions, newest first."""
    rows = database.read(
        "SELECT id, kind, action, items, username, happened_at, undone_at IS NOT NULL FROM cleaning_batches "
        "WHERE project_id = ? ORDER BY id DESC",
        [project_id],
    )
    return [CleaningBatch(id=i, kind=k, action=a, items=n, user=u, at=t, undone=d) for i, k, a, n, u, t, d in rows]


def excluded_by(database: Database, project_id: int, item_id: int) -> str | None:
    """Kind of the step that took an item out; None when no step did (it came in like that)."""
    rows = database.read(
        "SELECT b.kind FROM cleaning_changes c JOIN cleaning_batches b ON b.id = c.batch_id WHERE c.project_id = ? "
        "AND c.item_id = ? AND c.old_excluded IS NOT NULL AND b.undone_at IS NULL ORDER BY b.id DESC LIMIT 1",
        [project_id, item_id],
    )
    return rows[0][0] if rows else None


def undo_batch(database: Database, project_id: int, batch_id: int) -> CleaningBatch:
    """Put back what a batch changed. Batches that touched the same items later must be undone first."""
    batches = list_batches(database, project_id)
    batch = next((b for b in batches if b.id == batch_id), None)
    if batch is None or batch.undone:
        raise NotFoundError(f"There is no cleaning step {batch_id} to undo.", "It may have been undone already.")
    with database.transaction() as write:
        later = database.read(
            "SELECT max(l.batch_id) FROM cleaning_changes m JOIN cleaning_changes l ON l.item_id = m.item_id "
            "JOIN cleaning_batches b ON b.id = l.batch_id AND b.undone_at IS NULL "
            "WHERE m.batch_id = ? AND l.batch_id > m.batch_id AND (m.old_text IS NULL) = (l.old_text IS NULL)",
            [batch_id],
        )[0][0]
        if later is not None:
            raise RefusedError("A later cleaning step changed the same items.", "Undo the later step first.")
        write.execute(
            "UPDATE items SET excluded = c.old_excluded FROM cleaning_changes c "
            "WHERE c.item_id = items.id AND c.batch_id = ? AND c.old_excluded IS NOT NULL",
            [batch_id],
        )
        write.execute(
            "UPDATE items SET text_hash = c.old_hash, length = length(c.old_text) FROM cleaning_changes c "
            "WHERE c.item_id = items.id AND c.batch_id = ? AND c.old_text IS NOT NULL",
            [batch_id],
        )
        write.execute(
            "UPDATE item_texts SET text = c.old_text FROM cleaning_changes c "
            "WHERE c.item_id = item_texts.item_id AND c.batch_id = ? AND c.old_text IS NOT NULL",
            [batch_id],
        )
        write.execute("UPDATE cleaning_batches SET undone_at = ? WHERE id = ?", [datetime.now(), batch_id])
    return batch.model_copy(update={"undone": True})


def _insert_batch(database: Database, project_id: int, kind: str, action: str, items: int, user: str) -> CleaningBatch:
    at = datetime.now()
    batch = CleaningBatch.model_validate(
        {
            "id": database.next_ids("cleaning_batches"),
            "kind": kind,
            "action": action,
            "items": items,
            "user": user,
            "at": at,
        }
    )
    database.cursor().execute(
        "INSERT INTO cleaning_batches VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
        [batch.id, project_id, kind, action, items, user, at],
    )
    return batch
