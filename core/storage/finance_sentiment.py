"""Feeds of finance news: dated items, what models said about them, and the alerts that followed.

Texts lie apart from what charts scan. A score belongs to one model, so that a promotion asks for new ones and an old
model's stay. Alerts are versions of a record, the newest counts; what people did with them are events.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from core.storage.database import Database

_TABLES = ("feed_items", "feed_texts", "feed_scores", "feed_alerts", "feed_alert_events")
_ROLES = ("sentiment", "topic", "risk")
_TOPIC = "coalesce(nullif(i.topic, ''), topic.label, '')"
_JOINS = " ".join(
    f"LEFT JOIN feed_scores {role} ON {role}.setup_id = i.setup_id AND {role}.item_id = i.id "
    f"AND {role}.role = '{role}' AND {role}.model_id = ${place}"
    for place, role in enumerate(_ROLES, 2)
)
_FROM = f"FROM feed_items i {_JOINS} "
Models = Mapping[str, str]
"""Role -> id of the model whose scores count."""


@dataclass(frozen=True)
class FeedFilter:
    """Which items: all conditions that are set must hold."""

    company: str | None = None
    topic: str | None = None
    since: date | None = None
    until: datetime | None = None
    """Items up to this moment: what a reader knew then."""
    sentiments: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()
    text: str = ""
    """Words to be found in the text, ignoring case; taken literally."""
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class FeedRow:
    """One item of a feed with what the models said about it."""

    id: int
    published_at: datetime | None
    company: str
    topic: str
    source: str
    link: str
    sentiment: str | None
    sentiment_score: float | None
    risk: str | None
    risk_score: float | None
    text: str


@dataclass(frozen=True)
class NewItems:
    """Rows to insert, as columns of equal length."""

    text: list[str] = field(default_factory=list)
    text_hash: list[int] = field(default_factory=list)
    published_at: list[datetime | None] = field(default_factory=list)
    company: list[str] = field(default_factory=list)
    topic: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    link: list[str] = field(default_factory=list)
    gold_sentiment: list[str | None] = field(default_factory=list)
    gold_risk: list[str | None] = field(default_factory=list)


def insert_items(database: Database, setup_id: int, new: NewItems) -> int:
    """Add items whose text the setup does not have on that day yet; returns how many."""
    columns = list(vars(new))
    if not new.text:
        return 0
    unnested = ", ".join(f"unnest(${name}::{_kind(name)}[]) AS {name}" for name in columns)
    with database.transaction() as write:
        write.execute(
            f"CREATE OR REPLACE TEMP TABLE feed_new AS SELECT {unnested}, generate_subscripts($text, 1) AS row",
            dict(vars(new)),
        )
        write.execute(
            "DELETE FROM feed_new WHERE row NOT IN (SELECT min(row) FROM feed_new "
            "GROUP BY text_hash, published_at::DATE) OR EXISTS (SELECT 1 FROM feed_items i WHERE i.setup_id = ? AND "
            "i.text_hash = feed_new.text_hash AND "
            "i.published_at::DATE IS NOT DISTINCT FROM feed_new.published_at::DATE)",
            [setup_id],
        )
        (added,) = database.read("SELECT count(*) FROM feed_new")[0]
        first = database.next_ids("feed_items", added)
        write.execute(
            "CREATE OR REPLACE TEMP TABLE feed_new AS SELECT *, row_number() OVER (ORDER BY row) - 1 + ? AS id "
            "FROM feed_new",
            [first],
        )
        write.execute(
            "INSERT INTO feed_items SELECT id, ?, text_hash, published_at, company, topic, source, link, "
            "gold_sentiment, gold_risk, ? FROM feed_new ORDER BY id",
            [setup_id, datetime.now()],
        )
        write.execute("INSERT INTO feed_texts SELECT id, ?, text FROM feed_new ORDER BY id", [setup_id])
        write.execute("DROP TABLE feed_new")
    return int(added)


def _kind(name: str) -> str:
    return {"text_hash": "UBIGINT", "published_at": "TIMESTAMP"}.get(name, "VARCHAR")


def delete_feed(database: Database, setup_id: int) -> None:
    """Remove everything that belongs to a setup; its ids are never used again."""
    with database.transaction() as write:
        for table in ("feed_items", "feed_alerts", "feed_alert_events"):
            database.forget_highest(table)
        for table in _TABLES:
            write.execute(f"DELETE FROM {table} WHERE setup_id = ?", [setup_id])


@dataclass(frozen=True)
class FeedFacts:
    """What a feed holds."""

    items: int
    dated: int
    first: datetime | None
    last: datetime | None
    with_company: int
    with_topic: int
    gold: dict[str, int]
    """Items whose file said what is right, by role."""


def feed_facts(database: Database, setup_id: int) -> FeedFacts:
    """Counts over the whole feed."""
    items, dated, first, last, company, topic, sentiment, risk = database.read(
        "SELECT count(*), count(published_at), min(published_at), max(published_at), count(nullif(company, '')), "
        "count(nullif(topic, '')), count(gold_sentiment), count(gold_risk) FROM feed_items WHERE setup_id = ?",
        [setup_id],
    )[0]
    gold = {"sentiment": sentiment, "topic": topic, "risk": risk}
    return FeedFacts(items, dated, first, last, company, topic, gold)


# ---------------------------------------------------------------- scores


def unscored(database: Database, setup_id: int, role: str, model_id: str) -> list[int]:
    """Ids of items that this model has not scored yet, shortest texts first; a topic that the feed names needs none."""
    own = "AND coalesce(i.topic, '') = ''" if role == "topic" else ""
    rows = database.read(
        f"SELECT i.id FROM feed_items i JOIN feed_texts t ON t.setup_id = i.setup_id AND t.item_id = i.id "
        f"WHERE i.setup_id = ? {own} AND i.id NOT IN "
        "(SELECT item_id FROM feed_scores WHERE setup_id = ? AND role = ? AND model_id = ?) ORDER BY length(t.text)",
        [setup_id, setup_id, role, model_id],
    )
    return [number for (number,) in rows]


def count_unscored(database: Database, setup_id: int, role: str, model_id: str) -> int:
    """How many items this model has not scored yet."""
    own = "AND coalesce(topic, '') = ''" if role == "topic" else ""
    return int(
        database.read(
            f"SELECT (SELECT count(*) FROM feed_items WHERE setup_id = ? {own}) - "
            "(SELECT count(*) FROM feed_scores WHERE setup_id = ? AND role = ? AND model_id = ?)",
            [setup_id, setup_id, role, model_id],
        )[0][0]
    )


def texts_of(database: Database, setup_id: int, ids: Sequence[int]) -> list[str]:
    """Texts in the order of ``ids``."""
    rows = database.read(
        "SELECT item_id, text FROM feed_texts WHERE setup_id = ? AND item_id IN (SELECT unnest(?::BIGINT[]))",
        [setup_id, list(ids)],
    )
    found = dict(rows)
    return [found[number] for number in ids]


def insert_scores(
    database: Database,
    setup_id: int,
    role: str,
    model_id: str,
    ids: Sequence[int],
    labels: Sequence[str],
    scores: Sequence[float],
) -> None:
    """Store what a model said; an item that it has scored meanwhile is left alone."""
    with database.transaction() as write:
        write.execute(
            "INSERT INTO feed_scores SELECT id, ?, ?, ?, label, score FROM (SELECT unnest(?::BIGINT[]) AS id, "
            "unnest(?::VARCHAR[]) AS label, unnest(?::FLOAT[]) AS score) WHERE id NOT IN "
            "(SELECT item_id FROM feed_scores WHERE setup_id = ? AND role = ? AND model_id = ?)",
            [setup_id, role, model_id, list(ids), list(labels), list(scores), setup_id, role, model_id],
        )


def gold_rows(database: Database, setup_id: int, role: str, limit: int) -> list[tuple[int, str, str, int]]:
    """(id, text, what the feed says is right, text hash) of the newest items that come with an answer."""
    column = {"sentiment": "i.gold_sentiment", "topic": "nullif(i.topic, '')", "risk": "i.gold_risk"}[role]
    return database.read(
        f"SELECT i.id, t.text, {column}, i.text_hash FROM feed_items i JOIN feed_texts t ON t.setup_id = i.setup_id "
        f"AND t.item_id = i.id WHERE i.setup_id = ? AND {column} IS NOT NULL ORDER BY i.id DESC LIMIT ?",
        [setup_id, limit],
    )


def known_hashes(database: Database, project_id: int, hashes: Sequence[int]) -> set[int]:
    """Those of the text hashes that a project has among its items: a model may have learned from them."""
    rows = database.read(
        "SELECT DISTINCT text_hash FROM items WHERE project_id = ? AND text_hash IN (SELECT unnest(?::UBIGINT[]))",
        [project_id, list(hashes)],
    )
    return {number for (number,) in rows}


# ---------------------------------------------------------------- what charts and lists read


def daily_counts(
    database: Database, setup_id: int, models: Models, where: FeedFilter
) -> list[tuple[date | None, str, str, str | None, str | None, int]]:
    """(day, company, topic, sentiment, risk, items), in order of the day; labels are None while nothing is scored."""
    condition, values = _conditions(setup_id, models, where)
    return database.read(
        f"SELECT i.published_at::DATE AS day, i.company, {_TOPIC}, sentiment.label, risk.label, count(*) {_FROM}"
        f"{_text_join(where)}WHERE {condition} GROUP BY ALL ORDER BY day",
        values,
    )


def feed_rows(
    database: Database,
    setup_id: int,
    models: Models,
    where: FeedFilter,
    limit: int = 50,
    offset: int = 0,
    order: str = "newest",
) -> list[FeedRow]:
    """Items with texts. ``order``: newest, oldest, or surest (most probable sentiment first)."""
    condition, values = _conditions(setup_id, models, where)
    by = {
        "newest": "i.published_at DESC NULLS LAST, i.id DESC",
        "oldest": "i.published_at NULLS FIRST, i.id",
        "surest": "sentiment.score DESC NULLS LAST, i.id",
    }[order]
    rows = database.read(
        f"SELECT i.id, i.published_at, i.company, {_TOPIC}, i.source, i.link, sentiment.label, sentiment.score, "
        f"risk.label, risk.score, t.text {_FROM} JOIN feed_texts t ON t.setup_id = i.setup_id AND t.item_id = i.id "
        f"WHERE {condition} ORDER BY {by} LIMIT {int(limit)} OFFSET {int(offset)}",
        values,
    )
    return [FeedRow(*row) for row in rows]


def count_rows(database: Database, setup_id: int, models: Models, where: FeedFilter) -> int:
    """Items that the filter lets through."""
    condition, values = _conditions(setup_id, models, where)
    found = database.read(
        f"SELECT count(*) {_FROM}{_text_join(where)}WHERE {condition}",
        values,
    )
    return int(found[0][0])


def _text_join(where: FeedFilter) -> str:
    return "JOIN feed_texts t ON t.setup_id = i.setup_id AND t.item_id = i.id " if where.text else ""


def _conditions(setup_id: int, models: Models, where: FeedFilter) -> tuple[str, list[Any]]:
    """WHERE clause and the values of its numbered places; only values come from people."""
    values: list[Any] = [setup_id, *(models.get(role, "") for role in _ROLES)]
    found = ["i.setup_id = $1"]

    def add(sql: str, value: Any) -> None:
        values.append(value)
        found.append(sql.format(f"${len(values)}"))

    if where.company is not None:
        add("i.company = {0}", where.company)
    if where.topic is not None:
        add(_TOPIC + " = {0}", where.topic)
    if where.since is not None:
        add("i.published_at >= {0}", datetime.combine(where.since, datetime.min.time()))
    if where.until is not None:
        add("i.published_at <= {0}", where.until)
    if where.sentiments:
        add("sentiment.label IN (SELECT unnest({0}::VARCHAR[]))", list(where.sentiments))
    if where.risks:
        add("risk.label IN (SELECT unnest({0}::VARCHAR[]))", list(where.risks))
    if where.ids is not None:
        add("i.id IN (SELECT unnest({0}::BIGINT[]))", list(where.ids))
    if where.text:
        add("contains(lower(t.text), lower({0}))", where.text)
    return " AND ".join(found), values


# ---------------------------------------------------------------- alerts

StoredAlert = tuple[int, str, date, bool, dict[str, Any], datetime]
"""Number, company, first day, whether it still stands, what is known, when it was first stored."""
AlertEvent = tuple[int, str, str, str, datetime]
"""Alert number, kind (acknowledged, reopened, note, sent, failed), note, user, time."""


def list_alerts(database: Database, setup_id: int) -> list[StoredAlert]:
    """Alerts as they are now, newest first day first."""
    rows = database.read(
        "SELECT alert_id, arg_max(company, id), arg_max(started, id) AS began, arg_max(active, id), "
        "arg_max(content, id), min(happened_at) FROM feed_alerts WHERE setup_id = ? GROUP BY alert_id "
        "ORDER BY began DESC, alert_id DESC",
        [setup_id],
    )
    return [(i, company, began, active, json.loads(content), at) for i, company, began, active, content, at in rows]


def write_alert(
    database: Database,
    setup_id: int,
    alert_id: int | None,
    company: str,
    started: date,
    active: bool,
    content: dict[str, Any],
) -> int:
    """Store an alert as it is from now on, a new one without ``alert_id``; returns its number."""
    with database.transaction() as write:
        number = database.next_ids("feed_alerts")
        write.execute(
            "INSERT INTO feed_alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [number, alert_id or number, setup_id, company, started, active, json.dumps(content), datetime.now()],
        )
    return alert_id or number


def list_alert_events(database: Database, setup_id: int) -> list[AlertEvent]:
    """What people and hooks did with the alerts, oldest first."""
    return database.read(
        "SELECT alert_id, kind, note, username, happened_at FROM feed_alert_events WHERE setup_id = ? ORDER BY id",
        [setup_id],
    )


def write_alert_event(database: Database, setup_id: int, alert_id: int, kind: str, note: str, username: str) -> None:
    """Append what was done with an alert."""
    with database.transaction() as write:
        write.execute(
            "INSERT INTO feed_alert_events VALUES (?, ?, ?, ?, ?, ?, ?)",
            [database.next_ids("feed_alert_events"), setup_id, alert_id, kind, note, username, datetime.now()],
        )
