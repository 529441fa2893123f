"""The data of a project: import, browse and export."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from core.data import export as exporter
from core.data import importing, schema_file
from core.data.files import storage_errors
from core.data.names import check_label_name
from core.data.text import check_text, text_hash
from core.errors import InputError, RefusedError
from core.labeling.schema import check_colour, check_key, next_key
from core.project.cleaning import ProgressCallback, ProjectCleaning
from core.project.labeling import ProjectLabeling
from core.project.schema import MOST_LABELS, ProjectSchema
from core.records import (
    ColumnMapping,
    ImportPreview,
    ImportReport,
    Item,
    ItemFilter,
    Record,
)
from core.storage import imports, items, label_events, projects
from core.tasks.base import Joining
from core.tasks.tagging import Tagging

OnDuplicate = Literal["skip", "keep"]
"""What happens to texts that are in the project, or earlier in the file, already."""
MOST_REJECTED = 100_000
"""Rejected rows that a report lists."""
MOST_AT_ONCE = 1000
"""Rows that are added in one short transaction; more of them are stored beside it, like a file."""
PAGE = 2000
"""Items that an export reads at a time."""


class ImportRecord(Record):
    """One import as the data page lists it."""

    id: int
    filename: str
    added: int
    duplicates: int
    rejected: int
    user: str
    at: datetime


class ProjectData(ProjectSchema, ProjectLabeling, ProjectCleaning):
    """Everything about the items of a project."""

    # ------------------------------------------------------------ import

    def preview_file(
        self, path: Path | str, filename: str | None = None, format: str | None = None, header: bool = True
    ) -> ImportPreview:
        """The first rows of a file as they would be imported; ``header`` as in ``import_file``. Raises InputError."""
        settings = self.workspace.settings
        found = importing.preview(Path(path), filename=filename, format=format, settings=settings, header=header)
        return self._guessed(found)

    def preview_dataset(self, name: str, config: str | None = None, dataset_split: str | None = None) -> ImportPreview:
        """The first rows of a Hugging Face dataset as they would be imported. Raises OfflineError, InputError."""
        return self._guessed(importing.preview_dataset(name, config, dataset_split, settings=self.workspace.settings))

    def _guessed(self, preview: ImportPreview) -> ImportPreview:
        """The same preview with the columns that this task knows by name."""
        known = self.task.columns if isinstance(self.task, Joining) else ()
        for text, label, *second in known:
            if {text, label, *second} - {""} <= set(preview.columns):
                chosen = {"text": text, "label": label or None, **({"text_b": second[0]} if second else {})}
                guess = preview.guess.model_copy(update=chosen)
                return preview.model_copy(update={"guess": guess})
        return preview

    def import_file(
        self,
        path: Path | str,
        text: str = "text",
        label: str | None = None,
        split: str | None = None,
        id: str | None = None,
        text_b: str | None = None,
        on_duplicate: OnDuplicate | None = None,
        filename: str | None = None,
        format: str | None = None,
        user: str = "me",
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
        header: bool = True,
    ) -> ImportReport:
        """Import a file; the arguments name its columns, columns not named are kept as metadata.

        Labels that the schema lacks are added. All rows that are not rejected come in, or none. By default a text that
        is in the project, or earlier in the file, is left out; of an export of ours only the first, for copies within
        it were kept on purpose. ``header`` is False for a CSV, TSV or Excel file whose first line is a row: its
        columns are ``column 1``, ``column 2`` and so on. Raises InputError for a file that cannot be read as a whole.
        """
        staged = importing.stage(
            Path(path),
            self._mapping(text=text, label=label, split=split, id=id, text_b=text_b),
            self.task.name,
            filename=filename,
            format=format,
            settings=self.workspace.settings,
            progress=progress,
            cancelled=cancelled,
            parent=self.workspace.scratch,
            header=header,
        )
        return self._insert(staged, filename or Path(path).name, on_duplicate, user)

    def import_text(self, text: str, on_duplicate: OnDuplicate | None = None, user: str = "me") -> ImportReport:
        """Import pasted text, one item a line."""
        check_text(text, "The pasted text")
        with (
            storage_errors("pasted text was prepared"),
            tempfile.TemporaryDirectory(dir=self.workspace.scratch) as folder,
        ):
            path = Path(folder) / "pasted.txt"
            path.write_text(text, encoding="utf-8")
            return self.import_file(path, format="lines", filename="pasted text", on_duplicate=on_duplicate, user=user)

    def import_dataset(
        self,
        name: str,
        text: str = "text",
        label: str | None = None,
        config: str | None = None,
        dataset_split: str | None = None,
        text_b: str | None = None,
        split: str | None = "split",
        id: str | None = None,
        on_duplicate: OnDuplicate | None = None,
        user: str = "me",
        progress: ProgressCallback | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> ImportReport:
        """Import a Hugging Face dataset by name; a column ``split`` names its parts unless it has one of its own.

        Raises OfflineError when the Hub cannot be reached.
        """
        staged = importing.stage_dataset(
            name,
            self._mapping(text=text, label=label, split=split, id=id, text_b=text_b),
            self.task.name,
            config=config,
            split=dataset_split,
            settings=self.workspace.settings,
            progress=progress,
            cancelled=cancelled,
            parent=self.workspace.scratch,
        )
        return self._insert(staged, name, on_duplicate, user)

    def add_items(
        self, rows: Iterable[dict[str, Any]], user: str = "me", source: str = "api", on_duplicate: OnDuplicate = "skip"
    ) -> ImportReport:
        """Add rows with ``text`` and optionally ``text_b``, ``label``, ``split``, ``id``; other keys become metadata.

        A ``source`` that begins with "feedback:" puts them first in the labeling queue. The checks are those of a file;
        rows that fail them are in the report. Raises InputError when no row has a text.
        """
        # What a program adds without a label is to be labelled, also where a file without labels says something.
        implied = {} if self.task.implied is None else {"label": None}
        kept = [implied | dict(row) for row in rows]
        columns = {key for row in kept for key in row}
        optional = {name: name for name in ("text_b", "label", "split", "id") if name in columns}
        staged = importing.stage_rows(kept, self._mapping(**optional), self.task.name, parent=self.workspace.scratch)
        with staged, self._state.adding:
            if staged.rows > MOST_AT_ONCE:
                return self._store(self._database.long_transaction(), staged, source, on_duplicate, user)
            with self._held():
                return self._store(self._database.transaction(), staged, source, on_duplicate, user)

    def _mapping(self, **columns: str | None) -> ColumnMapping:
        """Which column means what. Raises InputError when the task needs one that is not named."""
        mapping = ColumnMapping.model_validate(columns)
        if self.task.paired and mapping.text_b is None:
            raise InputError(f"'{self.task.title}' needs a second text in every row.", "Choose its column as well.")
        return mapping

    def _insert(
        self, staged: importing.StagedImport, source: str, on_duplicate: OnDuplicate | None, user: str
    ) -> ImportReport:
        """Store a staged import while everybody goes on labeling."""
        with staged, self._state.adding:
            return self._store(self._database.long_transaction(), staged, source, on_duplicate, user)

    def _store(
        self,
        transaction: AbstractContextManager[Any],
        staged: importing.StagedImport,
        source: str,
        on_duplicate: OnDuplicate | None,
        user: str,
    ) -> ImportReport:
        """Labels, items and their labels in one transaction: all of it, or nothing."""
        started = time.monotonic()
        keep: imports.Keep = "all" if on_duplicate == "keep" else "none"
        if on_duplicate is None and staged.own:
            keep = "repeated"
        with ExitStack() as held:
            with transaction as write:
                values, new, notes = self._staged_values(staged)
                if new:
                    made = self._restored_labels(staged, new)
                    new = [label["name"] for label in made]
                    self.add_labels(made, user=user)
                ids = self._ids_by_name() if values else {}
                counts = imports.insert_staged(
                    self._database,
                    write,
                    self.id,
                    staged.parquet,
                    source,
                    staged.rejected_rows,
                    user,
                    keep,
                    {cell: self.task.encode(value, ids) for cell, value in values.items()},
                    projects.merged_labels(self._database, self.id) if values else {},
                )
                added = self._read_board(counts.first_id, bare=not (counts.labelled or counts.flagged))
                held.enter_context(self._held())  # labeling waits from here on, for no more than the commit
            if self._state.board is not None:
                self._state.board.extend(added)
            self._changed()
        if counts.differing:
            notes.append(
                f"{counts.differing} of the duplicates carry another label or split than the text that stays: import "
                "them with the duplicates kept, and review them on the Clean tab."
            )
        if staged.carried is not None and staged.carried.guidelines and not self._guidelines():
            self.update(guidelines=staged.carried.guidelines)
            notes.append("The guidelines came along with the labels.")
        return ImportReport(
            added=counts.added,
            duplicates=counts.duplicates,
            rejected=staged.rejected(MOST_REJECTED),
            labelled=counts.labelled,
            new_labels=new,
            seconds=staged.seconds + time.monotonic() - started,
            warnings=[*staged.warnings, *notes],
        )

    def _staged_values(self, staged: importing.StagedImport) -> tuple[dict[str, Any], list[str], list[str]]:
        """(value by staged cell, label names the schema lacks, warnings). Raises InputError for too many labels."""
        carried = [] if staged.carried is None else [check_label_name(label.name) for label in staged.carried.labels]
        if not staged.labelled and not carried:
            return {}, [], []
        cells = imports.staged_labels(self._database, staged.parquet)
        settled, notes = self.task.settle([json.loads(cell) for cell in cells])
        known = self._ids_by_name()
        fixed = self.task.fixed_labels
        named = [
            *(name for name in carried if not fixed or name in fixed),
            *(n for v in settled for n in self.task.names(v)),
        ]
        new = [name for name in dict.fromkeys(named) if name not in known]
        if len(known) + len(new) > MOST_LABELS:
            raise InputError(
                f"The label column has {len(new)} different values; a project takes at most {MOST_LABELS} labels.",
                "Choose another column as label, or none.",
            )
        return dict(zip(cells, settled, strict=True)), new, notes

    def _restored_labels(self, staged: importing.StagedImport, names: Sequence[str]) -> list[dict[str, Any]]:
        """Fields of new labels: as the file describes them, where it does and what it asks for is free and allowed."""
        carried = {} if staged.carried is None else {check_label_name(one.name): one for one in staged.carried.labels}
        known = self.labels
        taken = [label.key for label in known]
        made = []
        for name in names:
            fields = carried[name].model_dump() if name in carried else {"key": "", "colour": ""}
            key = _or_nothing(lambda key: check_key(key, known), fields["key"])
            key = "" if key in taken else key
            taken.append(key)
            made.append({**fields, "name": name, "key": key, "colour": _or_nothing(check_colour, fields["colour"])})
        for fields in made:  # only now: a label without a key must not take the one of a later label
            fields["key"] = fields["key"] or next_key(taken)
            taken.append(fields["key"])
        return made

    def imports(self) -> list[ImportRecord]:
        """Every import, newest first."""
        fields = ("id", "filename", "added", "duplicates", "rejected", "user", "at")
        rows = imports.list_imports(self._database, self.id)
        return [ImportRecord(**dict(zip(fields, row, strict=True))) for row in rows]

    # ------------------------------------------------------------ browse

    def items(
        self, filter: ItemFilter | None = None, offset: int = 0, limit: int = 50, newest_first: bool = False
    ) -> list[Item]:
        """One page of the items that the filter lets through, in import order."""
        where = filter or ItemFilter()
        ids = items.find_ids(self._database, self.id, where, self._filter_ids(where), offset, limit, newest_first)
        return self._with_labels(items.load_items(self._database, self.id, ids))

    def find_text(self, text: str, text_b: str | None = None) -> Item | None:
        """The newest item with this very text (or pair), by the rule that finds duplicates; None when there is none."""
        for part in (text, text_b or ""):
            check_text(part, "The text")
        found = items.find_text(self._database, self.id, text_hash(text, text_b))
        return None if found is None else self.item(found)

    def item_ids(self, filter: ItemFilter | None = None) -> list[int]:
        """Ids of all items that the filter lets through."""
        where = filter or ItemFilter()
        return items.find_ids(self._database, self.id, where, self._filter_ids(where))

    def count(self, filter: ItemFilter | None = None) -> int:
        """Number of items that the filter lets through."""
        where = filter or ItemFilter()
        return items.count_items(self._database, self.id, where, self._filter_ids(where))

    def sources(self) -> list[str]:
        """Where items came from."""
        return items.list_sources(self._database, self.id)

    def usernames(self) -> list[str]:
        """Everybody whose label is the current one of an item, however it was given."""
        return label_events.usernames(self._database, self.id)

    def label_counts(self, filter: ItemFilter | None = None) -> dict[str, int]:
        """Current labels of what the filter lets through, most used first."""
        where, names = filter or ItemFilter(), self._names_by_id()
        counts: Counter[str] = Counter()
        for label_id, count in items.label_counts(self._database, self.id, where, self._filter_ids(where)):
            if label_id in names:  # a merged label counts as the one it was merged into
                counts[names[label_id]] += count
        return dict(counts.most_common())

    def split_counts(self) -> dict[str, int]:
        """Items by the split that the import named."""
        return items.split_counts(self._database, self.id)

    def length_histogram(self, filter: ItemFilter | None = None) -> list[tuple[int, int]]:
        """(upper edge in characters, items), up to the 99th percentile."""
        where = filter or ItemFilter()
        return items.length_counts(self._database, self.id, where, self._filter_ids(where))

    # ------------------------------------------------------------ export

    def export(
        self, path: Path | str, format: str = "csv", filter: ItemFilter | None = None, scheme: str = "iob2"
    ) -> int:
        """Write what the filter shows to a file (csv, jsonl, parquet, conll) or folder (datasets); returns the rows.

        ``conll`` holds labelled spans only, with their tags in the ``scheme`` iob2 or bioes. Raises InputError,
        RefusedError for a project whose labels are no spans, StorageError.
        """
        where = filter or ItemFilter()
        if format not in self.export_formats and format in exporter.FORMATS:
            raise RefusedError(
                f"The labels of '{self.name}' are no spans, which a column file is made of.",
                f"Choose another format: {', '.join(self.export_formats)}.",
            )
        schema = schema_file.carried(self.labels, self._guidelines())
        return exporter.export(self._pages(where), Path(path), format, schema, scheme)

    @property
    def export_formats(self) -> list[str]:
        """The formats that ``export`` can write of this project."""
        return [format for format in exporter.FORMATS if format != "conll" or isinstance(self.task, Tagging)]

    def _guidelines(self) -> str:
        """As they are stored: another handle may have changed them."""
        return projects.get_project(self._database, self.id).guidelines

    def _pages(self, where: ItemFilter) -> Iterator[Item]:
        ids = self.item_ids(where)
        for start in range(0, len(ids), PAGE):
            yield from self._with_labels(items.load_items(self._database, self.id, ids[start : start + PAGE]))


def _or_nothing(check: Callable[[str], str], value: str) -> str:
    """A value as it is stored, or nothing where it is not allowed."""
    try:
        return check(value)
    except InputError:
        return ""
