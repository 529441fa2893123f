"""Which standard answer fits what is known, and what is still to be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.scenarios.customer_service.config import Template

_PLACE = re.compile(r"\{([^{}]{1,100})\}")


@dataclass(frozen=True)
class Filled:
    """What a template says now."""

    name: str
    text: str
    missing: tuple[str, ...] = ()
    """What was asked for; empty when the answer is complete."""


def choose(templates: Sequence[Template], intent: str, known: Mapping[str, str]) -> Filled | None:
    """The most specific answer to an intent that ``known`` (value by entity kind) allows; None without a template.

    While something more could be said, the sentence that asks for it comes along: alone when part of it is known
    already, behind the general answer otherwise.
    """
    own = [template for template in templates if template.intent == intent]
    if not own:
        return None
    complete = [template for template in own if set(template.needs) <= set(known)]
    best = max(complete, key=lambda template: len(template.needs), default=None)
    if best is not None and best.needs:
        return Filled(best.name, fill(best.text, known))
    asking = [template for template in own if template.needs and template.ask]
    # The fewest questions first; of those, what makes most of what the customer has told.
    wanted = min(asking, key=lambda one: (len(set(one.needs) - set(known)), -len(one.needs)), default=None)
    if wanted is None:
        return None if best is None else Filled(best.name, fill(best.text, known))
    missing = tuple(kind for kind in wanted.needs if kind not in known)
    if best is None or set(wanted.needs) & set(known):
        return Filled(wanted.name, wanted.ask, missing)
    return Filled(best.name, f"{fill(best.text, known)} {wanted.ask}", missing)


def fill(text: str, known: Mapping[str, str]) -> str:
    """Put what is known into its places; other braces mean nothing."""
    return _PLACE.sub(lambda place: known.get(place.group(1), place.group()), text)
