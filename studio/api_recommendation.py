"""Recommendation for programs: setups, items, events, lists, feedback, figures; /api/v1/scenarios/recommendation."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from fastapi import Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field, JsonValue

from core.errors import NotFoundError
from core.records import Record
from core.scenarios import list_setups, open_scenario
from core.scenarios.recommendation.catalog import Item
from core.scenarios.recommendation.config import RecommendationConfig
from core.scenarios.recommendation.imports import DataReport, EventMapping, ItemMapping
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
from core.scenarios.recommendation.scenario import Recommendation
from core.scenarios.setups import Setup, checked, create_setup, remove_setup, save_setup
from studio.api_base import Open, protected
from studio.api_models import MOST_PAGE, MOST_ROWS, Id, User
from studio.api_scenarios import ChangedSetup, NewSetup, stream_job

NAME = Recommendation.name
TAGS: list[str | Enum] = ["recommendation"]
Search = Annotated[str, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=MOST_PAGE)]
router = protected("/scenarios/recommendation")


class NewItems(Record):
    """Items to add or to replace."""

    items: list[dict[str, JsonValue]] = Field(min_length=1, max_length=MOST_ROWS)
    mapping: ItemMapping = Field(
        default=ItemMapping(description="description", category="category", price="price", added_on="added_on"),
        description="Which key means what.",
    )


class NewEvents(Record):
    """Events to add; those that are there already are left out."""

    events: list[dict[str, JsonValue]] = Field(min_length=1, max_length=MOST_ROWS)
    mapping: EventMapping = Field(
        default=EventMapping(kind="kind", rating="rating", at="at"), description="Which key means what."
    )


class NewOpinion(Record):
    """What somebody thinks of a recommendation."""

    item: str = Field(max_length=200, description="Id of the item.")
    good: bool
    wish: Wish = Field(default_factory=Wish, description="The wish that the list was made for.")
    user: User = "api"


class NewText(Record):
    """A new item before it is in the catalogue."""

    text: str = Field(max_length=20_000, description="Title and description.")


class Tuning(Record):
    """A run that learns what is liked next."""

    run_id: str
    setup: Setup = Field(description="With the project of the run as its text model.")


def _scenario(workspace: Open, setup_id: Annotated[Id, Path()]) -> Recommendation:
    scenario = open_scenario(workspace, NAME, setup_id)
    if not isinstance(scenario, Recommendation):
        raise NotFoundError(f"There is no setup {setup_id} of recommendation.", "Ask for the list of setups.")
    return scenario


Chosen = Annotated[Recommendation, Depends(_scenario)]


@router.get("/setups", tags=TAGS)
def list_all(workspace: Open) -> list[Setup]:
    """Setups, the sample first."""
    return list_setups(workspace, NAME)


@router.post("/setups", tags=TAGS, status_code=201)
def create(workspace: Open, new: NewSetup) -> Setup:
    """Make a setup."""
    return create_setup(workspace, NAME, new.name, checked(RecommendationConfig, new.config), user=new.user)


@router.put("/setups/{setup_id}", tags=TAGS)
def change(workspace: Open, scenario: Chosen, new: ChangedSetup) -> Setup:
    """Save a changed config; refused when somebody else saved meanwhile."""
    base = scenario.setup.model_copy(update={"revision": new.revision})
    return save_setup(workspace, base, checked(RecommendationConfig, new.config), user=new.user)


@router.delete("/setups/{setup_id}", tags=TAGS, status_code=204)
def remove(workspace: Open, scenario: Chosen) -> None:
    """Remove a setup with its items, events and figures."""
    scenario.delete_data()
    remove_setup(workspace, scenario.setup, user="api")


@router.get("/setups/{setup_id}/state", tags=TAGS)
def state(scenario: Chosen) -> Standing:
    """What the setup holds, and what of it cannot be used."""
    return scenario.standing()


@router.post("/setups/{setup_id}/items", tags=TAGS, status_code=201)
def add_items(scenario: Chosen, new: NewItems) -> DataReport:
    """Add items, or give them new values; rows that cannot be used are named with their reason."""
    return scenario.add_items(new.items, new.mapping)


@router.get("/setups/{setup_id}/items", tags=TAGS)
def list_items(scenario: Chosen, search: Search = "", limit: Limit = 100) -> list[Item]:
    """Items whose title holds the words, the most popular first."""
    return scenario.items(search, limit)


@router.post("/setups/{setup_id}/events", tags=TAGS, status_code=201)
def add_events(scenario: Chosen, new: NewEvents) -> DataReport:
    """Add what people did."""
    return scenario.add_events(new.events, new.mapping)


@router.get("/setups/{setup_id}/people", tags=TAGS)
def list_people(scenario: Chosen, search: Search = "", limit: Limit = 100) -> list[Person]:
    """People with a history, the most active first."""
    return scenario.people(search, limit)


@router.get("/setups/{setup_id}/history", tags=TAGS)
def history(scenario: Chosen, person: Annotated[str, Query(max_length=200)], limit: Limit = 100) -> list[Liked]:
    """What a person likes, newest first."""
    return scenario.history(person, limit)


@router.post("/setups/{setup_id}/read", tags=TAGS)
def read_texts(scenario: Chosen) -> StreamingResponse:
    """Have the model read the texts of the items, streamed; until then behaviour alone makes the lists."""
    return stream_job(
        _read_key(scenario), "Reading the texts of the items", scenario.read_texts, lambda n: {"items": n}
    )


def _read_key(scenario: Recommendation) -> str:
    model = scenario.model()
    return f"shop_read_{scenario.setup.id}_{model.id if model else 'base'}"


@router.post("/setups/{setup_id}/recommendations", tags=TAGS)
def recommend(scenario: Chosen, wish: Wish) -> ListMade:
    """The list for somebody with a history, or for a new person from clicks or a sentence, with reasons."""
    return scenario.recommend(wish)


@router.post("/setups/{setup_id}/feedback", tags=TAGS, status_code=201)
def feedback(scenario: Chosen, new: NewOpinion) -> Sent:
    """Keep an opinion: it counts at once, and waits first in the labeling queue of the text model's project."""
    return scenario.feedback(new.item, new.good, new.wish, new.user)


@router.post("/setups/{setup_id}/place", tags=TAGS)
def place(scenario: Chosen, new: NewText) -> Placed:
    """A new item from its text alone: what reads alike, and whom it suits."""
    return scenario.place_item(new.text)


@router.post("/setups/{setup_id}/evaluate", tags=TAGS)
def evaluate(scenario: Chosen) -> StreamingResponse:
    """Measure every way of ranking on held-back items, streamed; the last line has all figures."""
    return stream_job(f"shop_measure_{scenario.setup.id}", "Measuring", scenario.evaluate, _plain)


def _plain(result: Record) -> Any:
    return result.model_dump(mode="json")


@router.get("/setups/{setup_id}/report", tags=TAGS)
def report(scenario: Chosen) -> KeptReport:
    """The figures of the last evaluation."""
    kept = scenario.report()
    if kept is None:
        raise NotFoundError("Nothing was measured yet.", "Call evaluate first.")
    return kept


@router.post("/setups/{setup_id}/tune", tags=TAGS, status_code=202)
def tune(scenario: Chosen) -> Tuning:
    """Start to train a text model on what people liked next; ask /v1/runs how far it is."""
    setup, run = scenario.tune_on_behaviour(user="api")
    return Tuning(run_id=run.id, setup=setup)
