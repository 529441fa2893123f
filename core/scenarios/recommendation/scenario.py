"""The recommendation scenario on one setup: data in, lists out, feedback back, figures beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.errors import InputError, NotFoundError, RefusedError
from core.records import Progressing
from core.scenarios.base import Role, ScenarioConfig
from core.scenarios.feedback import send_back
from core.scenarios.recommendation import behaviour, simulation
from core.scenarios.recommendation.catalog import Item
from core.scenarios.recommendation.config import GOOD, MATCHING, NOT_FOR_ME, RecommendationConfig
from core.scenarios.recommendation.evaluation import Evaluated, evaluate
from core.scenarios.recommendation.features import Profile
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
    LONGEST_SENTENCE,
    Close,
    KeptReport,
    Liked,
    ListMade,
    Person,
    Placed,
    Sent,
    Standing,
    Wish,
)
from core.scenarios.recommendation.shop import Shop, history_text, read, read_sentence, shops
from core.scenarios.roles import role_model, role_project, sample_roles
from core.scenarios.setups import SAMPLE, Setup, create_setup, save_setup
from core.storage import recommendation as store

if TYPE_CHECKING:
    from core.model import Model
    from core.project import Project
    from core.run import Run
    from core.workspace import Workspace

Report = Callable[[Progressing], None]
MOST_CLOSE = 5
_EPOCH = datetime(1970, 1, 1)


def _silent(step: Progressing) -> None:
    """Nobody watches."""


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
        """The tuned model that reads texts; None: the built-in base does. Raises RefusedError for one that cannot."""
        return role_model(self.workspace, MATCHING, self.config)

    def project(self) -> Project | None:
        """The project whose model reads texts, to which feedback goes."""
        return role_project(self.workspace, MATCHING, self.config)

    def shop(self) -> Shop:
        """The setup's data in memory."""
        return shops(self.workspace).get(self.workspace, self.setup.id, self.config, self.model())

    def read_texts(self, progress: Report = _silent) -> int:
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
        own = shop.histories.liked(self._number(shop, person))
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

    def recommend(self, wish: Wish) -> ListMade:
        """The list for a person with a history, or for a new one from clicks or a sentence.

        Raises NotFoundError for an unknown person or item, InputError for a wish that says nothing.
        """
        started = time.perf_counter()
        shop = self.shop()
        config = self.config
        profile, hidden = self._profile(shop, wish)
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

    def _profile(self, shop: Shop, wish: Wish) -> tuple[Profile, np.ndarray]:
        """What is known of the person, and the rows that are not shown."""
        memory = self.config.memory
        if wish.person is not None:
            number = self._number(shop, wish.person)
            own = shop.histories.item[shop.histories.liked(number)]
            vector = None
            if shop.model is not None and shop.reads and len(own):
                vector = self._vectors(shop, [history_text(shop.catalog, own)])[0]
            disliked = shop.histories.disliked[number].indices
            return Profile.of(shop.histories, number, memory, vector), np.concatenate([own, disliked])
        rows = [self._row(shop, key) for key in dict.fromkeys(wish.clicks)]
        sentence = " ".join(wish.sentence.split())[:LONGEST_SENTENCE]
        vector = read_sentence(self.workspace, shop.model, sentence) if sentence and shop.reads else None
        return Profile.chosen(rows, memory, vector), np.array(rows, np.int64)

    def _vectors(self, shop: Shop, texts: list[str]) -> np.ndarray:
        return read(self.workspace, shop.model, texts, _silent)

    def _number(self, shop: Shop, person: str) -> int:
        if person not in shop.histories.numbers:
            raise NotFoundError(f"Nobody is called '{person[:40]}' in this setup.", "Choose somebody from the list.")
        return shop.histories.numbers[person]

    def _row(self, shop: Shop, key: str) -> int:
        if key not in shop.catalog.index:
            raise NotFoundError(f"There is no item '{key[:40]}' in this setup.", "Choose one from the catalogue.")
        return shop.catalog.index[key]

    def place_item(self, text: str) -> Placed:
        """A new item from its text alone: what reads alike, and who would be shown it. Raises RefusedError."""
        shop = self.shop()
        if not text.strip():
            raise InputError("There is no text to read.", "Type a title and a description.")
        if shop.features.vectors is None:
            raise RefusedError("The texts have not been read yet.", "Wait a moment, then try again.")
        vector = read_sentence(self.workspace, shop.model, text.strip()[:LONGEST_SENTENCE])
        near = shop.features.vectors @ vector
        sums = shop.histories.matrix @ shop.features.vectors  # (people, d)
        lengths = np.linalg.norm(sums, axis=1)
        tastes = np.divide(sums @ vector, lengths, out=np.zeros(len(sums), np.float32), where=lengths > 0)
        catalog, names = shop.catalog, shop.histories.people
        return Placed(
            similar=[
                Close(id=catalog.ids[row], title=catalog.titles[row], score=float(near[row]))
                for row in np.argsort(-near)[:MOST_CLOSE]
            ],
            people=[
                Close(id=names[number], title=names[number], score=float(tastes[number]))
                for number in np.argsort(-tastes)[:MOST_CLOSE]
            ],
        )

    def feedback(self, item: str, good: bool, wish: Wish, user: str = "me") -> Sent:
        """Somebody likes a recommendation, or does not: it counts at once, and waits in the labeling queue.

        The queue is that of the project whose model reads the texts; without one the event alone is kept.
        """
        shop = self.shop()
        row = self._row(shop, item)
        if wish.person is not None:
            liked = shop.histories.item[shop.histories.liked(self._number(shop, wish.person))]
            moment = datetime.now(UTC).replace(tzinfo=None).isoformat()
            kind = GOOD if good else NOT_FOR_ME
            self.add_events(
                [{"user": wish.person, "item": item, "kind": kind, "at": moment}], EventMapping(kind="kind", at="at")
            )
        else:
            liked = np.array([self._row(shop, key) for key in wish.clicks], np.int64)
        project, text_b = self.project(), shop.catalog.text(row)
        first = history_text(shop.catalog, liked) or wish.sentence.strip()
        if project is None or not first or not text_b:
            return Sent(stored=wish.person is not None)
        note = "a person liked this recommendation" if good else "a person did not want this recommendation"
        number = send_back(project, first, self.name, note, user, text_b)
        return Sent(stored=wish.person is not None, project_id=project.id, item_id=number)

    # ------------------------------------------------------------ numbers

    def evaluate(self, progress: Report = _silent) -> Evaluated:
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
