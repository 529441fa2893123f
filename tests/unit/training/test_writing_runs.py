"""A run of a model that writes: measured with perplexity, and beside its base before tuning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.evaluation import evaluate, verdict
from core.inference.predictor import load_predictor
from core.methods import get_method
from core.methods.base import options_for
from core.tasks import get_task
from core.training import worker
from core.training.run_folder import RunFolder

Make = Callable[..., Any]
TURNS = {"train": 24, "dev": 4, "test": 4}


@pytest.fixture
def folder(tmp_path: Path, tiny_writers: Path, make_config: Make) -> RunFolder:
    version = tmp_path / "version"
    version.mkdir()
    first = 1
    for split, rows in TURNS.items():
        table = {
            "item_id": pa.array(range(first, first + rows), pa.int64()),
            "text": pa.array([f"find the {'cup' if i % 2 else 'lamp'}" for i in range(rows)], pa.string()),
            "text_b": pa.array([None] * rows, pa.string()),
            "value": pa.array([json.dumps(f"ok, {'cup' if i % 2 else 'lamp'}!") for i in range(rows)], pa.string()),
        }
        pq.write_table(pa.table(table), version / f"{split}.parquet")
        first += rows
    suited: Any = options_for(get_method("lora"), "generation")
    options = suited(epochs=3, learning_rate=2e-2, targets="all")
    config = make_config(
        id="run", task="generation", labels=[], method="lora", base="local:llama", bases=str(tiny_writers),
        cache=str(tmp_path / "cache"), options=options.model_dump(mode="json"),
    )  # fmt: skip
    return RunFolder.create(tmp_path / "runs", config, version)


def test_a_run_says_what_tuning_brought(folder):
    config = folder.config()
    assert worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu")) == 0, folder.status()
    result = folder.result()
    assert result is not None
    assert result["metrics"]["test"]["perplexity"] < result["before"]["test"]["perplexity"]
    dev = [event["dev"] for event in folder.events() if event["kind"] == "epoch"]
    assert dev[0]["perplexity"] == pytest.approx(result["before"]["dev"]["perplexity"], rel=1e-3)
    assert next(iter(dev[0])) == "token_probability"
    assert dev[-1]["token_probability"] == pytest.approx(1 / dev[-1]["perplexity"], abs=1e-4)
    tables = {
        name: pq.read_table(folder.path / "predictions" / f"{name}.parquet") for name in ("test", "test.before", "dev")
    }
    assert tables["test"].column_names == ["item_id", "gold", "predicted", "scores", "loss", "tokens"]
    rows = folder.data().test
    predictor: Any = load_predictor(folder.model)
    assert predictor.examine(rows)["loss"].tolist() == pytest.approx(tables["test"].column("loss").to_pylist())
    found = {name: judged(tables[name], rows.texts) for name in ("test", "test.before")}
    assert found["test"].wording.perplexity == pytest.approx(result["metrics"]["test"]["perplexity"])
    assert found["test"].wording.perplexity_low <= found["test"].wording.perplexity
    told = verdict(found["test"].beside(before=found["test.before"]))
    assert "before tuning" in str(told[1]) and "lower" in str(told[1])


def judged(table: pa.Table, texts: list[str]) -> Any:
    gold, predicted = ([json.loads(cell) for cell in table.column(name).to_pylist()] for name in ("gold", "predicted"))
    return evaluate(
        gold, np.zeros((len(gold), 0)), [], table.column("item_id").to_pylist(), texts, get_task("generation"),
        predicted=predicted, extra={name: table.column(name).to_pylist() for name in ("loss", "tokens")},
    )  # fmt: skip
