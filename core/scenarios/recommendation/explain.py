"""Why an item is in the list: the parts of its score in words, and the liked item that speaks most for it."""

from __future__ import annotations

import numpy as np

from core.evaluation.messages import Message
from core.scenarios.recommendation.config import FEATURES
from core.scenarios.recommendation.features import NEWEST, Features, Profile, sharp

MOST_REASONS = 3
LEAST_SHARE = 0.15
"""A part of the score below this share is no reason."""


class Explainer:
    """Reasons of the items of one list."""

    def __init__(self, features: Features, profile: Profile, rows: np.ndarray) -> None:
        self._features, self._profile = features, profile
        self._place = {int(row): place for place, row in enumerate(rows)}
        self._together = self._near = np.zeros((0, len(rows)))
        """(liked items, rows) what each liked item adds to behaviour and text of each row, columns adding up to 1."""
        if len(profile.items):
            own = features.together[profile.items].tocsc()[:, rows].toarray()
            self._together = _shares(own * profile.weights[:, None])
            self._near = np.zeros_like(self._together)
        if len(profile.items) and features.vectors is not None:
            newest = profile.items[-NEWEST:]
            near = sharp(features.vectors[newest] @ features.vectors[rows].T)
            self._near[-len(newest) :] = _shares(near * profile.weights[-NEWEST:, None])

    def reasons(self, row: int, parts: np.ndarray, boosted: bool = False) -> tuple[list[Message], str | None]:
        """(sentences, id of the liked item behind the item). ``parts`` (features,) is what each feature adds."""
        total = max(float(parts.sum()), 1e-9)
        shares = {name: float(part) / total for name, part in zip(FEATURES, parts, strict=True)}
        because = self._source(row, shares)
        found = [Message(key="Moved up by a house rule")] if boosted else []
        for name in sorted((name for name in FEATURES if shares[name] >= LEAST_SHARE), key=lambda name: -shares[name]):
            message = self._words(name, row, because, shares)
            if message not in found:
                found.append(message)
        return found[:MOST_REASONS], None if because is None else self._features.catalog.ids[because]

    def _source(self, row: int, shares: dict[str, float]) -> int | None:
        """Row of the liked item that adds most to text and behaviour of an item; None when nothing liked does."""
        place = self._place[row]
        speaks = shares["behaviour"] * self._together[:, place] + shares["text"] * self._near[:, place]
        best = int(speaks.argmax()) if len(speaks) else 0
        return int(self._profile.items[best]) if len(speaks) and speaks[best] > 0 else None

    def _words(self, name: str, row: int, because: int | None, shares: dict[str, float]) -> Message:
        catalog = self._features.catalog
        if name in ("text", "behaviour"):
            if because is None:
                return Message(key="Matches what you wrote")
            values = {"title": catalog.titles[because]}
            if min(shares["text"], shares["behaviour"]) >= LEAST_SHARE:
                return Message(key="Because you liked {title}: it reads alike, and others liked both", values=values)
            if name == "text":
                return Message(key="Because you liked {title}: it reads alike", values=values)
            return Message(key="Because you liked {title}: others liked both", values=values)
        if name == "category":
            names = catalog.item(row).categories
            return Message(key="From {category}, which you often choose", values={"category": ", ".join(names)})
        if name == "price":
            return Message(key="About your usual price")
        if name == "newness":
            return Message(key="New in the catalogue")
        return Message(key="Many people like it these days")


def _shares(values: np.ndarray) -> np.ndarray:
    """Columns as shares of their sum; zeros stay zeros."""
    return np.asarray(values / np.maximum(values.sum(axis=0, keepdims=True), 1e-9))
