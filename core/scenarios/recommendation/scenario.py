"""The recommendation scenario on one setup: data in, lists out, feedback back, figures beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.errors import RefusedError
from core.records import Progressing
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.feedback import send_back
from core.scenarios.recommendation import behaviour, simulation
from core.scenarios.recommendation.catalog import Item
from core.scenarios.recommendation.cold import item_row, liked_rows, person_number, place, profile_of
from core.scenarios.recommendation.config import GOOD, MATCHING, NOT_FOR_ME, RecommendationConfig
from core.scenarios.recommendation.evaluation import Evaluated, evaluate
from core.scenarios.recommendation.histories import Histories
from core.scenarios.recommendation.imports import (
    DataReport,
    EventMapping,
    ItemMapping,
    Row,
    event_table,
    item_table,
    read_rows,
)
from core.scenarios.recommendation.ranking import recommend
from core.scenarios.recommendation.records import (
    KeptReport,
    Liked,
    ListMade,
    Person,
    Placed,
    Sent,
    Standing,
    Wish,
)
from core.scenarios.recommendation.shop import Shop, history_text, read, shops, silent
from core.scenarios.roles import role_model, role_project, sample_roles
from core.scenarios.setups import SAMPLE, Setup, create_setup, save_setup
from core.storage import recommendation as store

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Project
    from core.run import Run
    from core.workspace import Workspace

Report = Callable[[Progressing], None]
METHOD = "bi_encoder"
"""The only method whose models make vectors of texts."""
_EPOCH = datetime(1970, 1, 1)


class Recommendation:
    """What a person sees next, from texts and behaviour."""

    name: ClassVar[str] = "recommendation"
    title: ClassVar[str] = "Recommendation"
    summary: ClassVar[str] = (
        "A list for one person that changes at once with what counts, with the reason of each place."
    )
    data: ClassVar[str] = "Items with a title or a description, and events: who did what with which item, and when."
    roles: ClassVar[tuple[Role, ...]] = (MATCHING,)
    Config: ClassVar[type[ScenarioConfig]] = RecommendationConfig

    def __init__(self, workspace: Workspace, setup: Setup) -> None:
        self.workspace, self.setup = workspace, setup
        self.config = RecommendationConfig.model_validate(setup.config)

    @classmethod
    def install_sample(cls, workspace: Workspace) -> Self:
        """Make the sample setup: an invented shop and its simulated visitors."""
        config = RecommendationConfig(roles=sample_roles(workspace, cls.roles), currency="€")
        items = simulation.sample_items()
        events = simulation.simulate(items, simulation.sample_profiles())
        with workspace.database.transaction():
            made = cls(workspace, create_setup(workspace, cls.name, SAMPLE, config, user="samples"))
            made.add_items(
                [
                    {
                        "id": item.id,
                        "title": item.title,
                        "description": item.description,
                        "category": item.category,
                        "price": str(item.price),
                        "added_on": item.added_on.isoformat(),
                    }
                    for item in items
                ],
                ItemMapping(description="description", category="category", price="price", added_on="added_on"),
            )
            made.add_events(
                [{"user": e.user, "item": e.item, "kind": e.kind, "at": e.at.isoformat()} for e in events],
                EventMapping(kind="kind", at="at"),
            )
        return made

    def delete_data(self) -> None:
        """Remove everything that belongs to the setup."""
        store.delete_data(self.workspace.database, self.setup.id)
        shops(self.workspace).forget(self.setup.id)

    # ------------------------------------------------------------ data

    def add_items(self, rows: Iterable[Row], mapping: ItemMapping | None = None) -> DataReport:
        """Add items of a program; one that is there gets the new values."""
        return self._store_items(enumerate(rows, 1), mapping or ItemMapping(), [])

    def add_events(self, rows: Iterable[Row], mapping: EventMapping | None = None) -> DataReport:
        """Add events of a program; one that is there already is left out."""
        return self._store_events(enumerate(rows, 1), mapping or EventMapping(), [])

    def import_items(
        self, path: Path, mapping: ItemMapping, filename: str | None = None, progress: Report | None = None
    ) -> DataReport:
        """Import a file of items. Raises InputError for a file that cannot be read as a whole."""
        rows, refused = self._rows(path, mapping.id, filename, progress)
        return self._store_items(rows, mapping, refused)

    def import_events(
        self, path: Path, mapping: EventMapping, filename: str | None = None, progress: Report | None = None
    ) -> DataReport:
        """Import a file of events. Raises InputError for a file that cannot be read as a whole."""
        rows, refused = self._rows(path, mapping.item, filename, progress)
        return self._store_events(rows, mapping, refused)

    def _rows(self, path: Path, key: str, filename: str | None, progress: Report | None) -> Any:
        return read_rows(path, key, filename, self.workspace.settings, self.workspace.scratch, progress)

    def _store_items(self, rows: Iterable[tuple[int, Row]], mapping: ItemMapping, refused: list[Any]) -> DataReport:
        table, duplicates, rejected = item_table(rows, mapping)
        replaced = store.write_items(self.workspace.database, self.setup.id, table) if table.num_rows else 0
        added = table.num_rows - replaced
        return DataReport(added=added, replaced=replaced, duplicates=duplicates, rejected=[*refused, *rejected])

    def _store_events(self, rows: Iterable[tuple[int, Row]], mapping: EventMapping, refused: list[Any]) -> DataReport:
        table, duplicates, rejected = event_table(rows, mapping)
        added = store.append_events(self.workspace.database, self.setup.id, table) if table.num_rows else 0
        duplicates += table.num_rows - added
        warnings = []
        if unknown := store.count_unknown(self.workspace.database, self.setup.id):
            warnings.append(f"{unknown} events name items that the catalogue does not have; they wait for them.")
        if mapping.at is None and table.num_rows:
            warnings.append("The events have no times: their order in the file says what came last.")
        return DataReport(added=added, duplicates=duplicates, rejected=[*refused, *rejected], warnings=warnings)

    def standing(self) -> Standing:
        """What the setup holds."""
        shop = self.shop()
        catalog, histories = shop.catalog, shop.histories
        return Standing(
            items=len(catalog),
            without_text=sum(not text for text in catalog.texts()),
            without_price=int(np.isnan(catalog.prices).sum()),
            people=len(histories.people),
            events=histories.events,
            unknown_events=histories.unknown,
            likes=len(histories),
            timed=not np.isnan(histories.latest),
        )

    # ------------------------------------------------------------ models

    def model(self) -> Model | None:
        """The tuned model that reads texts; None: the built-in base does, since there is none or it cannot."""
        try:
            return self._chosen()
        except RefusedError:
            return None

    @property
    def problem(self) -> RefusedError | None:
        """Why the chosen model does not read the texts; None when there is nothing wrong."""
        try:
            self._chosen()
        except RefusedError as error:
            return error
        return None

    def _chosen(self) -> Model | None:
        chosen = self.config.roles.get(MATCHING.name)
        if not isinstance(chosen, int):
            model = role_model(self.workspace, MATCHING, self.config)
            if model is not None and model.info.method != METHOD:
                raise RefusedError(f"The model '{model.title}' makes no vectors of texts.", "Choose a bi-encoder.")
            return model
        project = role_project(self.workspace, MATCHING, self.config)
        if project is None or project.task.name != MATCHING.task:
            raise RefusedError(
                "The part 'Text matching' is given to a project that is gone or of another task.",
                "Choose another one under 'Use my data'.",
            )
        readers = [model for model in project.models() if model.info.method == METHOD]
        return next((model for model in readers if model.info.champion), next(iter(readers), None))

    def project(self) -> Project | None:
        """The project whose model reads texts, to which feedback goes."""
        try:
            project = role_project(self.workspace, MATCHING, self.config)
        except RefusedError:
            return None
        return project if project is not None and project.task.name == MATCHING.task else None

    def tuning(self) -> Run | None:
        """The run that tunes the text model, while it waits or works."""
        project = self.project()
        runs = [] if project is None else project.runs()
        return next((run for run in runs if run.method == METHOD and run.active), None)

    def shop(self) -> Shop:
        """The setup's data in memory."""
        return shops(self.workspace).get(self.workspace, self.setup.id, self.config, self.model())

    def read_texts(self, progress: Report = silent) -> int:
        """Have the model read every text it has not read yet; returns the number of items."""
        return shops(self.workspace).read_texts(self.workspace, self.setup.id, self.config, self.model(), progress)

    def tune_on_behaviour(self, user: str = "me", base: str | None = None) -> tuple[Setup, Run]:
        """Train a bi-encoder on what people liked next; its project plays the role from now on.

        Returns the setup with the role filled and the run, which goes on in the background. Raises RefusedError for
        too few events, or a setup that somebody else changed.
        """
        shop = shops(self.workspace).get(self.workspace, self.setup.id, self.config, None)
        behaviour.pairs(shop)  # before anything is made: too few are refused
        project = self.project()
        if project is None:
            name = f"Liked next: {self.setup.name}"[:90]
            taken = {one.name for one in self.workspace.projects()}
            number = next(n for n in range(1, len(taken) + 2) if (name if n == 1 else f"{name} {n}") not in taken)
            project = self.workspace.create_project(
                name if number == 1 else f"{name} {number}", task=MATCHING.task, user=user
            )
        run = behaviour.tune(shop, project, user, base)
        config = self.config.model_copy(update={"roles": {**self.config.roles, MATCHING.name: project.id}})
        if config != self.config:
            self.setup, self.config = save_setup(self.workspace, self.setup, config, user), config
        return self.setup, run

    # ------------------------------------------------------------ live

    def people(self, search: str = "", limit: int = 1000) -> list[Person]:
        """People whose name holds ``search``, the most active first."""
        histories = self.shop().histories
        sizes = np.diff(histories.starts)
        wanted = search.strip().casefold()
        found = [n for n in np.argsort(-sizes, kind="stable") if wanted in histories.people[n].casefold()]
        return [Person(id=histories.people[n], liked=int(sizes[n])) for n in found[:limit]]

    def history(self, person: str, limit: int = 50) -> list[Liked]:
        """What a person likes, newest first. Raises NotFoundError."""
        shop = self.shop()
        own = shop.histories.liked(person_number(shop, person))
        found = []
        for entry in range(own.stop - 1, max(own.start, own.stop - limit) - 1, -1):
            days = float(shop.histories.at[entry])
            found.append(
                Liked(
                    item=shop.catalog.item(int(shop.histories.item[entry])),
                    at=None if np.isnan(days) else _EPOCH + timedelta(days=days),
                    strength=float(shop.histories.strength[entry]),
                )
            )
        return found

    def items(self, search: str = "", limit: int = 50) -> list[Item]:
        """Items whose title or id holds ``search``, the most popular first."""
        shop = self.shop()
        wanted = search.strip().casefold()
        order = np.argsort(-shop.features.popularity, kind="stable")
        catalog = shop.catalog
        found = (row for row in order if wanted in catalog.titles[row].casefold() or wanted == catalog.ids[row])
        return [catalog.item(int(row)) for row, _ in zip(found, range(limit), strict=False)]

    def item(self, key: str) -> Item:
        """One item by its id. Raises NotFoundError."""
        shop = self.shop()
        return shop.catalog.item(item_row(shop, key))

    def recommend(self, wish: Wish) -> ListMade:
        """The list for a person with a history, or for a new one from clicks or a sentence.

        Raises NotFoundError for an unknown person or item, InputError for a wish that says nothing.
        """
        started = time.perf_counter()
        shop = self.shop()
        config = self.config
        profile, hidden = profile_of(self.workspace, shop, wish, config.memory)
        key = (wish.person, wish.clicks, wish.sentence)
        made = recommend(
            shop.features,
            profile,
            wish.weights or config.weights,
            config.diversity if wish.diversity is None else wish.diversity,
            wish.length or config.length,
            hidden,
            wish.filters,
            config.rules,
            shop.known(key, profile),
        )
        return ListMade(
            recommendations=made,
            milliseconds=1000 * (time.perf_counter() - started),
            reads_texts=shop.reads,
            model=shop.model.id if shop.model and shop.reads else None,
        )

    def place_item(self, text: str) -> Placed:
        """A new item from its text alone: what reads alike, and whom it suits. Raises InputError, RefusedError."""
        return place(self.workspace, self.shop(), text)

    def feedback(self, item: str, good: bool, wish: Wish, user: str = "me") -> Sent:
        """Somebody likes a recommendation, or does not: it counts at once, and waits in the labeling queue.

        The queue is that of the project whose model reads the texts; without one the event alone is kept.
        """
        shop = self.shop()
        row, liked = item_row(shop, item), liked_rows(shop, wish)
        if wish.person is not None:
            moment = datetime.now(UTC).replace(tzinfo=None).isoformat()
            kind = GOOD if good else NOT_FOR_ME
            self.add_events(
                [{"user": wish.person, "item": item, "kind": kind, "at": moment}], EventMapping(kind="kind", at="at")
            )
        project, text_b = self.project(), shop.catalog.text(row)
        first = history_text(shop.catalog, liked) or wish.sentence.strip()
        if project is None or not first or not text_b:
            return Sent(stored=wish.person is not None)
        note = "a person liked this recommendation" if good else "a person did not want this recommendation"
        number = send_back(project, first, self.name, note, user, text_b)
        return Sent(stored=wish.person is not None, project_id=project.id, item_id=number)

    # ------------------------------------------------------------ numbers

    def evaluate(self, progress: Report = silent) -> Evaluated:
        """Measure every way of ranking on held-back items and keep the figures. Raises RefusedError."""
        self.read_texts(progress)
        shop = self.shop()
        model = shop.model

        def tuned(histories: Histories) -> np.ndarray:
            texts = [
                history_text(shop.catalog, histories.item[histories.liked(number)])
                for number in range(len(histories.people))
            ]
            return read(self.workspace, model, texts, progress)

        result = evaluate(
            shop.catalog,
            shop.histories,
            self.config,
            shop.features.vectors,
            tuned if model else None,
            model.id if model else None,
            progress,
        )
        store.write_report(self.workspace.database, self.setup.id, self._stamp(model), result.model_dump(mode="json"))
        return result

    def report(self) -> KeptReport | None:
        """The figures of the last evaluation; None before the first."""
        kept = store.newest_report(self.workspace.database, self.setup.id)
        if kept is None:
            return None
        stamp, content, at = kept
        return KeptReport(result=Evaluated.model_validate(content), at=at, current=stamp == self._stamp(self.model()))

    def _stamp(self, model: Model | None) -> str:
        """What figures were made from."""
        numbers = store.stamp(self.workspace.database, self.setup.id)
        told = self.config.model_dump_json(include={"kinds", "liked_from", "popular_days", "new_days"})
        return f"{numbers}|{told}|{model.id if model else ''}"
