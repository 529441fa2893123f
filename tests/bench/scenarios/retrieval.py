"""FAQ retrieval on Banking77, before and after tuning a bi-encoder on the training texts.

Each intent is an FAQ entry of up to 20 training texts as its passages; the test texts are the questions. An entry is
as close to a question as its closest passage. The data is expected as ``banking77/train.jsonl`` and ``test.jsonl``
(text, label) in the folder WHETSTONE_BENCH_DATA.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.base_models import resolve
from core.data.versions import write_version
from core.evaluation.retrieval import best_of_groups, rank_all
from core.evaluation.retrieval import measure as figures_of
from core.inference.predictor import load_predictor
from core.methods.embeddings import encode
from core.settings import Settings
from core.training.run_folder import RunConfig
from core.training.runner import Runner
from tests.bench.figures import Figure

DATA = "WHETSTONE_BENCH_DATA"
PASSAGES = 20
DEV_SHARE = 0.05
EPOCHS = 3


def measure(**options: Any) -> list[Figure]:
    """Top-1 and top-3 before and after; left out with a message where the data is missing."""
    folder = Path(os.environ.get(DATA, "")) / "banking77"
    if DATA not in os.environ or not (folder / "train.jsonl").is_file():
        print(f"FAQ retrieval: skipped, {DATA} names no folder with banking77/train.jsonl")
        return []
    train, test = (_rows(folder / f"{split}.jsonl") for split in ("train", "test"))
    base = resolve("minilm")
    before, _ = _score(lambda texts: encode(texts, base), train, test)
    with tempfile.TemporaryDirectory() as home:
        model, result = _tuned(train, Path(home), {"epochs": EPOCHS, **options})
        after, ends = _score(model.embed, train, test)
    found = []
    for name, low in (("hit_rate@1", 90.0), ("hit_rate@3", 96.0)):
        title = f"FAQ retrieval, Banking77, top-{name[-1]}"
        note = f"95 % interval {' to '.join(f'{100 * end:.1f}' for end in ends[name])}"
        found.append(Figure(f"{title} before tuning", "", 100 * before[name], "%"))
        found.append(Figure(title, f">= {low:.0f} %", 100 * after[name], "%", low=low, note=note))
    note = f"{_child_minutes():.1f} min of processor time in the worker"
    return [*found, Figure("FAQ retrieval, tuning", "<= 15 min", result["seconds"] / 60, "min", high=15, note=note)]


def _child_minutes() -> float:
    """Processor time of the worker; on a busy machine the clock on the wall says little."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) / 60


def _tuned(train: list[dict[str, str]], home: Path, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A bi-encoder tuned by a worker on pairs of the training texts, and what its run wrote down."""
    digest = _write_pairs(train, home / "version")
    config = RunConfig(
        project_id=1, version_id=1, version_hash=digest, task="pair", labels=["match", "no match"],
        method="bi_encoder", base="minilm", device="cpu", options=options,
    )  # fmt: skip
    runner = Runner(home / "runs", settings=Settings(home=home, offline=True))
    try:
        run_id = runner.submit(config, home / "version")
        status = runner.wait(run_id)
        if status.state != "finished":
            raise SystemExit(f"{status.state}: {status.error} {status.hint}\n" + "\n".join(runner.log_tail(run_id)))
        for event in runner.events(run_id):
            if event["kind"] in ("epoch", "speed"):
                print(event, file=sys.stderr)
        return load_predictor(runner.folder(run_id).model), runner.folder(run_id).result() or {}
    finally:
        runner.close()


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


def _write_pairs(train: list[dict[str, str]], target: Path, seed: int = 0) -> str:
    """Freeze every training text with another of its intent, a share of them for dev; returns the hash."""
    random = np.random.default_rng(seed)
    texts, labels = [row["text"] for row in train], np.array([row["label"] for row in train])
    partner = np.empty(len(texts), np.int64)
    for label in sorted(set(labels.tolist())):
        order = random.permutation(np.flatnonzero(labels == label))
        partner[order] = np.roll(order, 1)
    splits = np.where(random.random(len(texts)) < DEV_SHARE, "dev", "train").tolist()
    seconds = [texts[i] for i in partner]
    matches = ["match"] * len(texts)
    numbers = list(range(1, len(texts) + 1))
    return write_version(target, numbers, texts, matches, splits, ["match", "no match"], "pair", seconds)[0]


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    for figure in measure(**json.loads(sys.argv[1] if len(sys.argv) > 1 else "{}")):
        print(figure.row())
