"""Cleaning of a project as reviewable steps: look, apply, undo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from core.data.text import text_hash
from core.errors import InputError, RefusedError
from core.project.part import ProjectPart
from core.records import CleaningBatch, Finding, ItemFilter, Progressing
from core.storage import cleaning, items, label_events
from core.tasks.base import Joining

ProgressCallback = Callable[[Progressing], None]


class ProjectCleaning(ProjectPart):
    """What is wrong with the items, and the changes made about it."""

    def find_problems(
        self,
        kinds: Sequence[str] | None = None,
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Finding]:
        """Look through all items for what people clean: duplicates, empty, mojibake, leakage, conflicts ...

        Changes nothing. ``kinds`` limits the search to some finding kinds.
        """
        from core.data import cleaning as cleaner

        with self._database.snapshot():
            rows = items.load_texts(self._database, self.id, ItemFilter(), [])
            values = self._current_values()
        entries = [
            cleaner.Entry(item_id=item_id, text=text, value=values.get(item_id), split=split, text_b=text_b)
            for item_id, text, text_b, _, split in rows
        ]
        found = cleaner.find_problems(entries, self.language, kinds=kinds, progress=progress, cancelled=cancelled)
        hashes = {row[0]: row[3] for row in rows}
        return [finding.model_copy(update={"seen": {i: hashes[i] for i in finding.item_ids}}) for finding in found]

    def _current_values(self) -> dict[int, str]:
        """Current value of each labelled item as one comparable string."""
        arrays, meaning = label_events.current_codes(self._database, self.id)
        names = self._names_by_id()
        shown = {code: "|".join(names.get(i, "") for i in ids) for code, ids in meaning.items()}
        return {int(i): shown[int(c)] for i, c in zip(arrays["item_id"], arrays["code"], strict=True)}

    def apply_finding(self, finding: Finding, item_ids: Sequence[int] | None = None, user: str = "me") -> CleaningBatch:
        """Apply a finding's action to all, or some, of its items; can be undone as a whole.

        Items whose text is another one since the search, or whose label would not fit a repaired text, are left alone
        and counted in ``left``. Raises RefusedError when that leaves none.
        """
        chosen = list(finding.item_ids if item_ids is None else item_ids)
        if not chosen:
            raise InputError("No item is chosen.", "Choose at least one.")
        if foreign := set(chosen) - set(finding.item_ids):
            raise InputError(f"Item {min(foreign)} is not part of this finding.", "Look for problems again.")
        if finding.action == "review":
            raise RefusedError("These items need a person's decision.", "Open them and label or exclude them.")
        with self._held():
            current = self._unchanged(finding, chosen)
            if not current:
                raise RefusedError(
                    "The texts of these items were changed since the search.", "Look for problems again."
                )
            if finding.action == "replace_text" and isinstance(self.task, Joining):
                # The places of spans are those of the text as it is.
                current = [item_id for item_id in current if not self._board().is_labelled(item_id)]
                if not current:
                    raise RefusedError(
                        "The labels of these items mark places in their texts.",
                        "Take the labels off first, or repair the texts before they are imported.",
                    )
            if finding.action == "replace_text":
                rows = items.load_items(self._database, self.id, current)
                repaired = {row.id: finding.details[row.id] for row in rows}
                texts = {row.id: (repaired[row.id], text_hash(repaired[row.id], row.text_b)) for row in rows}
                batch = cleaning.replace_texts(self._database, self.id, texts, finding.kind, user)
            else:
                batch = cleaning.exclude_items(self._database, self.id, current, finding.kind, user)
            self._changed(items=True)
        return batch.model_copy(update={"left": len(chosen) - len(current)})

    def settle_conflicts(
        self,
        finding: Finding,
        keep: Literal["none", "majority"],
        item_ids: Sequence[int] | None = None,
        user: str = "me",
    ) -> CleaningBatch:
        """Take out copies of a text that carry different labels; can be undone as a whole.

        ``keep`` is ``none``: all copies go, or ``majority``: the copies with the most frequent label stay. ``item_ids``
        limits it to the texts of these items. Copies of a text without a most frequent label, and items whose text
        was changed since the search, are left alone and counted in ``left``. Raises RefusedError when that leaves none.
        """
        chosen = set(finding.item_ids if item_ids is None else item_ids)
        groups = [group for group in finding.groups if chosen.intersection(group)]
        if finding.kind != "conflicting_labels" or not groups:
            raise InputError("These items are no conflict of labels.", "Look for problems again.")
        with self._held():
            values = self._current_values()
            out: list[int] = []
            left = 0
            for group in groups:
                here = [i for i in self._unchanged(finding, group) if not self._board().is_excluded(i)]
                losing = here if keep == "none" else _outvoted({i: values[i] for i in here if i in values})
                out += losing
                left += len(group) - (len(here) if losing else 0)
            if not out:
                raise RefusedError("No label is more frequent than the others of its text.", "Decide in Annotate.")
            batch = cleaning.exclude_items(self._database, self.id, out, finding.kind, user)
            self._changed(items=True)
        return batch.model_copy(update={"left": left})

    def _unchanged(self, finding: Finding, item_ids: Sequence[int]) -> list[int]:
        """The items whose text is still the one that the search looked at."""
        hashes = items.load_hashes(self._database, self.id, item_ids)
        return [i for i in item_ids if i in hashes and finding.seen.get(i, hashes[i]) == hashes[i]]

    def exclude(self, item_ids: Sequence[int], user: str = "me") -> CleaningBatch:
        """Take items out by hand; can be undone like any cleaning step."""
        with self._held():
            batch = cleaning.exclude_items(self._database, self.id, item_ids, "by_hand", user)
            self._changed(items=True)
        return batch

    def cleaning_batches(self) -> list[CleaningBatch]:
        """Applied cleaning steps, newest first."""
        return cleaning.list_batches(self._database, self.id)

    def undo_cleaning(self, batch_id: int) -> CleaningBatch:
        """Put back what one cleaning step changed."""
        with self._held():
            batch = cleaning.undo_batch(self._database, self.id, batch_id)
            self._changed(items=True)
        return batch


def _outvoted(values: Mapping[int, str]) -> list[int]:
    """Items whose label is not the most frequent one; none where two labels are as frequent, or all agree."""
    votes = Counter(values.values()).most_common(2)
    if len(votes) < 2 or votes[0][1] == votes[1][1]:
        return []
    return [item_id for item_id, value in values.items() if value != votes[0][0]]
