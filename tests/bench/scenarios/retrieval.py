"""FAQ retrieval on Banking77, before and after tuning a bi-encoder on the training texts.

Each intent is an FAQ entry of up to 20 training texts as its passages; the test texts are the questions. An entry is
as close to a question as its closest passage. The data is expected as ``banking77/train.jsonl`` and ``test.jsonl``
(text, label) in the folder WHETSTONE_BENCH_DATA.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.base_models import resolve
from core.evaluation.retrieval import best_of_groups, rank_all
from core.evaluation.retrieval import measure as figures_of
from core.methods.base import Rows, TrainingData
from core.methods.bi_encoder import BiEncoder, BiEncoderOptions
from core.methods.embeddings import encode
from core.tasks import get_task
from tests.bench.figures import Figure

DATA = "WHETSTONE_BENCH_DATA"
PASSAGES = 20
DEV_SHARE = 0.05


def measure(**options: Any) -> list[Figure]:
    """Top-1 and top-3 before and after; left out with a message where the data is missing."""
    folder = Path(os.environ.get(DATA, "")) / "banking77"
    if DATA not in os.environ or not (folder / "train.jsonl").is_file():
        print(f"FAQ retrieval: skipped, {DATA} names no folder with banking77/train.jsonl")
        return []
    train, test = (_rows(folder / f"{split}.jsonl") for split in ("train", "test"))
    base = resolve("minilm")
    before = _score(lambda texts: encode(texts, base), train, test)
    with tempfile.TemporaryDirectory() as run:
        context = _Context(Path(run))
        start = time.monotonic()
        model = BiEncoder().fit(_pairs(train), BiEncoderOptions(**options), base, context)
        seconds = time.monotonic() - start
    after = _score(model.embed, train, test)
    goals = {"hit_rate@1": (">= 90 %", 90.0), "hit_rate@3": (">= 96 %", 96.0)}
    found = []
    for name, (reach, low) in goals.items():
        title = f"FAQ retrieval, Banking77, top-{name[-1]}"
        ends = " to ".join(f"{100 * end:.1f}" for end in after[1][name])
        found.append(Figure(f"{title} before tuning", "", 100 * before[0][name], "%"))
        found.append(Figure(title, reach, 100 * after[0][name], "%", low=low, note=f"95 % interval {ends}"))
    return [*found, Figure("FAQ retrieval, tuning", "<= 15 min", seconds / 60, "min", high=15)]


def _score(embed: Any, train: list[dict[str, str]], test: list[dict[str, str]]) -> tuple[dict[str, float], Any]:
    """Figures and intervals of ranking the entries for every test text."""
    labels = sorted({row["label"] for row in train})
    chosen = [row for label in labels for row in [r for r in train if r["label"] == label][:PASSAGES]]
    groups = np.array([labels.index(row["label"]) for row in chosen])
    gold = np.array([labels.index(row["label"]) for row in test])
    passages, queries = embed([row["text"] for row in chosen]), embed([row["text"] for row in test])
    ranking = rank_all(
        len(test),
        len(labels),
        lambda rows: best_of_groups(queries[rows] @ passages.T, groups, len(labels)),
        lambda rows: gold[rows][:, None] == np.arange(len(labels)),
    )
    result = figures_of(ranking, depths=(1, 3))
    return result.figures, result.intervals


def _pairs(train: list[dict[str, str]], seed: int = 0) -> TrainingData:
    """Every training text with another of its intent; a share of them, whole texts, for dev."""
    random = np.random.default_rng(seed)
    texts, labels = [row["text"] for row in train], np.array([row["label"] for row in train])
    partner = np.empty(len(texts), np.int64)
    for label in set(labels.tolist()):
        members = np.flatnonzero(labels == label)
        order = random.permutation(members)
        partner[order] = np.roll(order, 1)
    held = np.zeros(len(texts), bool)
    held[random.choice(len(texts), round(DEV_SHARE * len(texts)), replace=False)] = True

    def rows(keep: np.ndarray) -> Rows:
        ids = np.flatnonzero(keep).tolist()
        return Rows(ids, [texts[i] for i in ids], ["match"] * len(ids), [texts[partner[i]] for i in ids])

    return TrainingData(get_task("pair"), ["match", "no match"], rows(~held), rows(held), Rows([], [], [], []))


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class _Context:
    """A run that says what it hears on standard error."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.cache = directory / "cache"
        self.device = "cpu"

    def report(self, kind: str, **values: Any) -> None:
        if kind != "step":
            print(kind, values, file=sys.stderr, flush=True)

    def progress(self, done: int, total: int, message: str = "") -> None:
        pass

    def should_stop(self) -> bool:
        return False


if __name__ == "__main__":
    for figure in measure(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")):
        print(figure.row())
