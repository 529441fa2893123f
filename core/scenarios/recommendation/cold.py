"""Cold start: a person without a history, from a few clicks or a sentence; an item without events, from its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import InputError, NotFoundError, RefusedError
from core.scenarios.recommendation.features import Profile
from core.scenarios.recommendation.records import LONGEST_SENTENCE, Close, Placed, Wish
from core.scenarios.recommendation.shop import Shop, read_sentence

if TYPE_CHECKING:
    from core.workspace import Workspace

MOST_CLOSE = 5


def person_number(shop: Shop, person: str) -> int:
    """Number of somebody with a history. Raises NotFoundError."""
    if person not in shop.histories.numbers:
        raise NotFoundError(f"Nobody is called '{person[:40]}' in this setup.", "Choose somebody from the list.")
    return shop.histories.numbers[person]


def item_row(shop: Shop, key: str) -> int:
    """Row of an item. Raises NotFoundError."""
    if key not in shop.catalog.index:
        raise NotFoundError(f"There is no item '{key[:40]}' in this setup.", "Choose one from the catalogue.")
    return shop.catalog.index[key]


def liked_rows(shop: Shop, wish: Wish) -> np.ndarray:
    """(k,) rows of what somebody likes, oldest first: the history, or the clicks of a new person."""
    if wish.person is not None:
        return shop.histories.item[shop.histories.liked(person_number(shop, wish.person))]
    return np.array([item_row(shop, key) for key in dict.fromkeys(wish.clicks)], np.int64)


def profile_of(workspace: Workspace, shop: Shop, wish: Wish, memory: float) -> tuple[Profile, np.ndarray]:
    """What is known of a person, and the rows that are not shown to them. Raises NotFoundError."""
    rows = liked_rows(shop, wish)
    hidden = np.array([item_row(shop, key) for key in wish.hidden], np.int64)
    if wish.person is not None:
        number = person_number(shop, wish.person)
        disliked = shop.histories.disliked[number].indices
        return Profile.of(shop.histories, number, memory), np.concatenate([rows, disliked, hidden])
    sentence = " ".join(wish.sentence.split())[:LONGEST_SENTENCE]
    vector = read_sentence(workspace, shop.model, sentence) if sentence and shop.reads else None
    return Profile.chosen(rows.tolist(), memory, vector), np.concatenate([rows, hidden])


def place(workspace: Workspace, shop: Shop, text: str) -> Placed:
    """A new item from its text: what reads alike, and whose taste it meets. Raises InputError, RefusedError."""
    if not text.strip():
        raise InputError("There is no text to read.", "Type a title and a description.")
    if shop.features.vectors is None:
        raise RefusedError("The texts have not been read yet.", "Wait a moment, then try again.")
    vector = read_sentence(workspace, shop.model, text.strip()[:LONGEST_SENTENCE])
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
