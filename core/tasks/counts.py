"""What every task with labels asks of the counts of a version (split -> label -> rows)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.errors import RefusedError

Counts = Mapping[str, Mapping[str, int]]


def check_train(counts: Counts, totals: Mapping[str, int]) -> None:
    """Raise RefusedError when a label of ``totals`` (label -> rows in all) has no row to learn from."""
    train = counts.get("train", {})
    missing = [f"{label} ({rows} in all)" for label, rows in totals.items() if not train.get(label)]
    if missing:
        raise RefusedError(
            f"No training example for: {', '.join(missing)}.",
            "Label more of them, merge them into another label, or leave these labels out.",
        )


def unmeasured(counts: Counts, labels: Iterable[str]) -> list[str]:
    """A warning for each label that a split which is there has no row of."""
    names = list(labels)
    return [
        f"'{label}' has no example in the {split} split; its scores there cannot be measured."
        for split in ("dev", "test")
        for label in names
        if counts.get(split) and not counts[split].get(label)
    ]
