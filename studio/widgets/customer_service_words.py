"""Words of the customer service page for what core says in codes."""

from __future__ import annotations

from core.scenarios.customer_service.agent import Trace, used_passages
from core.scenarios.customer_service.search import Hit
from studio.i18n import N_, _
from studio.text import escape

REASONS = {
    "asked_for_person": N_("The customer asks for a person."),
    "exact_passage": N_("A passage is about exactly this, so it answers before the template of the intent."),
    "completed": N_("The customer gave what the last answer asked for."),
    "sure_intent": N_("The intent is sure and in scope, so its template answers."),
    "near_passage": N_("The intent is not sure enough, but a passage is near enough."),
    "nothing_near": N_("The intent is not sure enough, and no passage is near enough."),
    "not_contained": N_("The generator read the passages and found no answer in them."),
    "generator_failed": N_("The generator could not write an answer."),
}
DECISIONS = {
    "template": N_("Template"),
    "ask": N_("Template, and a question"),
    "passage": N_("Knowledge base"),
    "generated": N_("Written from the knowledge base"),
    "handover": N_("Handed over to a person"),
}
KINDS = {
    "order_number": N_("Order number"),
    "date": N_("Date"),
    "amount": N_("Amount"),
    "email": N_("E-mail address"),
}
STEPS = {
    "language": N_("language"),
    "entities": N_("entities"),
    "intent": N_("intent"),
    "embedding": N_("meaning"),
    "search": N_("search"),
    "generator": N_("generator"),
}
LONGEST_SHOWN = 3_000
"""Characters of one message on screen."""


def source_line(trace: Trace) -> str:
    """Where an answer came from, as a customer may read it."""
    if trace.decision in ("template", "ask"):
        return _("Template: {name}").format(name=escape(trace.template, 80))
    if trace.decision == "handover":
        return _(DECISIONS["handover"])
    titles = " · ".join(passage_name(hit) for hit in used_passages(trace))
    return _("Source: {titles}").format(titles=titles)


def passage_name(hit: Hit) -> str:
    """The title of an entry. Of a conversation only its number: its words are another customer's."""
    if hit.kind == "entry":
        return escape(hit.title, 80)
    return _("resolved conversation {name}").format(name=escape(hit.external_id or hit.key.partition(":")[2], 40))


def message_text(text: str, big: bool = False) -> str:
    """A message with its line breaks, for a place that reads Markdown."""
    cut = text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    lines = [escape(one) if one.strip() else "" for one in cut.splitlines()]
    # h5 is the calm, large voice of the theme.
    return (
        "\n\n".join(f"##### {one}" for one in lines if one) if big else "  \n".join(lines).replace("  \n  \n", "\n\n")
    )
