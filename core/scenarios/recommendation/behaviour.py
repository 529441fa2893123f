"""Behaviour as supervision: pairs of a history and what was liked next, and a bi-encoder tuned on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.errors import RefusedError
from core.scenarios.recommendation.shop import Shop, history_text

if TYPE_CHECKING:
    from core.project import Project
    from core.run import Run

LEAST_PAIRS = 30
MOST_PAIRS = 5_000
MOST_PER_PERSON = 20
HELD_BACK = 2
"""Last liked items of everybody that are never trained on: figures and weights are worked out on them."""
EPOCHS = 3


def pairs(shop: Shop, seed: int = 0) -> list[dict[str, str]]:
    """Rows of a pair project: ``text`` the titles liked so far, ``text_b`` the text of the item liked next.

    Raises RefusedError when there are too few.
    """
    histories = shop.histories
    steps: list[tuple[int, int]] = []  # (first entry of the person, entry that was liked next)
    for person in range(len(histories.people)):
        own = histories.liked(person)
        last = own.stop - HELD_BACK
        steps.extend((own.start, entry) for entry in range(max(own.start + 1, last - MOST_PER_PERSON), last))
    if len(steps) > MOST_PAIRS:
        drawn = np.random.default_rng(seed).choice(len(steps), MOST_PAIRS, replace=False)
        steps = [steps[place] for place in np.sort(drawn)]
    rows = [
        {"text": history_text(shop.catalog, histories.item[first:entry]), "text_b": text, "label": "match"}
        for first, entry in steps
        if (text := shop.catalog.text(int(histories.item[entry])))
    ]
    if len(rows) < LEAST_PAIRS:
        raise RefusedError(
            f"The events hold only {len(rows)} steps from one liked item to the next; {LEAST_PAIRS} are needed.",
            "Import more events, or let more kinds of events count as liking.",
        )
    return rows


def tune(shop: Shop, project: Project, user: str = "me", base: str | None = None) -> Run:
    """Add the pairs to a project of the task 'pair', freeze a version and start to train on it."""
    project.add_items(pairs(shop), user=user, source="behaviour")
    version = project.freeze(test=0.1, dev=0.1, seed=0, user=user)
    # What one person liked next says nothing about what others must not like: no chains of matches.
    return project.train(version, method="bi_encoder", base=base, chains=False, epochs=EPOCHS)
