"""The schema, as numbered steps that are applied in order, each followed by a checkpoint.

No primary keys, unique constraints or secondary indexes: DuckDB's WAL-replay bugs cluster on them, and every access
path here is either a scan of narrow columns or a zone-mapped look-up by ascending id. Text lives apart from what
lists and counters scan.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import duckdb

from core.errors import StorageError

MIGRATIONS: tuple[tuple[int, str], ...] = (
    (
        1,
        """
        CREATE TABLE counters (name VARCHAR, floor BIGINT);
        CREATE TABLE preferences (key VARCHAR, value VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE projects (
            id INTEGER, name VARCHAR, language VARCHAR, task VARCHAR, guidelines VARCHAR, created_at TIMESTAMP);
        CREATE TABLE labels (
            id INTEGER, project_id INTEGER, position INTEGER, name VARCHAR, colour VARCHAR, key VARCHAR,
            description VARCHAR, example VARCHAR, merged_into INTEGER, removed BOOLEAN);
        CREATE TABLE schema_events (
            id BIGINT, project_id INTEGER, kind VARCHAR, detail VARCHAR, username VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE items (
            id BIGINT, project_id INTEGER, position INTEGER, text_hash UBIGINT, length INTEGER, split VARCHAR,
            source VARCHAR, external_id VARCHAR, import_id INTEGER, excluded BOOLEAN);
        CREATE TABLE item_texts (item_id BIGINT, project_id INTEGER, text VARCHAR, text_b VARCHAR, meta VARCHAR);
        CREATE TABLE imports (
            id INTEGER, project_id INTEGER, filename VARCHAR, added BIGINT, duplicates BIGINT, rejected BIGINT,
            username VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE label_events (
            id BIGINT, project_id INTEGER, item_id BIGINT, kind VARCHAR, label_ids INTEGER[], payload VARCHAR,
            username VARCHAR, source VARCHAR, suggested VARCHAR, suggested_score FLOAT, suggested_by VARCHAR,
            accepted BOOLEAN, elapsed_ms INTEGER, note VARCHAR, undoes BIGINT, happened_at TIMESTAMP);
        CREATE VIEW current_labels AS
            SELECT project_id, item_id, unnest(arg_max(
                {'event_id': id, 'kind': kind, 'label_ids': label_ids, 'payload': payload, 'username': username,
                 'source': source, 'happened_at': happened_at}, id))
            FROM label_events
            WHERE kind IN ('label', 'clear')
              AND id NOT IN (SELECT undoes FROM label_events WHERE undoes IS NOT NULL)
            GROUP BY project_id, item_id;
        CREATE VIEW current_flags AS
            SELECT project_id, item_id, unnest(arg_max({'kind': kind, 'note': note, 'username': username}, id))
            FROM label_events
            WHERE kind IN ('flag', 'unflag')
              AND id NOT IN (SELECT undoes FROM label_events WHERE undoes IS NOT NULL)
            GROUP BY project_id, item_id;
        CREATE TABLE cleaning_batches (
            id INTEGER, project_id INTEGER, kind VARCHAR, action VARCHAR, items BIGINT, username VARCHAR,
            happened_at TIMESTAMP, undone_at TIMESTAMP);
        CREATE TABLE cleaning_changes (
            batch_id INTEGER, project_id INTEGER, item_id BIGINT, old_excluded BOOLEAN, old_text VARCHAR,
            old_hash UBIGINT);
        CREATE TABLE versions (
            id INTEGER, project_id INTEGER, number INTEGER, task VARCHAR, labels VARCHAR, counts VARCHAR,
            hash VARCHAR, options VARCHAR, warnings VARCHAR, path VARCHAR, created_at TIMESTAMP);
        CREATE TABLE models (
            id VARCHAR, project_id INTEGER, version_id INTEGER, task VARCHAR, method VARCHAR, base VARCHAR,
            labels VARCHAR, options VARCHAR, metrics VARCHAR, size_bytes BIGINT, path VARCHAR, created_at TIMESTAMP);
        CREATE TABLE promotions (project_id INTEGER, model_id VARCHAR, username VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE tokens (
            id INTEGER, name VARCHAR, hash VARCHAR, created_at TIMESTAMP, last_used_at TIMESTAMP,
            revoked_at TIMESTAMP);
        """,
    ),
    (
        2,
        """
        CREATE TABLE setup_events (
            id BIGINT, setup_id BIGINT, scenario VARCHAR, name VARCHAR, config VARCHAR, removed BOOLEAN,
            username VARCHAR, happened_at TIMESTAMP);
        """,
    ),
    (
        3,
        """
        CREATE TABLE service_entries (
            id BIGINT, setup_id BIGINT, entry_id BIGINT, title VARCHAR, questions VARCHAR, answer VARCHAR,
            intent VARCHAR, source VARCHAR, removed BOOLEAN, username VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE service_conversations (
            id BIGINT, setup_id BIGINT, conversation_id BIGINT, external_id VARCHAR, state VARCHAR, intent VARCHAR,
            resolution VARCHAR, source VARCHAR, username VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE service_messages (
            id BIGINT, setup_id BIGINT, conversation_id BIGINT, role VARCHAR, text VARCHAR, trace VARCHAR,
            happened_at TIMESTAMP);
        CREATE TABLE service_replays (
            id BIGINT, setup_id BIGINT, name VARCHAR, result VARCHAR, username VARCHAR, happened_at TIMESTAMP);
        """,
    ),
    (
        4,
        """
        CREATE TABLE feed_items (
            id BIGINT, setup_id BIGINT, text_hash UBIGINT, published_at TIMESTAMP, company VARCHAR, topic VARCHAR,
            source VARCHAR, link VARCHAR, gold_sentiment VARCHAR, gold_risk VARCHAR, added_at TIMESTAMP);
        CREATE TABLE feed_texts (item_id BIGINT, setup_id BIGINT, text VARCHAR);
        CREATE TABLE feed_scores (
            item_id BIGINT, setup_id BIGINT, role VARCHAR, model_id VARCHAR, label VARCHAR, score FLOAT);
        CREATE TABLE feed_alerts (
            id BIGINT, alert_id BIGINT, setup_id BIGINT, company VARCHAR, started DATE, active BOOLEAN,
            content VARCHAR, happened_at TIMESTAMP);
        CREATE TABLE feed_alert_events (
            id BIGINT, setup_id BIGINT, alert_id BIGINT, kind VARCHAR, note VARCHAR, username VARCHAR,
            happened_at TIMESTAMP);
        """,
    ),
    (
        5,
        """
        CREATE TABLE recommendation_items (
            id BIGINT, setup_id BIGINT, key VARCHAR, title VARCHAR, description VARCHAR, category VARCHAR,
            price DOUBLE, added_on DATE);
        CREATE TABLE recommendation_events (
            id BIGINT, setup_id BIGINT, person VARCHAR, item VARCHAR, kind VARCHAR, rating DOUBLE,
            happened_at TIMESTAMP);
        CREATE TABLE recommendation_reports (
            id BIGINT, setup_id BIGINT, stamp VARCHAR, content VARCHAR, happened_at TIMESTAMP);
        """,
    ),
)
"""(number, SQL); never edit a step that was released, add the next one."""

NUMBERED = (
    "items",
    "label_events",
    "projects",
    "labels",
    "schema_events",
    "imports",
    "cleaning_batches",
    "versions",
    "tokens",
    "setup_events",
    "service_entries",
    "service_conversations",
    "service_messages",
    "service_replays",
    "recommendation_items",
    "recommendation_events",
    "recommendation_reports",
    "feed_items",
    "feed_alerts",
    "feed_alert_events",
)
"""Tables with ids that are never given twice, not even after an older state was restored: run folders, exports and
open pages still speak of them. So the highest id of each never goes down, unless the database lost something."""


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring a database file to the newest schema. Raises StorageError for one that a newer Whetstone wrote."""
    connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER, happened_at TIMESTAMP)")
    done = {number for (number,) in connection.execute("SELECT number FROM migrations").fetchall()}
    newest = MIGRATIONS[-1][0]
    if done and max(done) > newest:
        raise StorageError(
            f"This workspace was written by a newer Whetstone (schema {max(done)}, this one knows {newest}).",
            "Update Whetstone.",
        )
    for number, sql in MIGRATIONS:
        if number in done:
            continue
        connection.execute("BEGIN TRANSACTION")
        try:
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES (?, ?)", [number, datetime.now()])
            connection.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                connection.execute("ROLLBACK")
            raise
        connection.execute("CHECKPOINT")
