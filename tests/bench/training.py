"""Fine-tuning: samples a second against a plain loop, and the score on Banking77 with the default options.

The data is expected as ``banking77/train.jsonl`` and ``test.jsonl`` (text, label) in the folder WHETSTONE_BENCH_DATA;
the reference is a script, WHETSTONE_BENCH_REFERENCE, called as ``SCRIPT MODEL_DIR TRAIN.jsonl --steps N``, that prints
one JSON line with ``samples_per_s``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.base_models import resolve
from core.data.splitting import split_imported
from core.data.versions import write_version
from core.settings import Settings
from core.training.processes import worker_environment
from core.training.run_folder import RunConfig
from core.training.runner import Runner
from tests.bench.figures import Figure

ROUNDS = 4
REFERENCE_STEPS = 20
ROWS = 1_600
"""Rows of one round of ours: enough for the speed to settle."""
DATA, REFERENCE = "WHETSTONE_BENCH_DATA", "WHETSTONE_BENCH_REFERENCE"


def measure() -> list[Figure]:
    """Speed and score; what cannot be measured here is left out with a message."""
    folder = os.environ.get(DATA)
    if not folder or not (Path(folder) / "banking77" / "train.jsonl").is_file():
        print(f"fine-tuning: skipped, {DATA} names no folder with banking77/train.jsonl")
        return []
    data = Path(folder) / "banking77"
    return [*speed(data), *score(data)]


def speed(data: Path) -> list[Figure]:
    """The reference and our loop in turn, each in a fresh process with the same environment."""
    reference = os.environ.get(REFERENCE)
    if not reference:
        print(f"fine-tuning speed: skipped, {REFERENCE} names no script")
        return []
    ours = [sys.executable, "-m", "tests.bench.training", str(data / "train.jsonl")]
    steps = ["--steps", str(REFERENCE_STEPS)]
    plain = [sys.executable, reference, str(resolve("minilm")), str(data / "train.jsonl"), *steps]
    pairs = [(_samples_per_second(plain), _samples_per_second(ours)) for _ in range(ROUNDS)]
    ratio = statistics.median(mine / theirs for theirs, mine in pairs)
    spread = "; ".join(f"{mine:.0f} : {theirs:.1f}" for theirs, mine in pairs)
    return [
        Figure("full fine-tuning, samples/s against a plain loop", ">= 10x", ratio, "x", low=10, note=spread),
        Figure("full fine-tuning", "", statistics.median(mine for _, mine in pairs), "samples/s"),
    ]


def score(data: Path, method: str = "full", **options: Any) -> list[Figure]:
    """Train with the default options through runner and worker; test accuracy and time."""
    with tempfile.TemporaryDirectory() as folder:
        labels, digest = banking77(data, Path(folder) / "version")
        config = RunConfig(
            project_id=1, version_id=1, version_hash=digest, labels=labels, method=method, base="minilm",
            device="cpu", options=options,
        )  # fmt: skip
        runner = Runner(Path(folder) / "runs", settings=Settings(home=Path(folder), offline=True))
        try:
            run_id = runner.submit(config, Path(folder) / "version")
            status = runner.wait(run_id)
            if status.state != "finished":
                raise SystemExit(f"{status.state}: {status.error} {status.hint}\n" + "\n".join(runner.log_tail(run_id)))
            result = runner.folder(run_id).result() or {}
        finally:
            runner.close()
    memory = f"peak memory {result['peak_memory_bytes'] / 2**30:.1f} GiB"
    name = {"full": "full fine-tuning", "lora": "LoRA", "top_layers": "top layers"}[method]
    goal: dict[str, Any] = {"reach": ">= 92.5 %", "low": 92.5} if method == "full" else {"reach": ""}
    return [
        Figure(f"{name}, Banking77 test accuracy", got=100 * status.metrics["accuracy"], unit="%", note=memory, **goal),
        Figure(f"{name}, Banking77 run time", "", result["seconds"], "s"),
    ]


def banking77(data: Path, target: Path) -> tuple[list[str], str]:
    """Freeze Banking77 with a dev split (10 % of train, seed 0); returns labels and hash."""
    rows = [(split, row) for split in ("train", "test") for row in _rows(data / f"{split}.jsonl")]
    names = [row["label"] for _, row in rows]
    _, groups = np.unique([row["text"] for _, row in rows], return_inverse=True)
    made = split_imported([split for split, _ in rows], names, groups, dev=0.1, seed=0)
    labels = sorted(set(names))
    texts = [row["text"] for _, row in rows]
    numbers = list(range(1, len(rows) + 1))
    digest, _ = write_version(target, numbers, texts, names, list(made.names), labels, "classification")
    return labels, digest


def _rows(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _samples_per_second(command: list[str]) -> float:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=worker_environment())
    return float(json.loads(done.stdout.strip().splitlines()[-1])["samples_per_s"])


class _Context:
    """A run that only listens for the speed."""

    def __init__(self, directory: Path) -> None:
        self.directory = self.cache = directory
        self.device = "cpu"
        self.samples_per_s = 0.0

    def report(self, kind: str, **values: Any) -> None:
        if kind == "speed":
            self.samples_per_s = values["samples_per_s"]

    def progress(self, done: int, total: int, message: str = "") -> None:
        pass

    def should_stop(self) -> bool:
        return False


def _train_once(path: Path) -> float:
    """Samples a second of one epoch over a seeded choice of rows with the default options."""
    from core.methods.base import Rows, TrainingData
    from core.methods.full import FullFineTuning, FullOptions
    from core.tasks import get_task

    rows = _rows(path)
    chosen = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))[:ROWS]]
    labels = sorted({row["label"] for row in rows})
    train = Rows(list(range(len(chosen))), [row["text"] for row in chosen], [row["label"] for row in chosen])
    nothing = Rows([], [], [])
    data = TrainingData(get_task("classification"), labels, train, nothing, nothing)
    with tempfile.TemporaryDirectory() as folder:
        context = _Context(Path(folder))
        FullFineTuning().fit(data, FullOptions(epochs=1, patience=0), resolve("minilm"), context)
    return context.samples_per_s


if __name__ == "__main__":
    print(json.dumps({"samples_per_s": _train_once(Path(sys.argv[1]))}))
