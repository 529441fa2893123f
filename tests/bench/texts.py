"""Files of made-up texts for measurements; the same on every machine."""

from __future__ import annotations

import csv
import random
from pathlib import Path


def write_csv(path: Path, rows: int, labelled: int | None = None, seed: int = 0) -> None:
    """Write ``rows`` texts of about 80 characters with a label in the first ``labelled`` (default: all) of them."""
    pick = random.Random(seed)
    words = ["".join(pick.choices("abcdefghijklmnopqrstuvwxyz", k=pick.randint(3, 9))) for _ in range(3000)]
    labelled = rows if labelled is None else labelled
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for row in range(rows):
            text = f"{' '.join(pick.choices(words, k=12))} {row}"[-80:]
            writer.writerow([text, f"label {row % 7}" if row < labelled else ""])
