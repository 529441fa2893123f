"""The way back: what a scenario got wrong becomes an item that waits, first in line, to be labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import InputError

if TYPE_CHECKING:
    from core.project import Project

ORIGIN = "feedback: {0}"
"""Source of such an item; the labeling queue shows sources that begin so first."""


def send_back(
    project: Project, text: str, scenario: str, note: str, user: str = "me", text_b: str | None = None
) -> int:
    """Put a text into the labeling queue of a project with where it came from and why; returns its item id.

    A text that the project has already is flagged with the note instead. Raises InputError for an empty text.
    """
    if not text.strip():
        raise InputError("There is no text to send back.", "Choose a message with text.")
    row = {"text": text, "scenario": scenario, "note": note, "sent_by": user}
    if text_b is not None:
        row["text_b"] = text_b
    report = project.add_items([row], user=user, source=ORIGIN.format(scenario))
    item = project.find_text(text, text_b)
    if item is None:
        reason = report.rejected[0].reason if report.rejected else "it is not there after adding it"
        raise InputError(f"The text cannot become an item: {reason}.", "Add it on the data page.")
    if not report.added:
        project.flag(item.id, note=f"{scenario}: {note}", user=user)
    return item.id
