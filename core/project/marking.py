"""Relations marked by hand: a plain text waits, and each pair that is marked in it becomes an item of its own."""

from __future__ import annotations

from core.errors import RefusedError
from core.project.data import ProjectData
from core.records import ColumnMapping, Item
from core.storage import cleaning
from core.tasks.base import Forming
from core.tasks.relation import mark


class ProjectMarking(ProjectData):
    """What a person makes of plain texts."""

    def mark_relation(
        self,
        item_id: int,
        head: tuple[int, int],
        tail: tuple[int, int],
        label: str,
        user: str = "me",
        elapsed_ms: int | None = None,
    ) -> Item:
        """Make a labelled item of a plain text, with two stretches (start, end) of it marked; the plain text stays.

        Marked once more like this, the item that is there gets the label. Raises RefusedError for a text that does not
        wait to be marked, InputError for stretches that are none of it or overlap, or a label that there is not.
        """
        source = self._waiting(item_id)
        self.task.encode(label, self._ids_by_name())
        text = mark(source.text, head, tail)
        found = self.find_text(text)
        if found is None:
            # A column that nobody took for a label or an id then is none now.
            meant = {*ColumnMapping.model_fields, *getattr(self.task, "beside", ())}
            kept = {name: cell for name, cell in source.meta.items() if name not in meant}
            self.add_items([{**kept, "text": text, "split": source.split}], user=user, source=source.source)
            found = self.find_text(text)
        if found is None:
            raise RefusedError("The marked text could not be stored.", "Look at the text on the data page.")
        self.label(found.id, label, user=user, elapsed_ms=elapsed_ms)
        return self.item(found.id)

    def finish_marking(self, item_id: int, user: str = "me") -> None:
        """Take a plain text out of the queue: all its relations are marked. Undone like a cleaning step."""
        self._waiting(item_id)
        with self._held():
            cleaning.exclude_items(self._database, self.id, [item_id], "marked", user)
            self._changed(items=True)

    def _waiting(self, item_id: int) -> Item:
        item = self.item(item_id)
        if not isinstance(self.task, Forming) or not self.task.waits(item.text):
            raise RefusedError(f"Item {item_id} is no text to be marked.", "Give its label with project.label.")
        return item
