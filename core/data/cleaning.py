"""What people clean out of a dataset, as findings to review. Nothing is changed here."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.data.duplicates import NearGroup, alike, exact_groups, near_groups
from core.data.language import other_language
from core.data.text import has_visible, join_pair, normalise
from core.errors import InputError, RefusedError
from core.records import Finding, Progressing

KINDS = (
    "exact_duplicate",
    "near_duplicate",
    "leakage",
    "conflicting_labels",
    "empty",
    "too_short",
    "too_long",
    "mojibake",
    "control_characters",
    "wrong_language",
)
"""Every kind of finding, in the order in which they are reported."""
_UNSPACED = ("zh", "ja", "ko")
_KEEP_FIRST = {"test": 0, "dev": 1, "train": 2}
"""Which copy of a leaking text stays: the one that measures."""
_KEPT = "\t\n\r\u200c\u200d\u200e\u200f"
"""White space, and the joiners and direction marks that Arabic, Hebrew, Persian and emoji need."""
_LISTED = 5
"""Items named in the detail of a group."""


class CleaningStopped(RefusedError):
    """The person stopped the search."""

    title = "Search stopped"


@dataclass(frozen=True, slots=True)
class Entry:
    """One item as cleaning sees it."""

    item_id: int
    text: str
    value: Any = None
    """Current label in any comparable form; None while unlabelled."""
    split: str | None = None
    text_b: str | None = None


def find_problems(
    entries: Iterable[Entry],
    language: str = "en",
    kinds: Sequence[str] | None = None,
    progress: Callable[[Progressing], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    shortest: int | None = None,
    longest: int = 4_000,
) -> list[Finding]:
    """Look for the given ``kinds`` (default: all of ``KINDS``); only findings with items are returned.

    ``shortest`` and ``longest`` are in characters; ``shortest`` is 3 by default, 2 where words are not spaced. Raises
    InputError for an unknown kind, CleaningStopped when ``cancelled`` says so.
    """
    unknown = [kind for kind in kinds or () if kind not in KINDS]
    if unknown:
        raise InputError(f"There is no check '{unknown[0]}'.", f"Checks: {', '.join(KINDS)}.")
    if shortest is None:
        shortest = 2 if language[:2] in _UNSPACED else 3
    search = _Search(list(entries), language, shortest, longest, progress, cancelled)
    checks: dict[str, Callable[[], Finding]] = {kind: getattr(search, kind) for kind in KINDS}
    wanted = [kind for kind in KINDS if kinds is None or kind in kinds]
    findings = []
    for kind in wanted:
        search.step(kind, 0)
        findings.append(checks[kind]())
    return [finding for finding in findings if finding.item_ids]


class _Search:
    """The checks, one method a kind, over the same entries."""

    def __init__(
        self,
        entries: list[Entry],
        language: str,
        shortest: int,
        longest: int,
        progress: Callable[[Progressing], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> None:
        self.entries, self.language, self.shortest, self.longest = entries, language, shortest, longest
        self.progress, self.cancelled = progress, cancelled
        self.same = [
            [entries[place] for place in group]
            for group in exact_groups(
                [join_pair(normalise(e.text), None if e.text_b is None else normalise(e.text_b)) for e in entries]
            )
        ]

    def step(self, kind: str, done: int) -> None:
        """Tell how far the running check is; stop when asked to."""
        if self.cancelled is not None and self.cancelled():
            raise CleaningStopped("The search was stopped. Nothing was changed.")
        if self.progress is not None:
            self.progress(Progressing(done=done, total=len(self.entries), message=kind.replace("_", " ")))

    # ------------------------------------------------------------ the same text more than once

    def exact_duplicate(self) -> Finding:
        """Copies; a labelled one stays, else the first."""
        groups = [sorted(group, key=_labelled_first) for group in self.same]
        return _grouped("exact_duplicate", groups, "same text as item")

    def near_duplicate(self) -> Finding:
        """Texts that differ in a few characters; a labelled one stays, else the first. Of pairs, both texts do."""
        copies = {entry.item_id for group in self.same for entry in sorted(group, key=_labelled_first)[1:]}
        single = sorted((entry for entry in self.entries if entry.item_id not in copies), key=_labelled_first)
        texts = [f"{entry.text} {entry.text_b or ''}" for entry in single]
        found = []
        for group in near_groups(texts, progress=lambda done: self.step("near_duplicate", done)):
            second = single[group.keep].text_b or ""  # else all questions about one long text would be duplicates
            others = [(place, score) for place, score in group.others if alike(second, single[place].text_b or "")]
            if others:
                found.append(NearGroup(group.keep, others))
        return Finding(
            kind="near_duplicate",
            item_ids=[single[place].item_id for group in found for place, _ in group.others],
            groups=[[single[p].item_id for p in (group.keep, *(p for p, _ in group.others))] for group in found],
            details={
                single[place].item_id: f"{score:.0%} like item {single[group.keep].item_id}"
                for group in found
                for place, score in group.others
            },
        )

    def leakage(self) -> Finding:
        """The same text in two splits: the copy in the split that measures stays."""
        groups = [group for group in self.same if len({entry.split for entry in group if entry.split}) > 1]
        ordered = [
            sorted((entry for entry in group if entry.split), key=lambda entry: _KEEP_FIRST.get(entry.split or "", 3))
            for group in groups
        ]
        leaking = [[group[0], *(entry for entry in group if entry.split != group[0].split)] for group in ordered]
        return _grouped("leakage", leaking, "also in {split}: item")

    def conflicting_labels(self) -> Finding:
        """The same text with different labels: a person has to decide."""
        labelled = [[entry for entry in group if entry.value is not None] for group in self.same]
        groups = [group for group in labelled if len({repr(entry.value) for entry in group}) > 1]
        return Finding(
            kind="conflicting_labels",
            item_ids=[entry.item_id for group in groups for entry in group],
            groups=[[entry.item_id for entry in group] for group in groups],
            details={
                entry.item_id: ", ".join(f"item {other.item_id}: {other.value}" for other in group[:_LISTED])
                for group in groups
                for entry in group
            },
            action="review",
        )

    # ------------------------------------------------------------ one text at a time

    def empty(self) -> Finding:
        """Nothing that can be seen."""
        return self._each("empty", lambda text: None if has_visible(text) else "no visible character")

    def too_short(self) -> Finding:
        """Fewer visible characters than ``shortest``."""

        def look(text: str) -> str | None:
            length = len(text.strip())
            return f"{length} characters" if length < self.shortest and has_visible(text) else None

        return self._each("too_short", look)

    def too_long(self) -> Finding:
        """More characters than ``longest``: models cut such texts off."""
        return self._each("too_long", lambda text: f"{len(text):,} characters" if len(text) > self.longest else None)

    def control_characters(self) -> Finding:
        """Control, zero-width and direction-changing characters, with the text as it would be without them.

        Not of texts with a wrong decoding: there they are what is left of a letter, and the repair needs them.
        """

        def look(text: str) -> str | None:
            clean = without_controls(text)
            return clean if clean is not None and repaired(text) is None else None

        return self._each("control_characters", look, "replace_text")

    def mojibake(self) -> Finding:
        """Text decoded with the wrong encoding, with the repaired text (ftfy)."""
        return self._each("mojibake", repaired, "replace_text")

    def wrong_language(self) -> Finding:
        """Texts that are surely in another language than the project."""
        seen = other_language(
            [entry.text for entry in self.entries], self.language, lambda done: self.step("wrong_language", done)
        )
        details = {self.entries[place].item_id: shown for place, shown in seen.items()}
        return Finding(kind="wrong_language", item_ids=list(details), details=details)

    def _each(
        self,
        kind: str,
        look: Callable[[str], str | None],
        action: Literal["exclude", "replace_text", "review"] = "exclude",
    ) -> Finding:
        """A finding of every entry whose text ``look`` has something to say about."""
        details: dict[int, str] = {}
        for place, entry in enumerate(self.entries):
            if place % 10_000 == 0:
                self.step(kind, place)
            if (seen := look(entry.text)) is not None:
                details[entry.item_id] = seen
        return Finding(kind=kind, item_ids=list(details), details=details, action=action)


def without_controls(text: str) -> str | None:
    """The text without characters that cannot be seen; None when it has none, or nothing else."""
    if text.isprintable():
        return None
    clean = "".join(c for c in text if not _hidden(c))
    return clean if clean != text and has_visible(clean) else None


def repaired(text: str) -> str | None:
    """The text as it was before a wrong decoding; None when it looks right or cannot be repaired."""
    import ftfy

    if text.isascii() or not ftfy.is_bad(text):
        return None
    fixed = ftfy.fix_encoding(text)
    return fixed if fixed != text and not ftfy.is_bad(fixed) else None


def _hidden(character: str) -> bool:
    if character in _KEPT:
        return False
    return unicodedata.category(character) in ("Cc", "Cf")


def _labelled_first(entry: Entry) -> bool:
    return entry.value is None


def _grouped(kind: str, groups: list[list[Entry]], detail: str) -> Finding:
    """A finding that keeps the first of each group and would exclude the others."""
    return Finding(
        kind=kind,
        item_ids=[entry.item_id for group in groups for entry in group[1:]],
        groups=[[entry.item_id for entry in group] for group in groups],
        details={
            entry.item_id: f"{detail.format(split=group[0].split)} {group[0].item_id}"
            for group in groups
            for entry in group[1:]
        },
    )
