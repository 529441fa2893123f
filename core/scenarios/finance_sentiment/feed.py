"""Feeds come in: rows, RSS or Atom, from a file or an address. What cannot be used is named with its row."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from core.data import importing
from core.data.names import visible
from core.data.text import text_hash
from core.errors import InputError
from core.records import ColumnMapping, ImportPreview, ImportReport, Progressing, Record, RejectedRow
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.dates import read_date, tomorrow
from core.scenarios.finance_sentiment.news_xml import is_xml, read_news
from core.settings import Settings
from core.storage import finance_sentiment as store
from core.storage.database import Database

MOST_XML_BYTES = 20 * 2**20
LONGEST_NAME = 200
"""Characters of a company, topic or source."""
MOST_REJECTED = 100_000
CHUNK = 20_000
_GUESSES = {
    "text": ("text", "headline", "title", "sentence", "tweet", "content", "body", "标题", "内容", "文本"),
    "date": ("date", "published", "published_at", "pubdate", "time", "timestamp", "datetime", "created_at", "day",
             "日期", "时间", "发布时间"),
    "company": ("company", "ticker", "symbol", "organisation", "organization", "issuer", "entity", "公司", "股票"),
    "topic": ("topic", "category", "theme", "主题", "类别"),
    "source": ("source", "publisher", "feed", "来源"),
    "link": ("link", "url", "链接"),
    "sentiment": ("sentiment", "label", "gold", "情感"),
    "risk": ("risk", "风险"),
}  # fmt: skip
Report = Callable[[Progressing], None]


class FeedMapping(Record):
    """Which column of a feed file means what."""

    text: str = Field(default="text", description="Column with the headline or text.")
    date: str | None = Field(default=None, description="Column with the date; without one there are no curves.")
    company: str | None = Field(default=None, description="Column with the company or ticker.")
    topic: str | None = Field(default=None, description="Column with the topic; wins over the topic model.")
    source: str | None = Field(default=None, description="Column that says where the item comes from.")
    link: str | None = Field(default=None, description="Column with a web address of the item.")
    sentiment: str | None = Field(
        default=None, description="Column with the right sentiment; only for measuring, never for training."
    )
    risk: str | None = Field(default=None, description="Column with the right risk; only for measuring.")


def guess_mapping(preview: ImportPreview) -> FeedMapping:
    """The most likely meaning of the columns, by their names."""
    by_name = {name.strip().lower(): name for name in reversed(preview.columns)}
    found = {part: next((by_name[name] for name in names if name in by_name), None) for part, names in _GUESSES.items()}
    return FeedMapping.model_validate({**found, "text": found["text"] or preview.guess.text})


def preview_feed(path: Path, filename: str | None = None, settings: Settings | None = None) -> ImportPreview:
    """The first rows of a feed file. Raises InputError."""
    if not _is_news(path):
        return importing.preview(path, filename=filename, settings=settings)
    rows = read_news(_xml_bytes(path)).rows
    return ImportPreview(
        columns=["text", "date", "link", "topic"], rows=rows[:20], format="rss", guess=ColumnMapping(text="text")
    )


def import_feed(
    database: Database,
    setup_id: int,
    config: FinanceConfig,
    path: Path,
    mapping: FeedMapping | None = None,
    filename: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
    latest: datetime | None = None,
    scratch: Path | None = None,
) -> ImportReport:
    """Add a file (CSV, JSONL, Parquet, Excel, RSS, Atom) to a feed; without ``mapping`` its column names are guessed.

    Dates after ``latest`` (default: tomorrow) are refused. Raises InputError; then nothing of the file stays behind.
    """
    latest = latest or tomorrow()
    if _is_news(path):
        return add_news(database, setup_id, config, _xml_bytes(path), latest)
    mapping = mapping or guess_mapping(preview_feed(path, filename, settings))
    used = [name for name in mapping.model_dump().values() if name]
    if len(set(used)) != len(used):
        raise InputError("A column is chosen twice.", "Choose a column for one meaning only.")
    with importing.stage(
        path, ColumnMapping(text=mapping.text), "classification", filename, None, settings, progress, parent=scratch
    ) as staged:
        missing = [name for name in used if name not in staged.columns and staged.format not in ("json", "jsonl")]
        if missing:
            raise InputError(f"There is no column '{visible(missing[0], 40)}'.", "Choose another one.")
        rejected = staged.rejected(MOST_REJECTED)
        report = _insert(
            database, setup_id, config, _staged_rows(staged.parquet, mapping), latest, staged.rows, progress
        )
        return report.model_copy(
            update={
                "rejected": sorted([*rejected, *report.rejected], key=lambda row: row.row),
                "warnings": [*staged.warnings, *report.warnings],
                "seconds": staged.seconds + report.seconds,
            }
        )


def add_news(
    database: Database, setup_id: int, config: FinanceConfig, content: bytes, latest: datetime | None = None
) -> ImportReport:
    """Add the entries of an RSS or Atom document. Its categories are no topics of ours, so the topic model decides.

    Raises InputError for broken XML.
    """
    rows = read_news(content).rows
    return add_rows(database, setup_id, config, [{**row, "topic": ""} for row in rows], latest, dated=True)


def add_rows(
    database: Database,
    setup_id: int,
    config: FinanceConfig,
    rows: Sequence[Mapping[str, Any]],
    latest: datetime | None = None,
    dated: bool = False,
) -> ImportReport:
    """Add rows with the keys of ``FeedMapping``. ``dated``: every row must have a date."""
    numbered = enumerate(({key: str(value or "") for key, value in row.items()} for row in rows), 1)
    has_dates = dated or any(row.get("date") for row in rows)
    return _insert(database, setup_id, config, numbered, latest or tomorrow(), len(rows), None, has_dates)


def _is_news(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return is_xml(file.read(400))
    except OSError as error:
        raise InputError("The file cannot be read.", "Choose it again.") from error


def _xml_bytes(path: Path) -> bytes:
    if path.stat().st_size > MOST_XML_BYTES:
        raise InputError(f"The feed is larger than {MOST_XML_BYTES // 2**20} MB.", "Import it as CSV.")
    return path.read_bytes()


def _staged_rows(parquet: Path, mapping: FeedMapping) -> Iterator[tuple[int, dict[str, str]]]:
    """Row numbers and cells by meaning; ``date`` is missing where the mapping has none."""
    import pyarrow.parquet as pq

    columns = {part: name for part, name in mapping.model_dump().items() if name and part != "text"}
    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(batch_size=2000, columns=["row", "text", "meta"]):
            for row in batch.to_pylist():
                cells = json.loads(row["meta"] or "{}")
                found = {part: cells.get(name) or "" for part, name in columns.items()}
                yield row["row"], {**found, "text": row["text"]}


def _insert(
    database: Database,
    setup_id: int,
    config: FinanceConfig,
    rows: Iterable[tuple[int, dict[str, str]]],
    latest: datetime,
    total: int,
    progress: Report | None,
    has_dates: bool = True,
) -> ImportReport:
    """Check and store rows; all of them or, when something raises, none."""
    started = time.monotonic()
    find = company_finder(config)
    new, rejected, added, done = store.NewItems(), [], 0, 0
    with database.long_transaction() if total > CHUNK else database.transaction():
        for number, row in rows:
            done += 1
            try:
                _append(new, row, latest, find, has_dates)
            except InputError as error:
                rejected.append(RejectedRow(row=number, reason=error.message, excerpt=visible(row.get("text", ""))))
            if len(new.text) >= CHUNK:
                added += store.insert_items(database, setup_id, new)
                new = store.NewItems()
            if progress and done % 2000 == 0:
                progress(Progressing(done=done, total=total, message="adding items"))
        added += store.insert_items(database, setup_id, new)
    return ImportReport(
        added=added,
        duplicates=done - len(rejected) - added,
        rejected=rejected,
        seconds=time.monotonic() - started,
    )


def _append(
    new: store.NewItems, row: dict[str, str], latest: datetime, find: Callable[[str], str], has_dates: bool
) -> None:
    """One row into the columns. Raises InputError with the reason why it cannot be used."""
    text = row.get("text", "").strip()
    if not text or "\0" in text:
        raise InputError("the text is empty" if not text else "the text holds a NUL character")
    moment = None
    if "date" in row and has_dates:
        if not row["date"].strip():
            raise InputError("the date is missing")
        moment = read_date(row["date"], latest)
    link = row.get("link", "").strip()
    new.text.append(text)
    new.text_hash.append(text_hash(text))
    new.published_at.append(moment)
    new.company.append(_name(row.get("company", "")) or find(text))
    new.topic.append(_name(row.get("topic", "")))
    new.source.append(_name(row.get("source", "")))
    new.link.append(link[:2000] if link.startswith(("http://", "https://")) else "")
    new.gold_sentiment.append(_name(row.get("sentiment", "")) or None)
    new.gold_risk.append(_name(row.get("risk", "")) or None)


def _name(cell: str) -> str:
    return " ".join(visible(cell, LONGEST_NAME).split())


def company_finder(config: FinanceConfig) -> Callable[[str], str]:
    """Finds the company that a text names first, by the names and tickers of the setup; '' for none."""
    known: dict[str, str] = {}
    for company, names in config.companies.items():
        for name in (company, *names):
            if name.strip():
                known.setdefault(name.strip().casefold(), company)
    if not known:
        return lambda text: ""
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in longest_first))

    def find(text: str) -> str:
        found = pattern.search(text.casefold())
        return known[found.group(0)] if found else ""

    return find
