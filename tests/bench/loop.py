"""Where the time of a training goes: share of the machine's peak, LoRA against full, tokens, a kill, and the start.

The data is expected as ``twitter_financial_news/train.jsonl`` (text, label) in the folder WHETSTONE_BENCH_DATA. About
ten minutes; ``python -m tests.bench.loop peak lora --rows 320`` measures some of it on less data.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from core.base_models import resolve
from core.settings import Settings
from core.training.processes import worker_environment
from core.workspace import Workspace
from tests.bench.figures import Figure
from tests.bench.sooner import DATA, Listener, rows_of

ROWS, ROUNDS = 1_600, 3
KILLED_AFTER = 55.0
"""Seconds of training until the kill: no multiple of the pause between two saved states."""
WARM, COUNTED = 1, 2
"""Starts before those that count, for the file cache, and those that do."""
KINDS = {
    "matrix products": ("mm", "linear", "matmul"),
    "attention": ("attention", "softmax"),
    "optimiser and clipping": ("adam", "norm_foreach", "_foreach", "linalg_vector_norm"),
    "copies between 16 and 32 bits": ("copy_", "_to_copy"),
    "layer norms": ("layer_norm",),
    "activations": ("gelu", "tanh"),
    "dropout, sums and the rest of the arithmetic": ("mul", "add", "sub", "div", "sum", "neg", "ge", "fill", "zero"),
}
APP = """
import json, sys, time
from core.settings import Settings
from core.workspace import Workspace
home, base, method, times = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
found = []
with Workspace.open(home, Settings(device="cpu", offline=True)) as workspace:
    project = workspace.projects()[0]
    version = project.versions()[0]
    for seed in range(times):
        config = project.configure(version, method, base, "auto", {"epochs": 1, "seed": seed})
        begun = time.time()
        run = workspace.runner.submit(config, version.path)
        while not any(event["kind"] == "step" for event in workspace.runner.events(run)):
            if not workspace.runner.state(run).active:
                sys.exit(str(workspace.runner.state(run)))
            time.sleep(0.02)
        found.append(next(e["t"] for e in workspace.runner.events(run) if e["kind"] == "step") - begun)
        workspace.runner.stop(run)
        workspace.runner.wait(run)
print(json.dumps({"seconds": found, "torch": "torch" in sys.modules}))
"""


def measure(wanted: tuple[str, ...] = (), rows: int = ROWS, rounds: int = ROUNDS) -> list[Figure]:
    """All figures, or those of the wanted parts; without data a message."""
    path = Path(os.environ.get(DATA, "")) / "twitter_financial_news" / "train.jsonl"
    if not path.is_file():
        print(f"loop: skipped, {DATA} names no folder with twitter_financial_news/train.jsonl")
        return []
    parts: dict[str, Callable[[], list[Figure]]] = {
        "peak": lambda: peak(path, rows),
        "lora": lambda: lora(path, rows, rounds),
        "kill": lambda: kill(path, rows),
        "start": lambda: start(path, rows),
    }
    return [figure for name, part in parts.items() if not wanted or name in wanted for figure in part()]


# ---------------------------------------------------------------- one training in a fresh process


def peak(path: Path, rows: int) -> list[Figure]:
    """Share of the peak in 32 bits and with what the machine gains from 16, the profile, and the time for tokens."""
    figures = []
    for half in (False, True):
        told = _child("peak", str(path), str(rows), "full", str(int(half)))
        if half and not told["half"]:
            continue  # this machine does not gain from 16 bits: it would be the same figure again
        what = "16 bits where they gain" if half else "32 bits"
        figures.append(
            Figure(
                f"share of the fp32 matrix peak, full fine-tuning, {what}",
                "" if half else ">= 50 %",
                100 * told["share"],
                "%",
                low=None if half else 50,
                note=f"peak {told['peak'] / 1e9:.0f} GFLOP/s, {told['tokens_a_second']:.0f} real tokens/s; time: "
                + ", ".join(f"{name} {share:.0%}" for name, share in told["kinds"].items()),
            )
        )
        if not half:
            share = 100 * told["data"] / told["seconds"]
            note = f"{told['data']:.2f} s of {told['seconds']:.0f} s"
            figures.append(Figure("tokens, buckets and batches", "< 3 %", share, "%", high=3, note=note))
    return figures


def lora(path: Path, rows: int, rounds: int) -> list[Figure]:
    """LoRA and full fine-tuning in turn."""
    pairs = []
    for _ in range(rounds):
        pairs.append([_child("speed", str(path), str(rows), name, "1")["samples_per_s"] for name in ("full", "lora")])
    ratio = statistics.median(quick / slow for slow, quick in pairs)
    note = "; ".join(f"{quick:.0f} : {slow:.0f}" for slow, quick in pairs)
    return [Figure("LoRA, samples/s against full fine-tuning", ">= 1.3x", ratio, "x", low=1.3, note=note)]


def _child(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.loop", "--child", *words],
        check=True, stdout=subprocess.PIPE, text=True, env=worker_environment(),
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _train(path: Path, rows: int, method: str, half: bool) -> tuple[Listener, float]:
    """One epoch with the default options; the run and its wall time in seconds, from the tokens to the last step."""
    from core.methods import get_method
    from core.methods.base import Rows, TrainingData
    from core.tasks import get_task

    texts, names = rows_of(path)
    nothing = Rows([], [], [])
    some = Rows(list(range(rows)), texts[:rows], names[:rows])
    data = TrainingData(get_task("classification"), sorted(set(names)), some, nothing, nothing)
    chosen = get_method(method)
    options = chosen.Options.model_validate({"epochs": 1, "patience": 0, "half_precision": half})
    with tempfile.TemporaryDirectory() as folder:
        listener = Listener(Path(folder))
        if half:
            from core.training import hardware, probe

            hardware.remember(listener.cache, "cpu", probe.speeds("cpu"))
        begun = time.monotonic()
        chosen.fit(data, options, resolve("minilm"), listener)
    return listener, time.monotonic() - begun


def _measured(path: Path, rows: int, method: str, half: bool) -> dict[str, Any]:
    """Peak before and after, an epoch with its clocks on, and a short one under the profiler."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    from core.methods.encoders import encoder_weights, load_tokenizer
    from core.methods.tokens import encode
    from core.training.precision import half_precision

    before = _matrix_peak(torch)
    with _clocks() as clocks:
        listener, seconds = _train(path, rows, method, half)
    highest = max(before, _matrix_peak(torch))
    base = resolve("minilm")
    tokens = len(encode(load_tokenizer(base), rows_of(path)[0][:rows]).ids)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        _train(path, min(rows, 320), method, half)
    with tempfile.TemporaryDirectory() as folder:
        gains = half and half_precision(Listener(Path(folder))) is not None
    rate = tokens / listener.seconds
    return {
        "peak": highest,
        "tokens_a_second": rate,
        "share": 6 * encoder_weights(base)[1] * rate / highest,
        "seconds": seconds,
        "data": sum(clocks.values()),
        "half": gains,
        "kinds": _kinds(profiled.key_averages()),
    }


def _matrix_peak(torch: Any, size: int = 2048, repeats: int = 8) -> float:
    """Operations a second of a 32-bit matrix product, the fastest of some."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    a @ b
    fastest = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        a @ b
        fastest = min(fastest, time.perf_counter() - begun)
    return float(2 * size**3 / fastest)


@contextmanager
def _clocks() -> Iterator[dict[str, float]]:
    """Seconds spent on making tokens, buckets, batches and targets."""
    from core.methods.heads.base import Targets
    from core.methods.heads.labels import LabelHead
    from core.methods.tokens import Encoded
    from core.training import loop

    spent: dict[str, float] = {}
    watched: list[tuple[Any, str]] = [
        (LabelHead, "read_rows"), (loop, "shuffled_buckets"), (Encoded, "batch"), (Targets, "take"),
    ]  # fmt: skip
    usual = [getattr(owner, name) for owner, name in watched]

    def timed(name: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                spent[name] = spent.get(name, 0.0) + time.perf_counter() - begun

        return call

    for (owner, name), function in zip(watched, usual, strict=True):
        setattr(owner, name, timed(name, function))
    try:
        yield spent
    finally:
        for (owner, name), function in zip(watched, usual, strict=True):
            setattr(owner, name, function)


def _kinds(table: Any) -> dict[str, float]:
    """Share of the processor time of each kind of work, largest first."""
    spent = dict.fromkeys([*KINDS, "the rest"], 0.0)
    for row in table:
        name = row.key.lower().removeprefix("aten::")
        kind = next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "the rest")
        spent[kind] += row.self_cpu_time_total
    whole = sum(spent.values()) or 1.0
    return {kind: value / whole for kind, value in sorted(spent.items(), key=lambda pair: -pair[1])}


# ---------------------------------------------------------------- runs of a workspace


@contextmanager
def _project(path: Path, rows: int) -> Iterator[tuple[Path, Any]]:
    """A home with one frozen version of these rows."""
    texts, names = rows_of(path)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with Workspace.open(home, Settings(device="cpu", offline=True)) as workspace:
            project = workspace.create_project("Bench")
            project.add_items([{"text": t, "label": n} for t, n in zip(texts[:rows], names[:rows], strict=True)])
            project.freeze(test=0.1, dev=0.1, seed=0)
            yield home, workspace


def kill(path: Path, rows: int) -> list[Figure]:
    """kill -9 of a worker in the middle of its work; then it goes on."""
    with _project(path, rows) as (_, workspace):
        project = workspace.projects()[0]
        config = project.configure(project.versions()[0], "full", "minilm", "auto", {"epochs": 20, "patience": 0})
        run = workspace.runner.submit(config, project.versions()[0].path)

        def events(kind: str) -> list[dict[str, Any]]:
            return [event for event in workspace.runner.events(run) if event["kind"] == kind]

        while not events("step"):
            time.sleep(0.05)
        begun = time.time()
        time.sleep(KILLED_AFTER)
        psutil.Process(workspace.runner.state(run).pid).kill()
        killed = time.time()
        workspace.runner.wait(run)
        saved = events("checkpoint")
        lost = killed - (saved[-1]["t"] if saved else begun)
        at = saved[-1]["step"] if saved else 0
        workspace.runner.resume(run)
        while not (again := events("resumed")):
            time.sleep(0.05)
        workspace.runner.stop(run)
        workspace.runner.wait(run)
    if again[-1]["step"] != at:
        raise SystemExit(f"resumed at step {again[-1]['step']}, the last saved one was {at}")
    gaps = [later["t"] - sooner["t"] for sooner, later in pairwise(saved)]
    longest = max([lost, *gaps])
    note = f"{lost:.0f} s lost by a kill after {KILLED_AFTER:.0f} s, {len(saved)} saved states; the longest gap counts"
    return [Figure("kill -9 of a worker, work lost at most", "<= 30 s", longest, "s", high=30, note=note)]


def start(path: Path, rows: int) -> list[Figure]:
    """From the call to the first step, files warm; and whether the app had to load torch for it."""
    with _project(path, rows) as (home, workspace):
        workspace.close()
        done = subprocess.run(
            [sys.executable, "-c", APP, str(home), "minilm", "full", str(WARM + COUNTED)],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
    told = json.loads(done.stdout.strip().splitlines()[-1])
    counted = told["seconds"][WARM:]
    note = ", ".join(f"{value:.1f}" for value in told["seconds"]) + f" s; the first {WARM} not counted"
    return [
        Figure("from the call to the first step", "<= 12 s", statistics.median(counted), "s", high=12, note=note),
        Figure("imports of torch in the app's process", "0", float(told["torch"]), high=0),
    ]


def main(words: list[str]) -> int:
    """``--child peak|speed FILE ROWS METHOD HALF`` for one measurement in this process, else parts to print."""
    if words[:1] == ["--child"]:
        path, rows, method, half = Path(words[2]), int(words[3]), words[4], words[5] == "1"
        if words[1] == "peak":
            print(json.dumps(_measured(path, rows, method, half)))
        else:
            listener, _ = _train(path, rows, method, half)
            print(json.dumps({"samples_per_s": rows / listener.seconds}))
        return 0
    asked = argparse.ArgumentParser()
    asked.add_argument("parts", nargs="*")
    asked.add_argument("--rows", type=int, default=ROWS)
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    settings = asked.parse_args(words)
    for figure in measure(tuple(settings.parts), settings.rows, settings.rounds):
        print(figure.row(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
