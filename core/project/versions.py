"""Freezing: a dataset version is ids, labels, schema and split that never change again."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.data import splitting, versions
from core.data.links import fold, joined
from core.errors import InputError, NotFoundError, RefusedError, StudioError
from core.project.marking import ProjectMarking
from core.records import ItemFilter, Label, LabelHelp, VersionInfo
from core.storage import catalogue, items
from core.tasks.base import Forming

if TYPE_CHECKING:
    from core.project.project import Project


MOST_SEED = 2**32 - 1
MOST_UNLABELLED = 10_000
"""Texts without a label that a version holds where nothing is said: two minutes of reading on two cores."""


class Version:
    """A frozen dataset version."""

    def __init__(self, project: Project, info: VersionInfo) -> None:
        self.project = project
        self.info = info

    @property
    def id(self) -> int:
        """Number inside the workspace."""
        return self.info.id

    @property
    def number(self) -> int:
        """1, 2, 3 ... inside the project."""
        return self.info.number

    @property
    def labels(self) -> list[str]:
        """Label names in index order."""
        return self.info.labels

    @property
    def gone_labels(self) -> list[str]:
        """Labels of the version that the schema does not have any more: renamed, merged or removed since."""
        now = {label.name for label in self.project.labels}
        return [name for name in self.labels if name not in now]

    @property
    def label_help(self) -> dict[str, LabelHelp]:
        """What the schema said about its labels when it was frozen, by name."""
        return versions.read_label_help(self.path)

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Rows by split, then by label."""
        return self.info.counts

    @property
    def hash(self) -> str:
        """sha256 over ids, texts, labels and splits."""
        return self.info.hash

    @property
    def warnings(self) -> list[str]:
        """What a reader of results from this version should know."""
        return self.info.warnings

    @property
    def path(self) -> Path:
        """Folder of the snapshot."""
        return Path(self.info.path)

    def rows(self, split: str) -> int:
        """Number of rows in one split."""
        return self.info.rows(split)

    def __repr__(self) -> str:
        return f"Version({self.number}, {self.rows('train')}/{self.rows('dev')}/{self.rows('test')} rows)"


class ProjectVersions(ProjectMarking):
    """Freezing and finding versions."""

    def freeze(
        self,
        test: float = 0.2,
        dev: float = 0.1,
        seed: int = 0,
        split: str | None = None,
        labels: Sequence[str] | None = None,
        unlabelled: int = MOST_UNLABELLED,
        user: str = "me",
    ) -> Version:
        """Freeze the labelled items into train, dev and test, and texts without a label along with them.

        Args:
            test: Share of the test split, 0 to 1; not used with an imported split.
            dev: Share of the dev split; with an imported split it is carved out of train when the import has none.
            seed: Same items, labels and seed give the same split.
            split: "imported" takes the split column of the import.
            labels: Only items with these labels; where a text may have several, all items, with these labels only.
                None takes all.
            unlabelled: How many texts without a label are kept at most, drawn by the seed, for methods that learn from
                them too. Those like a text of dev or test are left out, and all of them for tasks without such methods
                and beside chosen ``labels``, as they may be of another.
            user: Who freezes.

        Raises:
            RefusedError: A class has too few examples; the message has the counts, the hint the way out.
        """
        if split not in (None, "imported"):
            raise InputError(f"There is no split '{split}'.", "Use split='imported' or leave it out.")
        if not (0 < test < 1 and 0 <= dev < 1):  # also refuses what is no number
            raise InputError(
                f"The shares test={test} and dev={dev} cannot be used.",
                "Test needs more than 0, or nothing could be judged; both stay below 1.",
            )
        if not 0 <= seed <= MOST_SEED:
            raise InputError(f"The seed {seed} cannot be used.", f"Choose a whole number from 0 to {MOST_SEED}.")
        asked = ItemFilter(labels=tuple(labels or ()))
        chosen = self._filter_ids(asked)  # refuses a label that the project does not have
        where = self.labelled_filter()
        if not self.task.many:
            where = where.model_copy(update={"labels": asked.labels})
        with self._held():
            pass  # only to refuse a project that is gone: everybody goes on labeling meanwhile
        with self._state.freezing:
            with self._database.snapshot():
                rows = items.load_texts(self._database, self.id, where, chosen)
                values = self._decoded([row[0] for row in rows])
                # An import that commits right now may be in the one and not yet in the other (core.storage.database).
                rows = [row for row in rows if row[0] in values]
                schema = self.labels
                others = [] if labels else self._without_label(unlabelled, seed)
            golds = [values[row[0]] for row in rows]
            if self.task.many and asked.labels:
                golds = [[name for name in value if name in asked.labels] for value in golds]
            assigned = self._assign(rows, golds, test, dev, seed, split)
            options = {"test": test, "dev": dev, "seed": seed, "split": split or "random", "user": user}
            parts = assigned.names.tolist()
            held_back = {fold(text) for text, part in zip(self._plain(rows), parts, strict=True) if part != "train"}
            others = [(item_id, text) for item_id, text in others if fold(text) not in held_back]
            return self._write_version(rows, golds, schema, assigned, others, options)

    def _without_label(self, most: int, seed: int) -> list[tuple[int, str]]:
        """(id, text) of at most so many items that nobody labelled, flagged or took out, nor an import held back."""
        if not getattr(self.task, "learns_unlabelled", False) or most <= 0:
            return []
        where = ItemFilter(labelled=False, excluded=False, flagged=False)
        apart = where.model_copy(update={"splits": ("dev", "test")})
        every, kept_back = (items.find_ids(self._database, self.id, one, []) for one in (where, apart))
        found = np.setdiff1d(np.array(every, np.int64), np.array(kept_back, np.int64))
        if len(found) > most:
            found = np.sort(np.random.default_rng(seed).choice(found, most, replace=False))
        rows = items.load_texts(self._database, self.id, ItemFilter(ids=tuple(found.tolist())), [])
        return [(row[0], row[1]) for row in rows]

    def _decoded(self, item_ids: Sequence[int]) -> dict[int, Any]:
        """Current values of labelled items, by id, in the task's own form."""
        from core.storage import label_events

        current = label_events.current_of(self._database, self.id, item_ids)
        names = self._names_by_id()
        return {i: self.task.decode(event[2], event[1], names) for i, event in current.items()}

    def _assign(
        self,
        rows: Sequence[tuple[Any, ...]],
        values: Sequence[Any],
        test: float,
        dev: float,
        seed: int,
        split: str | None,
    ) -> splitting.Split:
        strata = self.task.strata(values)
        counts = Counter(strata)
        minimum = getattr(self.task, "minimum_per_class", 1)
        few = {label: n for label, n in counts.items() if n < minimum}
        if few and split is None:
            shown = ", ".join(f"{label}: {n}" for label, n in sorted(few.items(), key=lambda pair: pair[1])[:10])
            raise RefusedError(
                f"Too few labelled examples to split into train, dev and test ({shown}; each class needs {minimum}).",
                "Label more of them, merge the label into another, or freeze without these labels.",
            )
        groups = _pair_groups(rows) if self.task.paired else _groups(self._plain(rows))
        if split == "imported":
            return splitting.split_imported([row[4] for row in rows], strata, groups, dev=dev, seed=seed)
        return splitting.split(strata, groups, test=test, dev=dev, seed=seed)

    def _plain(self, rows: Sequence[tuple[Any, ...]]) -> list[str]:
        """Texts without what the task writes into them, so that one sentence with two marks counts as one text."""
        return [self.task.plain(row[1]) if isinstance(self.task, Forming) else row[1] for row in rows]

    def _write_version(
        self,
        rows: Sequence[tuple[Any, ...]],
        values: Sequence[Any],
        schema: Sequence[Label],
        assigned: splitting.Split,
        unlabelled: Sequence[tuple[int, str]],
        options: dict[str, Any],
    ) -> Version:
        used = {name for value in values for name in self.task.names(value)} | set(self.task.fixed_labels)
        kept = [label for label in schema if label.name in used]
        labels = [label.name for label in kept]
        counts: dict[str, dict[str, int]] = {name: {} for name in ("train", "dev", "test")}
        for part, value in zip(assigned.names.tolist(), values, strict=True):
            for name in self.task.names(value) or ("",):
                counts[part][name] = counts[part].get(name, 0) + 1
        parts = Counter(assigned.names.tolist())
        options |= {"rows": {part: parts[part] for part in counts}}
        if unlabelled:
            options["rows"]["unlabelled"] = len(unlabelled)
        warnings = [*assigned.warnings, *self.task.check_version(counts)]
        number = catalogue.next_version(self._database, self.id)
        folder = self.workspace.path / "versions" / f"{self.id}-{number}"
        digest, _ = versions.write_version(
            folder,
            item_ids=[row[0] for row in rows],
            texts=[row[1] for row in rows],
            texts_b=[row[2] for row in rows] if any(row[2] is not None for row in rows) else None,
            values=list(values),
            splits=assigned.names.tolist(),
            labels=labels,
            task=self.task.name,
            options=options,
            label_help={
                label.name: LabelHelp(description=label.description, example=label.example)
                for label in kept
                if label.description or label.example
            },
            unlabelled=unlabelled,
        )
        record = {
            "project_id": self.id,
            "number": number,
            "task": self.task.name,
            "labels": labels,
            "counts": counts,
            "hash": digest,
            "options": options,
            "warnings": warnings,
            "path": str(folder),
        }
        try:
            with self._held():
                info = catalogue.insert_version(self._database, record)
        except StudioError:  # the project was deleted meanwhile, or the disk is full
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.workspace.runner.expect()  # who freezes a version trains on it
        return Version(self, info)  # type: ignore[arg-type]

    def versions(self) -> list[Version]:
        """Frozen versions, newest first."""
        return [Version(self, info) for info in catalogue.list_versions(self._database, self.id)]  # type: ignore[arg-type]

    def version(self, version_id: int) -> Version:
        """One version by its id. Raises NotFoundError."""
        for version in self.versions():
            if version.id == version_id:
                return version
        raise NotFoundError(f"'{self.name}' has no version with id {version_id}.", "Freeze one on the data page.")


def _groups(texts: Sequence[str], keys: dict[bytes, int] | None = None) -> np.ndarray:
    """(n,) group of each text: texts that differ only in case, white space or punctuation must not straddle."""
    known: dict[bytes, int] = {} if keys is None else keys
    digests = (hashlib.blake2b(fold(text).encode(), digest_size=12).digest() for text in texts)
    return np.fromiter((known.setdefault(digest, len(known)) for digest in digests), np.int64, len(texts))


def _pair_groups(rows: Sequence[tuple[Any, ...]]) -> np.ndarray:
    """(n,) group of each pair: neither a first text nor a pair and its reverse may straddle."""
    keys: dict[bytes, int] = {}
    first, second = _groups([row[1] for row in rows], keys), _groups([row[2] or "" for row in rows], keys)
    known = set(zip(first.tolist(), second.tolist(), strict=True))
    turned = np.array([(b, a) in known for a, b in zip(first.tolist(), second.tolist(), strict=True)], dtype=bool)
    return joined(first[turned], second[turned], len(keys))[first]
