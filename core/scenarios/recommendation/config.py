"""What a setup of the recommendation scenario holds: what counts as liking, what the list weighs, and house rules."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.scenarios.base import Role, ScenarioConfig

NOT_FOR_ME, GOOD = "not_for_me", "good"
"""Kinds of the events that feedback on a recommendation leaves."""
FEATURES = ("text", "behaviour", "popularity", "newness", "price", "category")
"""What an item is scored by, in the order of every feature array."""

MATCHING = Role(
    name="matching",
    title="Text matching",
    help="Tells how close an item's text is to what a person liked. Without one the built-in base model reads them.",
    task="pair",
    required=False,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Weights(_Part):
    """How much each feature counts; every feature is 0 to 1 before it is weighed."""

    text: float = Field(
        default=1.0,
        ge=0,
        le=2,
        title="Similar texts",
        description="The text resembles those of what the person liked. Finds new and rare items.",
    )
    behaviour: float = Field(
        default=1.0,
        ge=0,
        le=2,
        title="Liked together",
        description="People who liked the same things liked this item as well. Blind for items nobody touched yet.",
    )
    popularity: float = Field(
        default=0.2,
        ge=0,
        le=2,
        title="Popular",
        description="Many people like it these days. Much of it makes all lists alike.",
    )
    newness: float = Field(default=0.1, ge=0, le=2, title="New", description="It came into the catalogue recently.")
    price: float = Field(
        default=0.2, ge=0, le=2, title="Usual price", description="It costs about what the person usually chooses."
    )
    category: float = Field(
        default=0.2, ge=0, le=2, title="Usual categories", description="It is of a category the person often chooses."
    )


class Rule(_Part):
    """A house rule: what it is about and what happens to items that it fits."""

    field: Literal["category", "title", "id"] = Field(
        default="category", description="Where to look: the category, words of the title, or the item's own id."
    )
    value: str = Field(min_length=1, max_length=200, description="What must stand there, ignoring case.")
    action: Literal["exclude", "boost", "bury"] = Field(
        default="exclude", description="Never show it, move it up, or move it down."
    )


class RecommendationConfig(ScenarioConfig):
    """Settings of one shop."""

    kinds: dict[str, float] = Field(
        default_factory=lambda: {
            "view": 0.0, "click": 1.0, "share": 2.0, "purchase": 3.0, "rating": 1.0, GOOD: 2.0, NOT_FOR_ME: -1.0,
        },
        max_length=100,
        description="How much each kind of event says that somebody likes an item: 0 is nothing, below 0 means "
        "dislike. A kind that is not listed counts as 1.",
    )  # fmt: skip
    liked_from: float = Field(
        default=4.0,
        title="Liked from this rating on",
        description="An event with a rating counts as liking from this rating on.",
        allow_inf_nan=False,
    )
    currency: str = Field(default="", max_length=5, description="Stands beside prices, e.g. € or USD.")
    weights: Weights = Field(default_factory=Weights, description="Where the sliders stand at first.")
    diversity: float = Field(
        default=0.2,
        title="Variety",
        ge=0,
        le=1,
        description="0 shows the best items even when they are all alike; 1 avoids anything alike.",
    )
    length: int = Field(default=20, ge=1, le=100, title="Length of the list", description="Items in a list.")
    popular_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="After so many days an event counts half for popularity. Empty: a third of the time your events "
        "span.",
    )
    new_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="After so many days an item is only half as new. Empty: a third of the time your events span.",
    )
    memory: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        title="Likes until an older one counts half",
        description="Small follows the last steps of a person, large the whole history.",
    )
    rules: list[Rule] = Field(default_factory=list, max_length=200, description="House rules, all of them apply.")

    @field_validator("kinds")
    @classmethod
    def check_kinds(cls, value: dict[str, float]) -> dict[str, float]:
        """Finite weights between -10 and 10, names of at most 50 characters."""
        for name, weight in value.items():
            if not name.strip() or len(name) > 50 or not -10 <= weight <= 10:
                raise ValueError(f"'{name[:50]}' needs a name of 1 to 50 characters and a weight from -10 to 10")
        return {name.strip().lower(): weight for name, weight in value.items()}
