"""How much sooner full fine-tuning is as good as a plain loop after five epochs, against that loop and HF ``Trainer``.

Slow (about 40 minutes a round): ``WHETSTONE_BENCH_DATA=... WHETSTONE_BENCH_REFERENCE=... python -m tests.bench
sooner``, or ``python -m tests.bench.sooner --rounds 2``. On the first 2,000 rows of twitter_financial_news the
reference loop trains five epochs; its accuracy on dev.jsonl is the mark. Then ours and ``Trainer`` (dynamic padding,
all other arguments as they come, three epochs) train until they reach it, each in a fresh process with the same
environment. Counted are the seconds of the training steps with their tokenising; nobody's measuring is, for the
reference does none on the way. Ours is given one, two, three and five epochs in turn, a whole training each; the
shortest that reaches the mark counts, and what the others reached stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from core.base_models import resolve
from core.training.processes import worker_environment
from tests.bench.figures import Figure

DATA, REFERENCE = "WHETSTONE_BENCH_DATA", "WHETSTONE_BENCH_REFERENCE"
ROWS, EPOCHS = 2_000, 5
OURS = (1, 2, 3, 5)
Curve = list[tuple[float, float]]
"""(seconds of training so far, accuracy on dev)."""


def measure(rows: int = ROWS, dev_rows: int | None = None, epochs: int = EPOCHS, rounds: int = 1) -> list[Figure]:
    """Both comparisons; without data or reference a message."""
    folder, reference = Path(os.environ.get(DATA, "")) / "twitter_financial_news", os.environ.get(REFERENCE)
    if not (folder / "train.jsonl").is_file() or not reference:
        print(f"sooner: skipped, it wants {DATA} with twitter_financial_news and {REFERENCE}")
        return []
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        train, dev = Path(temporary) / "train.jsonl", Path(temporary) / "dev.jsonl"
        for target, count in ((train, rows), (dev, dev_rows)):
            lines = (folder / target.name).read_text(encoding="utf-8").split("\n")
            target.write_text("\n".join(lines[:count]) + "\n", encoding="utf-8")
        for _ in range(rounds):
            found.append(_round(reference, train, dev, epochs))
    return [
        _figure("a plain loop, five epochs", 25, [(plain, ours) for plain, _, ours, _ in found], found),
        _figure("HF Trainer, dynamic padding", 3, [(trainer, ours) for _, trainer, ours, _ in found], found),
    ]


def _figure(of: str, goal: float, pairs: list[tuple[float, float]], rounds: list[Any]) -> Figure:
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    note = "; ".join(f"{ours:.0f} s : {theirs:.0f} s" for theirs, ours in pairs) + "; " + rounds[-1][3]
    return Figure(f"full fine-tuning sooner as good as {of}", f">= {goal:g}x", ratio, "x", low=goal, note=note)


def _round(reference: str, train: Path, dev: Path, epochs: int) -> tuple[float, float, float, str]:
    """Seconds to the mark of the plain loop, of ``Trainer`` and of ours, and what was reached in words."""
    base = str(resolve("minilm"))
    plain = _run([reference, base, str(train), "--test", str(dev), "--epochs", str(epochs)])
    mark = float(plain["test_accuracy"])
    told = [f"mark {mark:.2%}"]
    ours = float("inf")
    for number in OURS:
        curve: Curve = _run(["-m", "tests.bench.sooner", "ours", str(train), str(dev), str(number)])["curve"]
        told.append(f"ours {curve[-1][1]:.2%} after {curve[-1][0]:.0f} s")
        ours = _reached(curve, mark)
        if ours < float("inf"):
            break
    curve = _run(["-m", "tests.bench.sooner", "trainer", str(train), str(dev)])["curve"]
    told.append("Trainer " + ", ".join(f"{accuracy:.2%} after {seconds:.0f} s" for seconds, accuracy in curve))
    # Where Trainer never gets there, all of its time is a lower bound of what it needs.
    trainer = min(_reached(curve, mark), curve[-1][0])
    return float(plain["seconds"]), trainer, ours, "; ".join(told)


def _reached(curve: Curve, mark: float) -> float:
    return next((seconds for seconds, accuracy in curve if round(accuracy, 4) >= mark), float("inf"))


def _run(arguments: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True, env=worker_environment()
    )
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def rows_of(path: Path) -> tuple[list[str], list[str]]:
    """(texts, labels) of a JSON lines file."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [row["text"] for row in rows], [row["label"] for row in rows]


class Listener:
    """A run that notes the seconds of training and the accuracy on dev after each epoch."""

    def __init__(self, directory: Path) -> None:
        self.directory = self.cache = directory
        self.device = "cpu"
        self.curve: Curve = []
        self.seconds = 0.0
        self.begun = time.monotonic()

    def report(self, kind: str, **values: Any) -> None:
        """Time between measurements is training."""
        if kind == "epoch":
            if values["step"] and values["dev"]:
                self.curve.append((self.seconds, values["dev"]["accuracy"]))
            self.begun = time.monotonic()
        elif kind == "speed":
            self.seconds += time.monotonic() - self.begun

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Nobody looks."""

    def should_stop(self) -> bool:
        """Never."""
        return False


def ours(train: Path, dev: Path, epochs: int) -> Curve:
    """Full fine-tuning with the default options but for the number of epochs."""
    import torch  # noqa: F401 - nobody's imports count
    import transformers  # noqa: F401

    from core.methods.base import Rows, TrainingData
    from core.methods.encoders import load_tokenizer
    from core.methods.full import FullFineTuning, FullOptions
    from core.methods.tokens import encode
    from core.tasks import get_task

    (texts, names), (dev_texts, dev_names) = rows_of(train), rows_of(dev)
    nothing = Rows([], [], [])
    data = TrainingData(
        get_task("classification"),
        sorted(set(names)),
        Rows(list(range(len(texts))), texts, names),
        Rows(list(range(len(dev_texts))), dev_texts, dev_names),
        nothing,
    )
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(Path(folder))
        tokenizer, begun = load_tokenizer(resolve("minilm")), time.monotonic()
        encode(tokenizer, texts)
        listener.seconds = time.monotonic() - begun
        FullFineTuning().fit(data, FullOptions(epochs=epochs, patience=0), resolve("minilm"), listener)
    return listener.curve


def trainer(train: Path, dev: Path) -> Curve:
    """HF ``Trainer`` as its documentation shows it for text classification, all arguments at their defaults."""
    import numpy as np
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    (texts, names), (dev_texts, dev_names) = rows_of(train), rows_of(dev)
    labels = sorted(set(names))
    base = resolve("minilm")
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels))

    def encoded(some: list[str], said: list[str]) -> Any:
        made = Dataset.from_dict(
            {"text": some, "label": [labels.index(name) if name in labels else -1 for name in said]}
        )
        return made.map(
            lambda row: tokenizer(row["text"], truncation=True, max_length=128), batched=True
        ).remove_columns("text")

    curve: Curve = []

    class Listen(TrainerCallback):
        """Stops the clock while dev is measured."""

        def on_epoch_begin(self, *_: Any, **__: Any) -> None:
            self.begun = time.monotonic()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            seconds = (curve[-1][0] if curve else tokenised) + time.monotonic() - self.begun
            answers = np.asarray(made.predict(held).predictions).argmax(-1)
            curve.append((seconds, float((answers == np.array(held["label"])).mean())))
            model.train()

    begun = time.monotonic()
    shown = encoded(texts, names)
    tokenised = time.monotonic() - begun
    held = encoded(dev_texts, dev_names)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, use_cpu=True, report_to=[], disable_tqdm=True)
        made = Trainer(
            model=model,
            args=arguments,
            train_dataset=shown,
            data_collator=DataCollatorWithPadding(tokenizer),
            callbacks=[Listen()],
        )
        made.train()
    return curve


def main(words: list[str]) -> int:
    """``ours TRAIN DEV EPOCHS``, ``trainer TRAIN DEV``, or the whole comparison with its own settings."""
    if words and words[0] == "ours":
        print(json.dumps({"curve": ours(Path(words[1]), Path(words[2]), int(words[3]))}))
        return 0
    if words and words[0] == "trainer":
        print(json.dumps({"curve": trainer(Path(words[1]), Path(words[2]))}))
        return 0
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=ROWS)
    asked.add_argument("--dev-rows", type=int)
    asked.add_argument("--epochs", type=int, default=EPOCHS)
    asked.add_argument("--rounds", type=int, default=1)
    settings = asked.parse_args(words)
    for figure in measure(settings.rows, settings.dev_rows, settings.epochs, settings.rounds):
        print(figure.row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
