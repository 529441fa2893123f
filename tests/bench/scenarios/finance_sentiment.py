"""Finance sentiment: how fast a feed is scored beside plain torch, and how well alerts hit and hold still.

The plain loop is what one writes first: every text padded to 128 tokens, 32 at a time, in 32 bits. Both sides use the
same tuned encoder and take turns in the same run.
"""

from __future__ import annotations

import csv
import itertools
import json
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from core.data.samples import FOLDER
from core.model import Model
from core.scenarios.finance_sentiment import scoring
from core.scenarios.finance_sentiment.config import FinanceConfig
from core.scenarios.finance_sentiment.scenario import NAME, FinanceSentiment
from core.scenarios.setups import create_setup
from core.settings import Settings
from core.workspace import Workspace
from tests.bench.figures import Figure

HEADLINES = 100_000
COMPARED = 320
"""Texts of one turn of the plain loop."""
TURNS = 3
EPOCHS = 4


def measure(headlines: int = HEADLINES, turns: int = TURNS) -> list[Figure]:
    """Scoring against plain torch, then alerts on the sample."""
    with (
        tempfile.TemporaryDirectory() as home,
        Workspace.open(home, Settings(home=Path(home), offline=True, device="cpu")) as workspace,
    ):
        return [*_scoring(workspace, headlines, turns), *_alerts(workspace)]


def _scoring(workspace: Workspace, headlines: int, turns: int) -> list[Figure]:
    project = workspace.create_project("Headlines", labels=["negative", "neutral", "positive"])
    project.import_file(FOLDER / "finance_headlines.csv", text="text", label="label")
    version = project.freeze(test=0.2, dev=0.1, seed=0)
    model = project.train(version, method="full", epochs=EPOCHS).wait(timeout=3600).model
    assert model is not None
    config = FinanceConfig(roles={"sentiment": model.id})
    scenario = FinanceSentiment(workspace, create_setup(workspace, NAME, "Bench", config))
    texts = _many(headlines)
    for start in range(0, len(texts), 10_000):
        scenario.add([{"text": text, "date": "2026-11-02"} for text in texts[start : start + 10_000]])
    scoring.measure_once(workspace)
    chosen = random.Random(0).sample(texts, min(COMPARED, len(texts)))
    plain = Plain(model)
    rates = []
    for _ in range(turns):
        started = time.perf_counter()
        expected = plain.labels(chosen)
        rates.append(len(chosen) / (time.perf_counter() - started))
        found, _scores = scoring.predict(workspace, model, chosen)
    (made,) = scenario.update()
    rates.append(_rate(plain, chosen))
    same = sum(a == b for a, b in zip(found, expected, strict=True)) / len(chosen)
    usual = statistics.median(rates)
    return [
        Figure("plain torch, padded to 128, batch 32", "", usual, "texts/s", note=f"{len(rates)} turns"),
        Figure(f"scoring {headlines:,} headlines", ">= 6x plain torch", made.per_second / usual, "x", low=6,
               note=f"{made.per_second:.0f} texts/s, {made.seconds:.0f} s, bf16: {scoring.pays_off(workspace)}"),
        Figure("same labels as plain torch", ">= 99 %", 100 * same, "%", low=99, note=f"{len(chosen)} texts"),
    ]  # fmt: skip


def _rate(plain: Plain, texts: Sequence[str]) -> float:
    started = time.perf_counter()
    plain.labels(texts)
    return len(texts) / (time.perf_counter() - started)


class Plain:
    """The loop that one writes first, on the same weights."""

    def __init__(self, model: Model) -> None:
        from core.methods.encoders import load_tokenizer, saved_model
        from core.methods.heads import head_for

        self.tokenizer = load_tokenizer(model.path)
        self.model = saved_model(model.path, head_for("classification", model.info.labels))
        self.names = model.info.labels

    def labels(self, texts: Sequence[str]) -> list[str]:
        """Predicted label of each text."""
        import torch

        found: list[str] = []
        with torch.no_grad():
            for start in range(0, len(texts), 32):
                inputs = self.tokenizer(
                    list(texts[start : start + 32]), padding="max_length", truncation=True, max_length=128,
                    return_tensors="pt",
                )  # fmt: skip
                found += [self.names[i] for i in self.model(**inputs).logits.argmax(-1).tolist()]
        return found


def _many(count: int) -> list[str]:
    """Different texts as long as headlines: halves of the samples' own, put together anew."""
    texts = []
    for file in (FOLDER / "finance_headlines.csv", FOLDER / "finance_sentiment" / "feed.csv"):
        with file.open(encoding="utf-8", newline="") as opened:
            texts += [row["text"].split() for row in csv.DictReader(opened)]
    pairs = itertools.product(range(len(texts)), repeat=2)
    mixed = random.Random(0).sample(list(pairs), min(count, len(texts) ** 2))
    return [" ".join(texts[a][: len(texts[a]) // 2] + texts[b][len(texts[b]) // 2 :]) for a, b in mixed][:count]


def _alerts(workspace: Workspace) -> list[Figure]:
    """The planted surges by the model's sentiments, and false alarms on shuffled copies."""
    sample = FinanceSentiment.install_sample(workspace)
    sample.config.roles = {"sentiment": workspace.models()[0].id}
    sample.update()
    planted = json.loads((FOLDER / "finance_sentiment" / "surges.json").read_text(encoding="utf-8"))
    found = 0
    for surge in planted:
        first = date.fromisoformat(surge["start"])
        found += any(
            alert.company == surge["company"] and 0 <= (alert.fired_on - first).days <= 1 for alert in sample.alerts()
        )
    check = sample.shuffle_check()
    return [
        Figure("planted surges found within a day", "3 of 3", found, "of 3", low=3),
        Figure("false alarms on shuffled dates", "<= 1 in 90 days", check.per_90_days, "", high=1,
               note=f"{check.copies} copies, {len(sample.alerts())} alerts on the real dates"),
    ]  # fmt: skip
