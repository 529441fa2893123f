"""What pages and API ask of the recommendation scenario, and what they get."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from core.records import Record
from core.scenarios.recommendation.catalog import Item
from core.scenarios.recommendation.config import Weights
from core.scenarios.recommendation.evaluation import Evaluated
from core.scenarios.recommendation.ranking import Filters, Recommendation

LONGEST_SENTENCE = 2_000
MOST_CLICKS = 50


class Wish(Record):
    """For whom a list is made, and how."""

    person: str | None = Field(default=None, max_length=200, description="Somebody with a history; none: a new person.")
    clicks: tuple[str, ...] = Field(
        default=(), max_length=MOST_CLICKS, description="Ids of items that a new person chose, oldest first."
    )
    sentence: str = Field(
        default="", max_length=LONGEST_SENTENCE, description="What a new person says they are looking for."
    )
    hidden: tuple[str, ...] = Field(default=(), max_length=1000, description="Ids of items that are not shown.")
    weights: Weights | None = Field(default=None, description="None: those of the setup.")
    diversity: float | None = Field(default=None, ge=0, le=1, description="None: that of the setup.")
    length: int | None = Field(default=None, ge=1, le=100, description="None: that of the setup.")
    filters: Filters = Field(default_factory=Filters)


class ListMade(Record):
    """A list with how it was made."""

    recommendations: list[Recommendation]
    milliseconds: float = Field(description="Server side, from the question to the list.")
    reads_texts: bool = Field(description="False while the texts have not been read: behaviour alone made the list.")
    model: str | None = Field(default=None, description="Id of the tuned model that read the texts; none: the base.")


class Person(Record):
    """Somebody with a history."""

    id: str
    liked: int = Field(description="Items that they like.")


class Liked(Record):
    """One entry of a history."""

    item: Item
    at: datetime | None = Field(description="The last time, UTC; None where the file had no times.")
    strength: float = Field(description="Weight of the strongest event.")


class Sent(Record):
    """Where feedback went."""

    stored: bool = Field(description="Whether it counts for this person's next list.")
    project_id: int | None = Field(default=None, description="Project into whose labeling queue it went.")
    item_id: int | None = Field(default=None, description="The item there.")


class Close(Record):
    """Something near a new item."""

    id: str
    title: str
    score: float = Field(description="Cosine of the texts, or of text and person.")


class Placed(Record):
    """A new item, from its text alone."""

    similar: list[Close] = Field(description="Items that read most alike.")
    people: list[Close] = Field(description="People whose liked items read most alike.")


class KeptReport(Record):
    """The last evaluation."""

    result: Evaluated
    at: datetime
    current: bool = Field(description="False when data, model or settings have changed since.")


class Standing(Record):
    """What a setup holds."""

    items: int
    without_text: int = Field(description="Items that a model cannot read: they are found by behaviour alone.")
    without_price: int
    people: int
    events: int = Field(description="Events with a known item.")
    unknown_events: int = Field(description="Events for items that the catalogue does not have; they wait for them.")
    likes: int = Field(description="Different pairs of a person and an item they like.")
    timed: bool = Field(description="Whether events have times; without, their order in the file counts.")
