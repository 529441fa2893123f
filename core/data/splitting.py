"""Which rows train a model, which choose it, and which are kept for the final measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from core.errors import InputError, RefusedError


@dataclass(frozen=True)
class Split:
    """The split of n rows."""

    names: np.ndarray
    """(n,) strings: ``train``, ``dev`` or ``test``."""
    warnings: list[str] = field(default_factory=list)


def split(strata: Sequence[str], groups: np.ndarray, test: float = 0.2, dev: float = 0.1, seed: int = 0) -> Split:
    """Split rows so that every stratum (class) has the same shares and no group (same text) straddles.

    ``strata`` and ``groups`` have one entry a row, n each. A group belongs to the stratum of most of its rows. The
    shares are of all rows; a class with at least three groups has a row in every split whose share is not zero, one
    with two groups in train and one other. Same input and seed give the same split on every machine (the stream of
    ``RandomState`` is frozen, NEP 19). Raises InputError for shares that leave nothing to train on.
    """
    if min(test, dev) < 0 or test + dev >= 1:
        raise InputError(
            f"Test {test:.0%} and dev {dev:.0%} leave nothing to train on.", "Choose shares that add up to less."
        )
    if len(strata) == 0:
        return Split(np.empty(0, dtype="<U5"))
    codes, sizes = _groups(groups)
    stratum_of = _strata(strata, codes, len(sizes))
    random = np.random.RandomState(seed)
    order = random.permutation(len(sizes))
    members: dict[str, list[int]] = {}
    for group in order:
        members.setdefault(stratum_of[group], []).append(int(group))
    rows = {name: int(sizes[chosen].sum()) for name, chosen in members.items()}
    names = sorted(members)
    wanted = {part: _shares([rows[name] for name in names], share) for part, share in (("test", test), ("dev", dev))}
    assigned = np.full(len(sizes), "train", dtype="<U5")
    for place, name in enumerate(names):
        left = members[name]
        for part, share in (("test", test), ("dev", dev)):
            if share > 0:
                needed = wanted[part][place]
                chosen = _choose(left, sizes, needed, spare=2 if part == "test" and dev > 0 else 1)
                assigned[chosen] = part
                taken = set(chosen)
                left = [group for group in left if group not in taken]
    return Split(assigned[codes])


def split_imported(
    imported: Sequence[str | None], strata: Sequence[str], groups: np.ndarray, dev: float = 0.1, seed: int = 0
) -> Split:
    """Keep the split the import brought; rows without one train; a missing dev part is carved out of train.

    ``dev`` is the share of the training rows, used only when the import has no dev rows. Warns about texts that are
    in two splits. Raises RefusedError when there is no test or no train part.
    """
    names = np.array([name or "train" for name in imported], dtype="<U5")
    counts = Counter(names.tolist())
    if not counts["test"] or not counts["train"]:
        missing, have = ("test", "train") if not counts["test"] else ("train", "test")
        raise RefusedError(
            f"The imported split has no {missing} part: {counts[have]:,} rows are '{have}'.",
            f"Import the {missing} file too, with a split column, or let the split be drawn at random.",
        )
    warnings = []
    unnamed = sum(name is None for name in imported)
    if unnamed:
        warnings.append(f"{unnamed:,} rows without an imported split were put into train.")
    if not counts["dev"] and dev > 0:
        train = np.flatnonzero(names == "train")
        carved = split([strata[int(row)] for row in train], np.asarray(groups)[train], test=0.0, dev=dev, seed=seed)
        names[train] = carved.names
        warnings.append(f"The import has no dev part: {int((carved.names == 'dev').sum()):,} training rows became dev.")
    codes, _ = _groups(groups)
    first = np.full(codes.max() + 1, "", dtype="<U5")
    first[codes[::-1]] = names[::-1]
    leaking = len(set(codes[first[codes] != names].tolist()))
    if leaking:
        warnings.append(f"{leaking:,} texts are in two of the imported splits; scores on them are too good to be true.")
    return Split(names, warnings)


def _groups(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number groups by first appearance: codes (n,), sizes (g,)."""
    _, first, inverse, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], sizes[order]


def _strata(strata: Sequence[str], codes: np.ndarray, groups: int) -> list[str]:
    """The stratum of most rows of each group; the first named where two tie."""
    found: list[Counter[str]] | None = None
    one: list[str | None] = [None] * groups
    for code, name in zip(codes.tolist(), strata, strict=True):
        if one[code] is None:
            one[code] = name
        elif one[code] != name:
            found = [Counter() for _ in range(groups)]
            break
    if found is None:
        return [name or "" for name in one]
    for code, name in zip(codes.tolist(), strata, strict=True):
        found[code][name] += 1
    return [counter.most_common(1)[0][0] for counter in found]


def _shares(rows: list[int], share: float) -> list[int]:
    """Rows to take from each stratum; together round(share * all), by largest remainder."""
    exact = np.array(rows) * share
    whole = np.floor(exact + 1e-9).astype(int)
    missing = round(float(exact.sum())) - int(whole.sum())
    for place in np.argsort(-(exact - whole), kind="stable")[: max(0, missing)]:
        whole[place] += 1
    return whole.tolist()


def _choose(groups: list[int], sizes: np.ndarray, needed: int, spare: int) -> list[int]:
    """Groups, in their random order, with about ``needed`` rows and at least one group.

    Leaves ``spare`` groups for the splits that come after, where there are enough; always leaves one.
    """
    most = max(len(groups) - spare, 1) if len(groups) > 1 else 0
    chosen: list[int] = []
    taken = 0
    for group in groups:
        if len(chosen) == most or taken >= needed:
            break
        if taken + sizes[group] <= needed:
            chosen.append(group)
            taken += int(sizes[group])
    if not chosen and most:
        chosen = [min(groups, key=lambda group: int(sizes[group]))]
    return chosen
