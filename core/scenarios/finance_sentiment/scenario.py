"""Finance sentiment on one setup: what pages, API and notebooks call."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field

from core.data.samples import FOLDER
from core.errors import InputError, NotFoundError, RefusedError
from core.evaluation import Evaluation, evaluate
from core.records import ImportReport, Progressing, Record
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.feedback import send_back
from core.scenarios.finance_sentiment import alerts as alerting
from core.scenarios.finance_sentiment import hooks, scoring, series
from core.scenarios.finance_sentiment.alerts import Alert, ShuffleCheck
from core.scenarios.finance_sentiment.attribution import Attribution, attribute
from core.scenarios.finance_sentiment.config import ROLES, FinanceConfig
from core.scenarios.finance_sentiment.drivers import DrivingWord, driving_words
from core.scenarios.finance_sentiment.feed import FeedMapping, add_rows, import_feed
from core.scenarios.finance_sentiment.live import end_of
from core.scenarios.finance_sentiment.report import SHOWN_ITEMS, WeekLine, WeekReport
from core.scenarios.roles import role_model, role_project, sample_roles
from core.scenarios.setups import SAMPLE, Setup, checked, create_setup
from core.storage import finance_sentiment as store
from core.storage.finance_sentiment import FeedFacts, FeedFilter, FeedRow
from core.tasks import get_task

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Project
    from core.workspace import Workspace

NAME = "finance_sentiment"
SAMPLE_FEED = FOLDER / "finance_sentiment" / "feed.csv"
MOST_MEASURED = 5_000
"""Items with a right answer on which quality is measured."""
MOST_COMPARED = 2_000
"""Texts on either side that driving words are worked out from."""
LATENCY_TEXTS = 30
Report = Callable[[Progressing], None]
_telling = ThreadPoolExecutor(1, thread_name_prefix="hooks")
"""Alerts leave one after the other, and nobody waits for a server that hangs."""


class Latency(Record):
    """How long answers take."""

    median_ms: float = Field(description="One text, model warm.")
    p95_ms: float
    per_second: float = Field(description="Texts a second in a batch.")
    texts: int = Field(description="Texts of the batch.")


class FinanceSentiment:
    """What is turning bad, and why."""

    name: ClassVar[str] = NAME
    title: ClassVar[str] = "Finance sentiment"
    summary: ClassVar[str] = "What is turning bad in the news on a company, since when, and why."
    data: ClassVar[str] = "Headlines or posts, best with a date and a company; a topic where the feed has one."
    roles: ClassVar[tuple[Role, ...]] = ROLES
    Config: ClassVar[type[ScenarioConfig]] = FinanceConfig

    def __init__(self, workspace: Workspace, setup: Setup) -> None:
        self.workspace = workspace
        self.setup = setup
        self.config = FinanceConfig.model_validate(checked(FinanceConfig, setup.config).model_dump())

    @classmethod
    def install_sample(cls, workspace: Workspace) -> Self:
        """Make the sample setup with its feed of 90 days; models are not needed yet."""
        with SAMPLE_FEED.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        config = FinanceConfig(roles=sample_roles(workspace, ROLES), companies=_short_names(rows))
        scenario = cls(workspace, create_setup(workspace, NAME, SAMPLE, config, user="samples"))
        # The sample's dates are what they are, whatever this machine's clock says.
        add_rows(workspace.database, scenario.setup.id, config, rows, latest=datetime.max)
        return scenario

    def delete_data(self) -> None:
        """Remove the feed, its scores and its alerts."""
        store.delete_feed(self.workspace.database, self.setup.id)

    # ------------------------------------------------------------ models

    @cached_property
    def models(self) -> dict[str, Model]:
        """Role -> the model that plays it; roles that nobody can play are left out and explained by ``problems``."""
        found = {}
        for role in ROLES:
            try:
                model = role_model(self.workspace, role, self.config)
            except RefusedError:
                continue
            if model is not None:
                found[role.name] = model
        return found

    @cached_property
    def problems(self) -> dict[str, RefusedError]:
        """Role -> why nobody plays it; an optional role without a choice is no problem."""
        found = {}
        for role in ROLES:
            try:
                if role_model(self.workspace, role, self.config) is None and (
                    role.required or role.name in self.config.roles
                ):
                    found[role.name] = RefusedError(
                        f"The part '{role.title}' has no model yet.", "Train one, or choose another project."
                    )
            except RefusedError as error:
                found[role.name] = error
        return found

    def project_of(self, role: str) -> Project | None:
        """The project to which the mistakes of a role go back."""
        return role_project(self.workspace, _role(role), self.config)

    def model(self, role: str) -> Model:
        """The model of a role. Raises RefusedError when nobody plays it."""
        if role in self.models:
            return self.models[role]
        raise self.problems.get(role) or RefusedError(
            f"The part '{_role(role).title}' has no model.", "Choose one under 'Use my data'."
        )

    @property
    def _ids(self) -> dict[str, str]:
        return {role: model.id for role, model in self.models.items()}

    # ------------------------------------------------------------ data

    def import_file(
        self,
        path: Path,
        mapping: FeedMapping | None = None,
        filename: str | None = None,
        progress: Report | None = None,
        latest: datetime | None = None,
    ) -> ImportReport:
        """Add a file to the feed. Raises InputError; then nothing of it stays behind."""
        return import_feed(
            self.workspace.database, self.setup.id, self.config, path, mapping, filename, self.workspace.settings,
            progress, latest, self.workspace.scratch,
        )  # fmt: skip

    def add(self, rows: Sequence[dict[str, str]]) -> ImportReport:
        """Add rows of a program: text, and date, company, topic, source, link, sentiment, risk where known."""
        return add_rows(self.workspace.database, self.setup.id, self.config, rows)

    @property
    def facts(self) -> FeedFacts:
        """Counts over the whole feed."""
        return store.feed_facts(self.workspace.database, self.setup.id)

    def waiting(self) -> dict[str, int]:
        """Role -> items that its model has not scored yet."""
        return scoring.waiting(self.workspace, self.setup.id, self.models)

    def update(self, progress: Report | None = None) -> list[scoring.Scored]:
        """Score what is missing and raise alerts; safe to stop and to repeat. Raises ModelError."""
        made = scoring.score(self.workspace, self.setup.id, self.models, progress)
        self.refresh_alerts()
        return made

    # ------------------------------------------------------------ what charts and lists show

    def counts(self, where: FeedFilter | None = None) -> list[series.Count]:
        """Items by day, company, topic, sentiment and risk."""
        return store.daily_counts(self.workspace.database, self.setup.id, self._ids, where or FeedFilter())

    def items(
        self, where: FeedFilter | None = None, limit: int = 50, offset: int = 0, order: str = "newest"
    ) -> list[FeedRow]:
        """Items with what the models said. ``order``: newest, oldest or surest."""
        return store.feed_rows(
            self.workspace.database, self.setup.id, self._ids, where or FeedFilter(), limit, offset, order
        )

    def count(self, where: FeedFilter | None = None) -> int:
        """Items that the filter lets through."""
        return store.count_rows(self.workspace.database, self.setup.id, self._ids, where or FeedFilter())

    def item(self, item_id: int) -> FeedRow:
        """One item. Raises NotFoundError."""
        for row in self.items(FeedFilter(ids=(item_id,)), limit=1):
            return row
        raise NotFoundError(f"There is no item {item_id} in this feed.", "Choose one from the list.")

    def negative_labels(self) -> tuple[str, ...]:
        """Labels of the sentiment model that count as bad news."""
        labels = self.models["sentiment"].info.labels if "sentiment" in self.models else []
        return tuple(label for label in labels if self.config.is_negative(label))

    def drivers(self, where: FeedFilter) -> list[DrivingWord]:
        """Words that set a stretch of days apart from other days; without one, negative items from the others."""
        chosen, beside = where, FeedFilter(company=where.company, topic=where.topic)
        if where.since is None:
            chosen = FeedFilter(**{**vars(where), "sentiments": self.negative_labels()})
        inside = self.items(chosen, limit=MOST_COMPARED, order="surest") if where.since or chosen.sentiments else []
        known = {row.id for row in inside}
        others = [row.text for row in self.items(beside, limit=2 * MOST_COMPARED) if row.id not in known]
        return driving_words([row.text for row in inside], others[:MOST_COMPARED])

    def explain(self, item_id: int, role: str = "sentiment") -> Attribution:
        """Which words of an item made the role's model say what it says. Raises RefusedError, NotFoundError."""
        model = self.model(role)
        row = self.item(item_id)
        return attribute(row.text, lambda texts: self.workspace.predictors.scores(model.path, texts), model.info.labels)

    # ------------------------------------------------------------ alerts

    def alerts(self) -> list[Alert]:
        """Alerts as they are stored, newest first."""
        return alerting.stored_alerts(self.workspace.database, self.setup.id)

    def alerts_at(self, moment: datetime) -> list[Alert]:
        """Alerts as a reader knew them at a moment; nothing is stored."""
        return alerting.find_alerts(self.counts(FeedFilter(until=moment)), self.config)

    def refresh_alerts(self) -> list[Alert]:
        """Work out the alerts anew and tell others of new ones, without waiting; returns the new ones."""
        if "sentiment" in self.models and self.waiting()["sentiment"]:
            return []  # half of the sentiments would be half of the truth
        found = alerting.find_alerts(self.counts(), self.config)
        new = alerting.refresh_alerts(self.workspace.database, self.setup.id, found, self.config)
        if self.config.hooks_on:
            newest = self.facts.last
            for alert in new:
                if newest is None or newest.date() - alert.until <= timedelta(days=2):  # history is no news
                    _telling.submit(self._tell, alert)
        return new

    def _tell(self, alert: Alert) -> None:
        for arrived, what in hooks.tell(alert, self.config, self.workspace.settings):
            kind = "sent" if arrived else "failed"
            store.write_alert_event(self.workspace.database, self.setup.id, alert.id, kind, what, "hook")

    def note_alert(self, alert_id: int, kind: str, note: str = "", user: str = "me") -> None:
        """Record 'acknowledged', 'reopened' or a 'note'. Raises NotFoundError, RefusedError, InputError."""
        if kind not in ("acknowledged", "reopened", "note"):
            raise InputError(f"'{kind[:40]}' cannot be done with an alert.", "Use acknowledged, reopened or note.")
        alerting.note_alert(self.workspace.database, self.setup.id, alert_id, kind, note, user)

    def alert_filter(self, alert: Alert) -> FeedFilter:
        """The items behind an alert."""
        return FeedFilter(company=alert.company or None, since=alert.since, until=end_of(alert.until))

    # ------------------------------------------------------------ proof

    def quality(self, role: str, progress: Report | None = None) -> Evaluation:
        """The role's model against what the feed itself says; items that its project has are left out.

        Raises RefusedError when the feed has no answers for it.
        """
        model = self.model(role)
        rows = store.gold_rows(self.workspace.database, self.setup.id, role, MOST_MEASURED)
        known = store.known_hashes(self.workspace.database, model.info.project_id, [row[3] for row in rows])
        rows = [row for row in rows if row[3] not in known]
        if not rows:
            raise RefusedError(
                f"The feed does not say which {_role(role).title.lower()} is right, so nothing can be measured.",
                "Import a file with such a column; it is used for measuring only.",
            )
        scores = []
        for start in range(0, len(rows), scoring.CHUNK):
            if progress:
                progress(Progressing(done=start, total=len(rows), message="measuring"))
            texts = [text for _, text, _, _ in rows[start : start + scoring.CHUNK]]
            scores.append(self.workspace.predictors.scores(model.path, texts))
        return evaluate(
            gold=[_as_model(gold, model.info.labels) for _, _, gold, _ in rows],
            scores=np.concatenate(scores),
            labels=model.info.labels,
            ids=[number for number, *_ in rows],
            texts=[text for _, text, _, _ in rows],
            task=get_task("classification"),
            split="test",
            name=model.title,
        )

    def latency(self, role: str = "sentiment") -> Latency:
        """One text at a time and a batch, on texts of the feed. Raises RefusedError for an empty feed."""
        model = self.model(role)
        texts = [row.text for row in self.items(limit=512)]
        if not texts:
            raise RefusedError("The feed is empty.", "Import a feed.")
        scoring.predict(self.workspace, model, texts[:1])
        times = []
        for text in texts[:LATENCY_TEXTS]:
            started = time.perf_counter()
            scoring.predict(self.workspace, model, [text])
            times.append(1000 * (time.perf_counter() - started))
        started = time.perf_counter()
        scoring.predict(self.workspace, model, texts)
        return Latency(
            median_ms=float(np.median(times)),
            p95_ms=float(np.percentile(times, 95)),
            per_second=len(texts) / (time.perf_counter() - started),
            texts=len(texts),
        )

    def shuffle_check(self, copies: int = alerting.SHUFFLES) -> ShuffleCheck:
        """How many alerts there are where there is nothing. Raises RefusedError without dates."""
        return alerting.shuffle_check(self.counts(), self.config, copies)

    # ------------------------------------------------------------ the way back, and out

    def send_back(self, item_id: int, role: str, note: str, user: str = "me") -> tuple[Project, int]:
        """Put an item first into the labeling queue of the role's project; returns (project, item there).

        Raises RefusedError when the role has no project.
        """
        project = self.project_of(role)
        if project is None:
            raise RefusedError(
                f"The part '{_role(role).title}' belongs to no project.", "Choose a project for it under 'Use my data'."
            )
        return project, send_back(project, self.item(item_id).text, NAME, note, user)

    def week_report(self, week: date) -> WeekReport:
        """The report on the week that holds a day."""
        monday = series.week_of(week)
        sunday = monday + timedelta(days=6)
        inside = FeedFilter(since=monday, until=end_of(sunday))
        now = self.counts(inside)
        before = self.counts(FeedFilter(since=monday - timedelta(days=7), until=end_of(monday - timedelta(days=1))))
        negative = self.negative_labels()
        found = [a for a in self.alerts() if a.since <= sunday and a.until >= monday]
        bad = FeedFilter(since=monday, until=end_of(sunday), sentiments=negative)
        return WeekReport(
            title=self.config.report_title,
            week=monday,
            companies=self._lines(now, before, 1),
            topics=self._lines(now, before, 2),
            alerts=found,
            sentences=[alert.sentence(self.config) for alert in found],
            words=self.drivers(inside) if now else [],
            items=self.items(bad, limit=SHOWN_ITEMS, order="surest") if negative else [],
        )

    def _lines(self, now: Sequence[series.Count], before: Sequence[series.Count], place: int) -> list[WeekLine]:
        """One line a company (place 1) or topic (place 2), worst first."""
        totals = [_totals(rows, place, self.config) for rows in (now, before)]
        (items, bad), (items_before, bad_before) = totals
        lines = [
            WeekLine(
                name=name, items=items[name], negative=bad[name], before_items=items_before[name],
                before_negative=bad_before[name],
            )
            for name in sorted({*items, *items_before})
        ]  # fmt: skip
        return sorted(lines, key=lambda line: (-line.negative, -line.items, line.name))


def _short_names(rows: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Companies of the sample feed with the short names that its texts use."""
    found = sorted({row["company"] for row in rows})
    return {name: [] if "&" in name or " " not in name else [name.rpartition(" ")[0]] for name in found}


def _totals(rows: Sequence[series.Count], place: int, config: FinanceConfig) -> tuple[Counter[str], Counter[str]]:
    items: Counter[str] = Counter()
    bad: Counter[str] = Counter()
    for row in rows:
        items[str(row[place])] += row[5]
        bad[str(row[place])] += row[5] if config.is_negative(row[3]) else 0
    return items, bad


def _as_model(gold: str, labels: Sequence[str]) -> str:
    """A right answer of the feed as the model writes it, where only upper and lower case differ."""
    return next((label for label in labels if label.casefold() == gold.casefold()), gold)


def _role(name: str) -> Role:
    for role in ROLES:
        if role.name == name:
            return role
    raise InputError(f"There is no part '{name[:40]}'.", f"Parts: {', '.join(role.name for role in ROLES)}.")
