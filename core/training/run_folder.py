"""The file protocol of a run: everything about it is in one folder, so that any process can tell the truth later.

The worker writes only here; the runner writes the marks ``queued.json`` and ``stop.json`` and reads the rest.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from core.data.versions import SPLITS, UNLABELLED, files_of, read_split
from core.durable import (
    clear_disk_errors,
    clear_leftovers,
    new_folder,
    read_json,
    sha256,
    verify,
    write_atomic,
    write_json,
)
from core.errors import ModelError, StorageError
from core.methods.base import Rows, TrainingData
from core.records import LabelHelp, Record, RunState
from core.tasks import get_task

REMOVED = "weights_removed.json"


class RunConfig(Record):
    """Everything that decides what a run does. Written to ``config.json`` when it is submitted and then left as it is,
    but for where the folders of the workspace are."""

    id: str = Field(default="", description="Set by the runner: time of submission and six random characters.")
    project_id: int
    version_id: int
    version_hash: str = Field(description="Hash of the frozen dataset version.")
    task: str = "classification"
    labels: list[str] = Field(description="Label names in index order.")
    label_help: dict[str, LabelHelp] = Field(
        default_factory=dict, description="What the frozen schema says about its labels, by name."
    )
    method: str
    base: str | None = Field(default=None, description="Id of the base model; None for methods without one.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the method by name.")
    device: str = Field(default="auto", description="auto, cpu, cuda, cuda:1 or mps.")
    cache: str = Field(default="", description="Folder of the content-addressed cache shared by all runs.")
    bases: str = Field(default="", description="Folder with the base models that people put there themselves.")
    offline: bool = Field(default=False, description="Never ask the Hugging Face Hub.")
    snapshot: dict[str, str] = Field(default_factory=dict, description="sha256 of each split's Parquet file.")
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

    def same_work(self, other: RunConfig) -> bool:
        """True when both ask for the same training, whoever pressed the button and when."""
        ignored = {"id", "created_at", "snapshot", "cache", "bases", "offline"}
        return self.model_dump(exclude=ignored) == other.model_dump(exclude=ignored)


class WorkerStatus(Record):
    """``status.json``: what the worker, or the runner in its place once it is gone, says about the run."""

    state: Literal["running", "finished", "failed", "stopped"] = "running"
    done: int = 0
    total: int = 0
    message: str = ""
    eta_seconds: float | None = None
    seconds: float = Field(default=0.0, description="Seconds of work, over all sessions of a resumed run.")
    device: str = ""
    error: str = ""
    hint: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None


class RunStatus(Record):
    """The truth about a run, derived from its folder."""

    id: str
    state: RunState
    done: int = Field(default=0, description="Steps done.")
    total: int = Field(default=0, description="Steps in all; 0 while unknown.")
    message: str = Field(default="", description="What it is doing, in plain words.")
    eta_seconds: float | None = Field(default=None, description="Seconds left; None while unknown.")
    seconds: float = Field(default=0.0, description="Seconds of work so far.")
    device: str = ""
    error: str = Field(default="", description="What went wrong.")
    hint: str = Field(default="", description="The one concrete next step after a failure.")
    resumable: bool = Field(default=False, description="True when resume() can go on with this run.")
    stopping: bool = Field(default=False, description="True while it saves its work because it was asked to.")
    pid: int | None = Field(default=None, description="Process id of the live worker.")
    queue_position: int | None = Field(default=None, description="1 is next; None when not queued.")
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    metrics: dict[str, float] = Field(default_factory=dict, description="Test metrics of a finished run.")

    @property
    def active(self) -> bool:
        """True while the run waits for the machine or uses it."""
        return self.state in ("queued", "running", "stalled")


class RunFolder:
    """One run's folder and the names of the files in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"
        self.log = path / "train.log"
        self.lock = path / "worker.lock"

    # -------------------------------------------------------------- made once

    @classmethod
    def create(cls, runs: Path, config: RunConfig, version: Path) -> RunFolder:
        """Make the folder of a new, queued run with the snapshot of ``version``. Raises NotFoundError, StorageError."""
        splits = files_of(version)
        with new_folder(runs / config.id) as folder:
            snapshot = {}
            for split in splits:
                source, target = version / f"{split}.parquet", folder / f"{split}.parquet"
                try:
                    os.link(source, target)
                except OSError:  # another file system, or one without hard links
                    shutil.copyfile(source, target)
                snapshot[split] = sha256(target)
            config = config.model_copy(update={"snapshot": snapshot})
            write_atomic(folder / "config.json", config.model_dump_json(indent=2).encode())
            write_json(folder / "queued.json", {"at": config.created_at.timestamp()})
        return cls(runs / config.id)

    def config(self) -> RunConfig:
        """What the run is asked to do, and where its folders are. Raises StorageError when the folder is damaged."""
        try:
            return RunConfig.model_validate(read_json(self.path / "config.json"))
        except ValidationError as error:  # also where there is nothing to read
            raise StorageError(
                f"Run {self.path.name} has no readable config.json.", "Delete the run and start again."
            ) from error

    def place(self, cache: Path, bases: Path) -> None:
        """Note where the workspace has its folders now: it may have been moved since the run was submitted."""
        config = self.config()
        here = config.model_copy(update={"cache": str(cache), "bases": str(bases)})
        if here != config:
            write_atomic(self.path / "config.json", here.model_dump_json(indent=2).encode())

    def data(self) -> TrainingData:
        """The splits of the snapshot. Raises StorageError when a file is not the one that was frozen."""
        config = self.config()
        for split, digest in config.snapshot.items():
            path = self.path / f"{split}.parquet"
            if not path.is_file() or sha256(path) != digest:
                raise StorageError(f"The {split} data of run {config.id} was altered or lost.", "Start a new run.")
        splits: dict[str, Any] = {split: Rows(**vars(read_split(self.path, split))) for split in SPLITS}
        if UNLABELLED in config.snapshot:
            splits[UNLABELLED] = read_split(self.path, UNLABELLED).texts
        return TrainingData(
            task=get_task(config.task), labels=list(config.labels), label_help=config.label_help, **splits
        )

    # -------------------------------------------------------------- marks of the runner

    @property
    def queued_at(self) -> float | None:
        """Its place in the queue: when it was queued, in seconds of the epoch, unless moved; None: it does not wait."""
        mark = read_json(self.path / "queued.json")
        return float(mark["at"]) if mark else None

    def queue(self, at: float) -> None:
        """Put the run into the queue at a place, taking back an earlier stop."""
        write_json(self.path / "queued.json", {"at": at})
        (self.path / "stop.json").unlink(missing_ok=True)  # last: who only stepped aside is never left out

    def unqueue(self) -> None:
        """Take the run out of the queue."""
        (self.path / "queued.json").unlink(missing_ok=True)

    @property
    def stop_at(self) -> float | None:
        """When the run was asked to stop, in seconds of the epoch; None when it was not."""
        mark = read_json(self.path / "stop.json")
        return float(mark["at"]) if mark else None

    @property
    def returns_to(self) -> float | None:
        """Its place in the queue once it has stopped; None when it is to stay stopped."""
        mark = read_json(self.path / "stop.json")
        return mark.get("back") if mark else None

    def ask_stop(self, at: float, back: float | None = None) -> None:
        """Ask the worker to save and stop; it looks for this mark, so that it also works without signals.

        With ``back`` the run only steps aside: it goes to that place in the queue afterwards, unless a stop comes too.
        """
        asked = self.stop_at
        if asked is None or (back is None and self.returns_to is not None):
            write_json(self.path / "stop.json", {"at": asked or at, "back": back})

    # -------------------------------------------------------------- written by the worker

    def write_process(self, pid: int, started: float) -> None:
        """Say which process works here; its start time tells it from a later process with the same number."""
        write_json(self.path / "process.json", {"pid": pid, "create_time": started})

    def process(self) -> tuple[int, float] | None:
        """(pid, start time) of the last worker."""
        value = read_json(self.path / "process.json")
        return (int(value["pid"]), float(value["create_time"])) if value else None

    def write_status(self, status: WorkerStatus) -> None:
        """Replace ``status.json``; its modification time is the heartbeat."""
        final = status.state != "running"
        write_atomic(self.path / "status.json", status.model_dump_json().encode(), sync=final)

    def status(self) -> WorkerStatus | None:
        """The last written status; None before the first, and where the file is damaged."""
        try:
            return WorkerStatus.model_validate(read_json(self.path / "status.json"))
        except ValidationError:  # one damaged run must not keep the others from being listed, or started
            return None

    def heartbeat(self) -> float | None:
        """When the worker last showed life, in seconds of the epoch."""
        with suppress(FileNotFoundError):
            return (self.path / "status.json").stat().st_mtime
        return None

    def append_event(self, event: dict[str, Any]) -> None:
        """Add one line to ``events.jsonl``. The first call of a worker must be preceded by ``mend_events``."""
        line = json.dumps(event, ensure_ascii=False) + "\n"
        with clear_disk_errors(self.path / "events.jsonl"), (self.path / "events.jsonl").open("ab", 0) as file:
            file.write(line.encode())

    def mend_events(self) -> None:
        """End a line that a killed worker left half-written, so that the next one starts on its own."""
        path = self.path / "events.jsonl"
        if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
            with path.open("ab", 0) as file:
                file.write(b"\n")

    def events(self) -> list[dict[str, Any]]:
        """All whole events in order. Steps that were repeated after a resume are shown once, as repeated."""
        events: list[dict[str, Any]] = []
        try:
            lines = (self.path / "events.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            return events
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("kind") == "resumed":
                events = [old for old in events if old.get("step", -1) <= event.get("step", 0)]
            events.append(event)
        return events

    def log_tail(self, lines: int = 40) -> list[str]:
        """The last lines of ``train.log``."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - 65_536))
                text = file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return []
        return text.replace("\r", "\n").splitlines()[-lines:]

    def write_predictions(
        self,
        split: str,
        rows: Rows,
        predicted: Sequence[Any],
        scores: Any,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """``predictions/<split>.parquet``: item_id, gold and predicted (JSON values), scores (n, len(labels)).

        ``extra`` holds further numbers of each row, (n,) by name, each of which becomes a column.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        flat = np.ascontiguousarray(scores, dtype=np.float32)
        width = flat.shape[1] if flat.ndim == 2 else 0
        offsets = np.arange(len(rows) + 1, dtype=np.int32) * width
        table = pa.table(
            {
                "item_id": pa.array(rows.ids, pa.int64()),
                "gold": pa.array([json.dumps(value, ensure_ascii=False) for value in rows.values], pa.string()),
                "predicted": pa.array([json.dumps(value, ensure_ascii=False) for value in predicted], pa.string()),
                "scores": pa.ListArray.from_arrays(offsets, flat.ravel()),
                **{name: pa.array(np.asarray(values)) for name, values in (extra or {}).items()},
            }
        )
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        target = self.path / "predictions" / f"{split}.parquet"
        target.parent.mkdir(exist_ok=True)
        write_atomic(target, buffer.getvalue().to_pybytes())

    def write_ranking(self, split: str, query: Any, rank: Any, queries: int, candidates: int) -> None:
        """``predictions/<split>.ranking.parquet``: the ranks of the right candidates, a list a query.

        ``query`` and ``rank`` (n,) have one entry a right candidate.
        """
        import numpy as np
        import pyarrow as pa
        import pyarrow.parquet as pq

        order = np.lexsort((rank, query))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(query, minlength=queries))]).astype(np.int32)
        ranks = pa.ListArray.from_arrays(offsets, pa.array(np.asarray(rank)[order], pa.int32()))
        table = pa.table({"ranks": ranks}).replace_schema_metadata({"candidates": str(candidates)})
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer)
        write_atomic(self.path / "predictions" / f"{split}.ranking.parquet", buffer.getvalue().to_pybytes())

    def ranking(self, split: str) -> tuple[list[list[int]], int] | None:
        """(ranks of the right candidates of each query, number of candidates); None when nothing was ranked."""
        import pyarrow.parquet as pq

        path = self.path / "predictions" / f"{split}.ranking.parquet"
        if not path.is_file():
            return None
        with pq.ParquetFile(path) as file:
            table = file.read()
        return table.column("ranks").to_pylist(), int(table.schema.metadata[b"candidates"])

    def write_result(self, result: dict[str, Any]) -> None:
        """Write ``result.json``, the last file of a run: it makes the run finished."""
        write_json(self.path / "result.json", result)

    def result(self) -> dict[str, Any] | None:
        """Contents of ``result.json``; None while the run is not finished."""
        value: dict[str, Any] | None = read_json(self.path / "result.json")
        return value

    def model_is_complete(self) -> bool:
        """True when ``model/`` was saved to the end."""
        try:
            verify(self.model)
        except ModelError:
            return False
        return True

    @property
    def weights_removed(self) -> bool:
        """True once the model was removed to save space; everything else about the run is still there."""
        return (self.path / REMOVED).exists()

    @property
    def holds_weights(self) -> bool:
        """True while there is a model or a folder of checkpoints to remove."""
        return self.model.exists() or self.checkpoints.exists()

    def remove_weights(self) -> None:
        """Remove the model and what is left of checkpoints; a mark comes first, so that nobody misses them."""
        if self.result() is not None:
            write_json(self.path / REMOVED, {"at": time.time()})
        self._empty()

    def finish_removal(self) -> None:
        """Remove what a killed process was about to, and its leftovers. Call it only where no worker lives."""
        if self.weights_removed:
            self._empty()
        clear_leftovers(self.path)

    def _empty(self) -> None:
        for folder in (self.model, self.checkpoints):
            if folder.exists():
                trash = folder.with_name(f".{folder.name}.deleted")
                shutil.rmtree(trash, ignore_errors=True)
                folder.replace(trash)
                shutil.rmtree(trash, ignore_errors=True)

    def delete(self) -> None:
        """Remove the folder; a rename comes first so that no half-deleted run is ever seen."""
        trash = self.path.with_name(f".{self.path.name}.deleted")
        self.path.replace(trash)
        shutil.rmtree(trash, ignore_errors=True)
