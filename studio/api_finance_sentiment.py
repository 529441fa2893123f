"""Finance sentiment for programs: setups, feed, curves, alerts, reports; /api/v1/scenarios/finance-sentiment."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query
from fastapi.responses import HTMLResponse, StreamingResponse
from pydantic import Field

from core.errors import NotFoundError, StudioError
from core.evaluation import Evaluation
from core.records import ImportReport, Record
from core.scenarios import list_setups, open_scenario
from core.scenarios.finance_sentiment import live, series
from core.scenarios.finance_sentiment.alerts import Alert, ShuffleCheck
from core.scenarios.finance_sentiment.attribution import Attribution
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.drivers import DrivingWord
from core.scenarios.finance_sentiment.live import end_of
from core.scenarios.finance_sentiment.report import to_html
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.setups import Setup, checked, create_setup, remove_setup, save_setup
from core.storage.finance_sentiment import FeedFilter
from studio.api_base import Open, protected
from studio.api_models import MOST_PAGE, MOST_ROWS, Id, Text, User
from studio.services import get_jobs

LINES = "application/x-ndjson"
PAUSE_SECONDS = 0.3
RoleName = Literal["sentiment", "topic", "risk"]
Short = Annotated[str, Field(max_length=200)]
router = protected("/scenarios/finance-sentiment")


class NewSetup(Record):
    """A setup to make."""

    name: str = Field(max_length=1000)
    config: dict[str, Any] = Field(default_factory=dict, description="As in a setup file; what is missing is default.")
    user: User = "api"


class ChangedSetup(Record):
    """A setup as it should be."""

    revision: int = Field(description="Revision that was read; an older one is refused.")
    config: dict[str, Any]
    user: User = "api"


class NewsRow(Record):
    """One item. Without a date it takes no part in curves and alerts."""

    text: Text
    date: Short = Field(default="", description="ISO 8601, or as RSS writes it.")
    company: Short = ""
    topic: Short = Field(default="", description="Wins over the topic model.")
    source: Short = ""
    link: str = Field(default="", max_length=2000)
    sentiment: Short = Field(default="", description="What is right; only for measuring.")
    risk: Short = Field(default="", description="What is right; only for measuring.")


class NewNews(Record):
    """Items to add."""

    items: list[NewsRow] = Field(min_length=1, max_length=MOST_ROWS)


class FeedState(Record):
    """How a feed stands."""

    items: int
    dated: int
    first: str | None
    last: str | None
    waiting: dict[str, int] = Field(description="By role: items that its model has not scored yet.")
    problems: dict[str, str] = Field(description="By role: why nobody plays it.")


class NewsItem(Record):
    """One item with what the models said."""

    id: int
    date: str | None
    company: str
    topic: str
    sentiment: str | None
    sentiment_score: float | None
    risk: str | None
    text: str


class NewNote(Record):
    """What was done with an alert."""

    kind: Literal["acknowledged", "reopened", "note"]
    note: str = Field(default="", max_length=2000)
    user: User = "api"


class NewFeedback(Record):
    """What a model got wrong."""

    role: RoleName = "sentiment"
    note: str = Field(default="", max_length=2000)
    user: User = "api"


class SentBack(Record):
    """Where it went."""

    project_id: int
    item_id: int


class Filter(Record):
    """Which items."""

    company: Short | None = None
    topic: Short | None = None
    since: date | None = None
    until: date | None = None

    @property
    def where(self) -> FeedFilter:
        """The same for storage."""
        return FeedFilter(self.company, self.topic, self.since, None if self.until is None else end_of(self.until))


def _scenario(workspace: Open, setup_id: Annotated[Id, Path()]) -> FinanceSentiment:
    scenario = open_scenario(workspace, NAME, setup_id)
    if not isinstance(scenario, FinanceSentiment):
        raise NotFoundError(f"There is no setup {setup_id} of finance sentiment.", "Ask for the list of setups.")
    return scenario


Chosen = Annotated[FinanceSentiment, Depends(_scenario)]
Asked = Annotated[Filter, Query()]


@router.get("/setups", tags=["finance sentiment"])
def list_all(workspace: Open) -> list[Setup]:
    """Setups, the sample first."""
    return list_setups(workspace, NAME)


@router.post("/setups", tags=["finance sentiment"], status_code=201)
def create(workspace: Open, new: NewSetup) -> Setup:
    """Make a setup."""
    return create_setup(workspace, NAME, new.name, checked(FinanceConfig, new.config), user=new.user)


@router.put("/setups/{setup_id}", tags=["finance sentiment"])
def change(workspace: Open, scenario: Chosen, new: ChangedSetup) -> Setup:
    """Save a changed config; refused when somebody else saved meanwhile."""
    base = scenario.setup.model_copy(update={"revision": new.revision})
    return save_setup(workspace, base, checked(FinanceConfig, new.config), user=new.user)


@router.delete("/setups/{setup_id}", tags=["finance sentiment"], status_code=204)
def remove(workspace: Open, scenario: Chosen) -> None:
    """Remove a setup with its feed, scores and alerts."""
    scenario.delete_data()
    remove_setup(workspace, scenario.setup, user="api")


@router.get("/setups/{setup_id}/state", tags=["finance sentiment"])
def state(scenario: Chosen) -> FeedState:
    """What the feed holds and what is missing."""
    facts = scenario.facts
    return FeedState(
        items=facts.items,
        dated=facts.dated,
        first=facts.first.isoformat() if facts.first else None,
        last=facts.last.isoformat() if facts.last else None,
        waiting=scenario.waiting(),
        problems={role: str(error) for role, error in scenario.problems.items()},
    )


@router.post("/setups/{setup_id}/items", tags=["finance sentiment"], status_code=201)
def add_items(scenario: Chosen, new: NewNews) -> ImportReport:
    """Add items; rows that cannot be used are named with their reason. Score them with ``update``."""
    return scenario.add([row.model_dump() for row in new.items])


@router.get("/setups/{setup_id}/items", tags=["finance sentiment"])
def list_items(
    scenario: Chosen,
    asked: Asked,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_PAGE)] = 100,
) -> list[NewsItem]:
    """Items of the filter, newest first."""
    return [
        NewsItem(
            id=row.id,
            date=row.published_at.isoformat() if row.published_at else None,
            company=row.company,
            topic=row.topic,
            sentiment=row.sentiment,
            sentiment_score=row.sentiment_score,
            risk=row.risk,
            text=row.text,
        )
        for row in scenario.items(asked.where, limit, offset)
    ]


@router.post("/setups/{setup_id}/update", tags=["finance sentiment"])
def update(scenario: Chosen) -> StreamingResponse:
    """Score what is missing and raise alerts: one JSON line a step, the last one says how it ended.

    A caller who hangs up does not stop it; the same work is not started twice.
    """
    key = f"finance_update_{scenario.setup.id}"
    job = get_jobs().get(key)
    if job is None or job.state != "running":
        job = get_jobs().start(key, "Scoring the feed", scenario.update)

    def lines() -> Iterator[str]:
        while job.state == "running":
            yield _line(job.progress.model_dump())
            time.sleep(PAUSE_SECONDS)
        if job.state == "stopped":
            yield _line({"state": "stopped"})
            return
        try:
            yield _line({"state": "done", "scored": [one.model_dump() for one in job.result()]})
        except StudioError as error:
            yield _line({"state": "failed", "detail": error.message, "hint": error.hint})

    return StreamingResponse(lines(), media_type=LINES)


@router.post("/setups/{setup_id}/poll", tags=["finance sentiment"])
def poll(scenario: Chosen) -> ImportReport:
    """Ask the feed of the setup once."""
    return live.poll(scenario)


@router.get("/setups/{setup_id}/replay", tags=["finance sentiment"])
def replay(
    scenario: Chosen, days_per_second: Annotated[float, Query(gt=0, le=1000)] = live.SPEEDS[1]
) -> StreamingResponse:
    """The feed day by day at a chosen speed: one JSON line a day with its items and the alerts that fire."""
    days = live.play(scenario, days_per_second)
    first = next(days, None)  # what is refused is refused before the answer begins

    def lines() -> Iterator[str]:
        if first is not None:
            yield _line(first)
            yield from map(_line, days)

    return StreamingResponse(lines(), media_type=LINES)


@router.get("/setups/{setup_id}/trend", tags=["finance sentiment"])
def trend(scenario: Chosen, asked: Asked) -> series.Trend:
    """Items by day and sentiment, and the negative share."""
    return series.trend(scenario.counts(asked.where), scenario.config.is_negative)


@router.get("/setups/{setup_id}/heat-map", tags=["finance sentiment"])
def heat_map(scenario: Chosen, asked: Asked, by: Literal["company", "topic"] = "company") -> series.HeatMap:
    """Negative share by week and company or topic."""
    return series.heat_map(scenario.counts(asked.where), scenario.config.is_negative, by)


@router.get("/setups/{setup_id}/drivers", tags=["finance sentiment"])
def drivers(scenario: Chosen, asked: Asked) -> list[DrivingWord]:
    """Words that set these days apart from the others."""
    return scenario.drivers(asked.where)


@router.get("/setups/{setup_id}/alerts", tags=["finance sentiment"])
def alerts(scenario: Chosen) -> list[Alert]:
    """Alerts with what was done about them, newest first."""
    return scenario.alerts()


@router.post("/setups/{setup_id}/alerts/{alert_id}/notes", tags=["finance sentiment"], status_code=201)
def note_alert(scenario: Chosen, alert_id: Annotated[Id, Path()], new: NewNote) -> list[Alert]:
    """Acknowledge an alert, open it again, or write a note."""
    scenario.note_alert(alert_id, new.kind, new.note, new.user)
    return [alert for alert in scenario.alerts() if alert.id == alert_id]


@router.get("/setups/{setup_id}/items/{item_id}/explanation", tags=["finance sentiment"])
def explain(scenario: Chosen, item_id: Annotated[Id, Path()], role: RoleName = "sentiment") -> Attribution:
    """Which words made the model say what it says."""
    return scenario.explain(item_id, role)


@router.post("/setups/{setup_id}/items/{item_id}/feedback", tags=["finance sentiment"], status_code=201)
def send_back(scenario: Chosen, item_id: Annotated[Id, Path()], new: NewFeedback) -> SentBack:
    """Put an item that a model got wrong first into the labeling queue of its project."""
    project, item = scenario.send_back(item_id, new.role, new.note, new.user)
    return SentBack(project_id=project.id, item_id=item)


@router.get("/setups/{setup_id}/quality", tags=["finance sentiment"])
def quality(scenario: Chosen, role: RoleName = "sentiment") -> Evaluation:
    """A role's model against what the feed itself says."""
    return scenario.quality(role)


@router.get("/setups/{setup_id}/false-alarms", tags=["finance sentiment"])
def false_alarms(scenario: Chosen) -> ShuffleCheck:
    """Alerts on copies of the feed whose dates are exchanged: all of them false."""
    return scenario.shuffle_check()


@router.get("/setups/{setup_id}/report", tags=["finance sentiment"], response_class=HTMLResponse)
def report(scenario: Chosen, week: date) -> HTMLResponse:
    """The weekly report, one HTML page; ``week`` is any of its days."""
    return HTMLResponse(to_html(scenario.week_report(week)))


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
