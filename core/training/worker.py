"""The process that trains one run: ``python -m core.training.worker``. Reads and writes only the folder of that run.

Which run it is stands in one line of JSON on its standard input, ``{"run": folder, "device": "cpu"}``. With ``--spare``
it loads its libraries before it reads that line, and goes without a word when none comes. It may be killed at any
moment; what it had sealed by then is what a resumed run goes on from.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from core.durable import clear_leftovers, new_folder, read_json, seal, write_json
from core.errors import StudioError, TrainingError
from core.methods import get_method
from core.methods.base import MethodOptions, Stopped, TrainingData
from core.methods.embeddings import file_hash
from core.methods.neural_options import LoopOptions
from core.tasks.base import Deciding, Declining
from core.training import pace
from core.training.checks import check_base, check_texts
from core.training.imports import import_ahead, import_without_pandas
from core.training.measuring import measure, measure_before, versions, writes
from core.training.members import together
from core.training.memory import is_out_of_memory, peak_memory
from core.training.placement import devices_for
from core.training.run_folder import RunConfig, RunFolder, WorkerStatus
from core.training.workload import on_devices, workload

HEARTBEAT = 1.0
ALREADY_RUNNING = 3
NICENESS = 10


class WorkerContext:
    """The RunContext that methods see, over a run folder."""

    def __init__(self, folder: RunFolder, config: RunConfig, device: str) -> None:
        self.directory = folder.path
        self.cache = Path(config.cache or folder.path / "cache")
        self.device = device
        self._folder = folder
        self._before = (folder.status() or WorkerStatus()).seconds
        self._start = time.monotonic()
        self._status = WorkerStatus(device=device, message="starting", started_at=datetime.now(UTC))
        self._lock = threading.Lock()
        self._marks: deque[tuple[float, int]] = deque(maxlen=200)
        self._stop = threading.Event()
        self._ended = threading.Event()
        self._beat_now()
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def report(self, kind: str, **values: Any) -> None:
        """Append one event to events.jsonl."""
        self._folder.append_event({"t": round(time.time(), 3), "kind": kind, **values})

    def progress(self, done: int, total: int, message: str = "") -> None:
        """Publish how far the run is; reaches the folder with the next heartbeat."""
        now = time.monotonic()
        with self._lock:
            if self._marks and (done < self._marks[-1][1] or total != self._status.total):
                self._marks.clear()  # another phase began to count, from nothing or from where a resumed run goes on
            if not self._marks or now - self._marks[-1][0] >= 0.5:
                self._marks.append((now, done))
            then, before = self._marks[0]
            rate = (done - before) / (now - then) if now - then > 1 else 0.0
            self._status = self._status.model_copy(
                update={
                    "done": done,
                    "total": total,
                    "message": message or self._status.message,
                    "eta_seconds": round((total - done) / rate, 1) if rate > 0 else None,
                }
            )

    def should_stop(self) -> bool:
        """True once the run was asked to stop."""
        return self._stop.is_set()

    def ask_stop(self, *_: object) -> None:
        """Signal handler."""
        self._stop.set()

    @property
    def seconds(self) -> float:
        """Seconds of work over all sessions of this run."""
        return self._before + time.monotonic() - self._start

    def end(self, **changes: Any) -> None:
        """Write the last status."""
        self._ended.set()
        with self._lock:
            self._status = self._status.model_copy(
                update={"eta_seconds": None, "seconds": self.seconds, "ended_at": datetime.now(UTC), **changes}
            )
            self._folder.write_status(self._status)

    def _beat_now(self) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._folder.write_status(self._status.model_copy(update={"seconds": round(self.seconds, 1)}))

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            if self._folder.stop_at is not None:
                self._stop.set()
            # A full disk is reported by the training thread, which has something to lose; the beat goes on.
            with suppress(StudioError, OSError):
                self._beat_now()


def serve(spare: bool) -> int:
    """Wait for a run and train it; returns the exit code. 0 without a run when standard input ends: so did the app."""
    if spare:
        _step_back()
        import_ahead()
    order = sys.stdin.buffer.readline()
    if not order.endswith(b"\n"):
        return 0
    told = json.loads(order)
    folder = RunFolder(Path(told["run"]))
    nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(folder.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    return main(folder, told["device"])


def main(folder: RunFolder, device: str) -> int:
    """Train the run in this folder; returns the exit code. Every outcome is written into the folder."""
    lock = FileLock(folder.lock)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print("another worker trains this run")
        return ALREADY_RUNNING
    with lock:
        config = folder.config()
        folder.write_process(os.getpid(), psutil.Process().create_time())
        folder.mend_events()
        clear_leftovers(folder.path, folder.checkpoints)
        context = WorkerContext(folder, config, device)
        signal.signal(signal.SIGTERM, context.ask_stop)
        signal.signal(signal.SIGINT, context.ask_stop)
        folder.unqueue()
        _step_back()
        return _outcome(folder, config, context)


def _step_back() -> None:
    """Labeling goes first."""
    with suppress(AttributeError, OSError):  # not every system has priorities of this kind
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def _outcome(folder: RunFolder, config: RunConfig, context: WorkerContext) -> int:
    """Do the work and put its end, whatever it is, into the status."""
    try:
        result = _work(folder, config, context)
        context.end(state="finished", message="finished", done=1, total=1)
        folder.write_result(result)
        shutil.rmtree(folder.checkpoints, ignore_errors=True)  # the model is saved; nothing is left to resume
    except Stopped:
        context.end(state="stopped", message="stopped; the work so far is saved")
        return 0
    except StudioError as error:
        return _failed(context, error)
    except MemoryError:
        return _failed(context, out_of_memory(config))
    except RuntimeError as error:  # torch reports an exhausted device this way
        if is_out_of_memory(error):
            return _failed(context, out_of_memory(config))
        return _unexpected(context, error)
    # The one place where an unknown failure ends: it is logged with its traceback and told to the person.
    except Exception as error:
        return _unexpected(context, error)
    return 0


def _work(folder: RunFolder, config: RunConfig, context: WorkerContext) -> dict[str, Any]:
    """Train, save, load what was saved, and measure that on dev and test."""
    import_without_pandas()
    data = folder.data()
    base = None if folder.model_is_complete() else _train(folder, config, context, data)
    metrics, costs = measure(folder, config, context, data)
    before = measure_before(folder, config, context, data, lambda: _base(config, context)[0]) if writes(data) else {}
    unlabelled = [event["unlabelled"] for event in folder.events() if "unlabelled" in event]
    others = [event["others"] for event in folder.events() if event.get("kind") == "memory"]
    memory = peak_memory() + sum(others[-1:])
    if base is not None:
        with suppress(StudioError, OSError):  # the next estimate is worse for it; the run is done all the same
            _remember_pace(folder, config, context, data, base, memory)
    return {
        "metrics": metrics,
        **({"before": before} if before else {}),
        "seconds": round(context.seconds, 2),
        "peak_memory_bytes": memory,
        "trainable_weights": next((e["trainable"] for e in folder.events() if e.get("kind") == "weights"), None),
        **costs,
        "device": context.device,
        "rows": {
            **{split: len(getattr(data, split)) for split in ("train", "dev", "test")},
            **({"unlabelled": unlabelled[-1]} if unlabelled else {}),
        },
        "size_bytes": sum(path.stat().st_size for path in folder.model.rglob("*") if path.is_file()),
        "versions": versions(),
        "truncated": next((event["truncated"] for event in folder.events() if "truncated" in event), 0.0),
        "finished_at": datetime.now(UTC).isoformat(),
    }


def _train(folder: RunFolder, config: RunConfig, context: WorkerContext, data: TrainingData) -> Path | None:
    """Make the model and save it; returns the folder of the base model, None for methods without one."""
    method = get_method(config.method)
    options = method.Options.model_validate(config.options)
    check_texts(data.train.texts, context)
    base, base_facts = _base(config, context) if method.needs_base else (None, {})
    devices = devices_for(config.device, options.model_dump(), context.device)
    with together(folder, devices, lambda error: _failed(context, error)):
        predictor = method.fit(data, options, base, context)
    context.report("note", message="Saving the model")
    with new_folder(folder.model) as target:
        predictor.save(target)
        _name_base(target / "adapter" / "adapter_config.json", base_facts.get("base_published", ""))
        del predictor
        seal(target, model_facts(config, options, base_facts) | _decision(target, config, context, data))
    return base


def _base(config: RunConfig, context: WorkerContext) -> tuple[Path, dict[str, Any]]:
    """Folder of the base model and what the card says about it."""
    from core.base_models import get_base, lineage, resolve

    bases = Path(config.bases) if config.bases else None
    if not config.base:
        raise TrainingError(f"The method '{config.method}' needs a base model.", "Choose a base model.")
    context.progress(0, 1, f"fetching the base model {config.base}")
    runs = context.directory.parent
    path = resolve(config.base, offline=config.offline, bases=bases, runs=runs)
    check_base(context.directory, path, config.base, context.cache)
    before = lineage(config.base, runs)
    info = get_base(before[-1]["base"] if before else config.base)
    facts: dict[str, Any] = {"base": config.base, "base_published": info.published, "base_licence": info.licence}
    if before:
        facts |= {"base_published": "", "lineage": before}
    return path, {**facts, "base_sha256": _weights_hash(path, context.cache)}


def _remember_pace(
    folder: RunFolder, config: RunConfig, context: WorkerContext, data: TrainingData, base: Path, memory: int
) -> None:
    """Keep what it took, for the next estimate."""
    method = get_method(config.method)
    options = method.Options.model_validate(config.options)
    events = folder.events()
    done = max((event["epoch"] for event in events if event["kind"] == "epoch"), default=0)
    if not isinstance(options, LoopOptions) or not done:
        return
    devices = devices_for(config.device, config.options, context.device)
    sizes = {"dev": len(data.dev), "test": len(data.test), "unlabelled": len(data.unlabelled)}
    work = workload(data.train, data.task, base, labels=len(data.labels), **sizes)
    work = on_devices(work, devices, context.cache, pace.REFERENCE)
    counted = method.estimate(work, options.model_copy(update={"epochs": done}), base)
    kind = pace.kind_of(work, config.method, options, base)
    if (reached := pace.of_run(events, context.seconds, memory, counted, kind)) is not None:
        pace.remember(context.cache, reached)


def _name_base(config: Path, published: str) -> None:
    """Let an adapter name its base as others know it, not by a folder of this machine."""
    facts = read_json(config)
    if facts is not None:
        write_json(config, {**facts, "base_model_name_or_path": published or None})


def _weights_hash(path: Path, memo: Path) -> str:
    weights = sorted(path.glob("*.safetensors"))
    return file_hash(weights[0], memo) if weights else ""


def _decision(target: Path, config: RunConfig, context: WorkerContext, data: TrainingData) -> dict[str, Any]:
    """What the manifest says about how probabilities become answers: chosen on dev with the model as it was saved."""
    if not isinstance(data.task, Deciding | Declining):
        return {}
    context.progress(0, 1, "choosing thresholds")
    predictor: Any = get_method(config.method).load(target, config.labels, context.device, config.task)
    if hasattr(predictor, "use_cache"):
        predictor.use_cache(context.cache)
    if isinstance(data.task, Declining):
        said = predictor.answers(data.dev.texts, data.dev.texts_b)
        return {"decision": data.task.threshold(data.dev.values, said, config.labels)}
    return {"decision": data.task.decide(data.dev.values, predictor.scores(data.dev.texts), config.labels)}


def model_facts(config: RunConfig, options: MethodOptions, base: dict[str, Any]) -> dict[str, Any]:
    """What the manifest of a model says beside its hashes: enough to load it and to write its card."""
    return {
        "format": 1,
        "run": config.id,
        "task": config.task,
        "method": config.method,
        "labels": config.labels,
        "options": options.model_dump(mode="json"),
        "version_hash": config.version_hash,
        "created_at": datetime.now(UTC).isoformat(),
        **base,
    }


def out_of_memory(config: RunConfig) -> TrainingError:
    """Name the batch size to try next."""
    size = get_method(config.method).Options.model_validate(config.options).model_dump().get("batch_size")
    hint = "Use a smaller base model, or a method that trains fewer parameters."
    if size and size > 1:
        hint = f"Start it again with batch size {size // 2} (it was {size})."
    return TrainingError("The memory of the device is exhausted.", hint)


def _failed(context: WorkerContext, error: StudioError) -> int:
    print(error, flush=True)
    # The disk may be the very thing that failed; the runner then reads the log.
    with suppress(StudioError, OSError):
        context.end(state="failed", error=error.message, hint=error.hint)
    return 1


def _unexpected(context: WorkerContext, error: Exception) -> int:
    traceback.print_exc()
    return _failed(
        context,
        TrainingError(
            f"{type(error).__name__}: {str(error)[:500]}", "The log below has the details; resume the run to try again."
        ),
    )


if __name__ == "__main__":
    code = serve(spare="--spare" in sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # to take all libraries down takes a quarter of a second, which the result would wait for
