"""The cheap, strong methods on Banking77 through the front door, and the encoder against a bare loop.

The data is expected as ``banking77/train.jsonl`` and ``test.jsonl`` (text, label) in the folder WHETSTONE_BENCH_DATA.
"""

from __future__ import annotations

import csv
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from core.base_models import resolve
from core.methods.embeddings import encode
from core.project import Project
from core.settings import Settings
from core.training.processes import SPARE_AFTER
from core.workspace import Workspace
from tests.bench.figures import Figure

DATA = "WHETSTONE_BENCH_DATA"
ROUNDS = 4
ENCODED = 3_000
"""Texts of one round of the encoder comparison."""
NEW_LABELS = 100
Texts = list[dict[str, str]]


def measure() -> list[Figure]:
    """All figures; without the data a message."""
    folder = os.environ.get(DATA)
    if not folder or not (Path(folder) / "banking77" / "train.jsonl").is_file():
        print(f"methods: skipped, {DATA} names no folder with banking77/train.jsonl")
        return []
    train, test = (_rows(Path(folder) / "banking77" / f"{split}.jsonl") for split in ("train", "test"))
    figures = quality(train, test)
    figures.append(encoder([row["text"] for row in train[:ENCODED]]))
    return [*figures, *again(train, test, 10_000, 10), *again(train, test, 1_000, 2)]


def quality(train: Texts, test: Texts) -> list[Figure]:
    """Accuracy and time of each method, from the file to the report, in a workspace that has encoded nothing yet."""
    figures = []
    goals = {"baseline": 91.0, "features": 92.5, "hybrid": 93.5}
    for method, goal in goals.items():
        with tempfile.TemporaryDirectory() as folder, _workspace(folder) as workspace:
            start = time.perf_counter()
            project = _import(workspace, train, test, Path(folder))
            version = project.freeze(split="imported", dev=0.1, seed=0)
            trained = time.perf_counter()
            model = project.train(version, method=method).wait().model
            if model is None:
                raise RuntimeError(f"{method} did not finish")
            run = time.perf_counter() - trained
            accuracy = 100 * model.evaluate(beside=False).accuracy
            whole = time.perf_counter() - start
        figures.append(Figure(f"{method}, Banking77 accuracy", f">= {goal:g} %", accuracy, "%", low=goal))
        limit = 15.0 if method == "baseline" else None
        reach = "< 15 s" if limit else ""
        note = f"{whole:.0f} s from the file to the report"
        figures.append(Figure(f"{method}, run from start to registered model", reach, run, "s", high=limit, note=note))
    return figures


def encoder(texts: list[str]) -> Figure:
    """Our pass over the texts and a bare length-sorted loop in turn, in one process, without a cache."""
    base = resolve("minilm")
    bare = _BareLoop(base)
    encode(texts[:64], base)
    bare.encode(texts[:64])
    pairs = []
    for _ in range(ROUNDS):
        pairs.append((_speed(bare.encode, texts), _speed(lambda part: encode(part, base), texts)))
    ratio = statistics.median(ours / theirs for theirs, ours in pairs)
    note = "; ".join(f"{ours:.0f} : {theirs:.0f}" for theirs, ours in pairs)
    return Figure("encoder pass, texts/s against a bare length-sorted loop", ">= 0.9x", ratio, "x", low=0.9, note=note)


class _BareLoop:
    """What one writes in a notebook: sort by length, tokenise, batches of 64, mean of the last layer."""

    def __init__(self, base: Path) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.model = AutoModel.from_pretrained(base).eval()

    def encode(self, texts: list[str]) -> None:
        """Embed the texts and drop the vectors."""
        import torch

        ordered = sorted(texts, key=len)
        with torch.inference_mode():
            for start in range(0, len(ordered), 64):
                part = self.tokenizer(
                    ordered[start : start + 64], padding=True, truncation=True, max_length=256, return_tensors="pt"
                )
                hidden = self.model(**part).last_hidden_state
                mask = part["attention_mask"].unsqueeze(-1)
                torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def again(train: Texts, test: Texts, labels: int, limit: float) -> list[Figure]:
    """Train features, label 100 more as an annotator who sees suggestions does, and train again.

    From the call to the registered model; the baseline of the new version, which is trained behind it, is waited for
    outside the measurement, and so is the spare worker, for a person takes minutes for so many labels. The last run
    follows a restart of the app, which has no spare worker yet.
    """
    mixed = random.Random(0).sample(train, min(len(train), labels + NEW_LABELS))
    known, new = mixed[:-NEW_LABELS], mixed[-NEW_LABELS:]
    with tempfile.TemporaryDirectory() as folder, _workspace(folder) as workspace:
        project = _import(workspace, known, test[:: max(1, 30_000 // labels)], Path(folder), unlabelled=new)
        project.train(project.freeze(split="imported", dev=0.1, seed=0), method="features").wait()
        answers = {row["text"]: row["label"] for row in new}
        while (item := project.next_item("ann")) is not None:
            project.suggest([item.id])
            project.label(item.id, answers[item.text], user="ann")
        workspace.suggester(project.id).wait(300)
        for run in project.runs():
            run.wait()
        seconds = [_train_features(project, seed, SPARE_AFTER + 5) for seed in range(ROUNDS)]
        workspace.close()
        with _workspace(folder) as reopened:
            restarted = _train_features(reopened.project(project.id), ROUNDS, 0)
    what = f"features again after {NEW_LABELS} new labels, {len(known):,} labels"
    note = f"each of {', '.join(f'{value:.1f}' for value in seconds)}; {restarted:.1f} after a restart of the app"
    return [Figure(what, f"< {limit:g} s", statistics.median(seconds), "s", high=limit, note=note)]


def _train_features(project: Project, seed: int, pause: float) -> float:
    """Seconds from the call to the registered model, ``pause`` seconds after the last run."""
    time.sleep(pause)
    version = project.freeze(split="imported", dev=0.1, seed=seed)
    start = time.perf_counter()
    run = project.train(version, method="features").wait()
    if run.model is None:
        raise RuntimeError(f"the run ended as {run.state}: {run.error}")
    seconds = time.perf_counter() - start
    for other in project.runs():
        other.wait()
    return seconds


def _speed(work: Callable[[list[str]], object], texts: list[str]) -> float:
    """Texts a second."""
    start = time.perf_counter()
    work(texts)
    return len(texts) / (time.perf_counter() - start)


def _rows(path: Path) -> Texts:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _workspace(folder: str) -> Workspace:
    return Workspace.open(Path(folder) / "home", Settings(device="cpu"))


def _import(workspace: Workspace, train: Texts, test: Texts, folder: Path, unlabelled: Texts | None = None) -> Project:
    """A project with these rows, the split in a column of the file."""
    path = folder / "banking77.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "part"])
        writer.writerows([row["text"], row["label"], "train"] for row in train)
        writer.writerows([row["text"], row["label"], "test"] for row in test)
        writer.writerows([row["text"], "", "train"] for row in unlabelled or [])
    project = workspace.create_project("Banking77")
    project.import_file(path, text="text", label="label", split="part")
    return project


if __name__ == "__main__":
    for figure in measure():
        print(figure.row(), flush=True)
