"""Import of files in a process of its own: preview first, then staged rows that storage takes over.

    with stage(path, ColumnMapping(text="body", label="intent"), "classification") as staged:
        ...  # insert staged.parquet into the database

The file is never opened in this process. A crash, a bomb or an endless file ends the child, not the app.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from core.data.files import require_file, storage_errors
from core.data.import_worker import NO_REPORT
from core.data.json_rows import open_rows
from core.data.schema_file import CarriedSchema
from core.data.staging import Staging
from core.errors import InputError, OfflineError, StorageError, StudioError
from core.records import ColumnMapping, ImportPreview, Progressing, RejectedRow
from core.settings import Settings
from core.tasks import get_task

_log = logging.getLogger(__name__)
_PREVIEW_SECONDS = 60.0
_ERRORS: dict[str, type[StudioError]] = {
    kind.__name__: kind for kind in (InputError, OfflineError, StorageError, StudioError)
}
Report = Callable[[Progressing], None]


class ImportCancelled(InputError):
    """The person stopped the import; nothing of it stays behind."""

    title = "Import stopped"


@dataclass(frozen=True)
class StagedImport:
    """Checked rows on disk, ready for storage. A context manager: the folder is removed at the end."""

    folder: Path
    rows: int
    """Rows in staged.parquet, duplicates included."""
    rejected_rows: int
    labelled: int
    """Staged rows with a label."""
    duplicates: int
    """Staged rows whose text came earlier in the file: ``first_row`` differs from ``row``."""
    labels: list[str]
    """Label names in the order in which they first occur."""
    own: bool
    """Whether the file is an export of this program."""
    carried: CarriedSchema | None
    """Label schema that such an export took along; None unless its label column is imported as label."""
    columns: list[str]
    format: str
    encoding: str | None
    warnings: list[str]
    seconds: float

    @property
    def parquet(self) -> Path:
        """The staged rows; columns as in ``core.data.staging.STAGED_SCHEMA``."""
        return self.folder / "staged.parquet"

    def rejected(self, limit: int | None = None) -> list[RejectedRow]:
        """The refused rows in file order, at most ``limit``."""
        with (self.folder / "rejected.jsonl").open(encoding="utf-8") as file:
            return [RejectedRow.model_validate_json(line) for line in islice(file, limit)]

    def remove(self) -> None:
        """Delete the staged files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> StagedImport:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def preview(
    path: Path | str,
    filename: str | None = None,
    format: str | None = None,
    settings: Settings | None = None,
    header: bool = True,
) -> ImportPreview:
    """The first rows of a file as an import would read them. ``filename`` is the name people know the file by.

    ``header`` says whether the first line of a CSV, TSV or Excel file names the columns; without one they are called
    ``column 1``, ``column 2`` and so on. Raises InputError for anything that is not a table of texts.
    """
    job = _file_job(Path(path), filename, format, header) | {"kind": "preview"}
    folder = _new_folder(None)
    try:
        return ImportPreview.model_validate(_run(job, folder, settings or Settings(), _PREVIEW_SECONDS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stage(
    path: Path | str,
    mapping: ColumnMapping,
    task_name: str,
    filename: str | None = None,
    format: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
    parent: Path | None = None,
    header: bool = True,
    strict: bool = False,
) -> StagedImport:
    """Read a whole file into a new folder below ``parent`` (default: the system's temporary folder).

    ``filename``, ``format`` and ``header`` as in ``preview``; ``strict`` as in ``Staging``.
    ``progress`` is called about five times a second with bytes done and in all; ``cancelled`` is asked as often.
    Raises InputError (unusable file, limits of ``settings`` reached), ImportCancelled, StorageError; then nothing
    stays behind.
    """
    job = _file_job(Path(path), filename, format, header) | {"strict": strict}
    return _stage(job, mapping, task_name, settings or Settings(), progress, cancelled, parent)


def preview_dataset(
    name: str, config: str | None = None, split: str | None = None, settings: Settings | None = None
) -> ImportPreview:
    """The first rows of a Hugging Face dataset. Raises OfflineError, InputError."""
    settings = settings or Settings()
    job = _dataset_job(name, config, split, settings) | {"kind": "preview"}
    folder = _new_folder(None)
    try:
        return ImportPreview.model_validate(_run(job, folder, settings, _PREVIEW_SECONDS))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stage_dataset(
    name: str,
    mapping: ColumnMapping,
    task_name: str,
    config: str | None = None,
    split: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
    parent: Path | None = None,
) -> StagedImport:
    """Like ``stage`` for a Hugging Face dataset by name; without ``split`` all its parts, with a column ``split``.

    Raises OfflineError when it is not on this machine and the Hub does not answer.
    """
    settings = settings or Settings()
    job = _dataset_job(name, config, split, settings)
    return _stage(job, mapping, task_name, settings, progress, cancelled, parent)


def stage_rows(
    rows: Sequence[Mapping[str, Any]], mapping: ColumnMapping, task_name: str, parent: Path | None = None
) -> StagedImport:
    """Like ``stage`` for values that a program made, in this process: there is no file to be afraid of.

    The same checks, milliseconds instead of a process. Raises InputError, StorageError.
    """
    started = time.monotonic()
    folder = _new_folder(parent)
    try:
        table = open_rows(rows)
        with storage_errors("rows were added"):
            counts = Staging(table, mapping, get_task(task_name), folder).run(lambda *_: None)
        known = {"columns": table.columns, "format": table.format, "encoding": None, "warnings": table.warnings}
        return _staged(folder, counts | known, started)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _stage(
    job: dict[str, Any],
    mapping: ColumnMapping,
    task_name: str,
    settings: Settings,
    progress: Report | None,
    cancelled: Callable[[], bool] | None,
    parent: Path | None,
) -> StagedImport:
    """Run a staging job; the folder stays only when it ends well."""
    started = time.monotonic()
    job |= {"kind": "stage", "mapping": mapping.model_dump(), "task": task_name}
    folder = _new_folder(parent)
    try:
        return _staged(folder, _run(job, folder, settings, settings.import_seconds, progress, cancelled), started)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _staged(folder: Path, result: dict[str, Any], started: float) -> StagedImport:
    return StagedImport(
        folder=folder,
        rows=result["rows"],
        rejected_rows=result["rejected"],
        labelled=result["labelled"],
        duplicates=result["duplicates"],
        labels=result["labels"],
        own=result["own"],
        carried=result["carried"] and CarriedSchema.model_validate(result["carried"]),
        columns=result["columns"],
        format=result["format"],
        encoding=result["encoding"],
        warnings=result["warnings"],
        seconds=time.monotonic() - started,
    )


def _file_job(path: Path, filename: str | None, format: str | None, header: bool) -> dict[str, Any]:
    shown = filename or path.name
    require_file(path, shown)
    return {"source": str(path.resolve()), "shown": shown, "format": format, "header": header}


def _dataset_job(name: str, config: str | None, split: str | None, settings: Settings) -> dict[str, Any]:
    return {"dataset": name, "shown": name, "config": config, "split": split, "offline": settings.offline,
            "strict": False}  # fmt: skip


def _new_folder(parent: Path | None) -> Path:
    with storage_errors("an import was prepared"):
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="whetstone-import-", dir=parent))


def _run(
    job: dict[str, Any],
    folder: Path,
    settings: Settings,
    seconds: float,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Run one job in a child process and return its result; the child never outlives this call."""
    job |= {"memory_mb": settings.import_memory_mb, "seconds": seconds}
    with storage_errors("an import was prepared"):
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        log = (folder / "worker.log").open("wb")
    # One allocator arena: reserved address space counts against the child's memory limit.
    environment = os.environ | {"MALLOC_ARENA_MAX": "2", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    with log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.data.import_worker", str(folder.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
            cwd=folder,  # where the name of a dataset is the name of nothing else
        )
    try:
        _watch(child, job, folder, progress, cancelled)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
    if not (folder / "report.json").exists():
        raise _died(child, job, folder)
    return read_report(folder)


def _watch(
    child: subprocess.Popen[bytes],
    job: dict[str, Any],
    folder: Path,
    progress: Report | None,
    cancelled: Callable[[], bool] | None,
) -> None:
    """Wait for the child; report progress; raise when it must not go on."""
    deadline = time.monotonic() + job["seconds"]
    asked = 0.0
    while True:
        try:
            child.wait(timeout=0.05)
            return
        except subprocess.TimeoutExpired:
            now = time.monotonic()
        if now > deadline:
            raise InputError(
                f"Reading '{job['shown']}' took longer than {job['seconds']:.0f} seconds and was stopped.",
                "Split the file, or raise WHETSTONE_IMPORT_SECONDS.",
            )
        if now - asked < 0.2:
            continue
        asked = now
        if _memory(child) > job["memory_mb"] * 1024 * 1024:
            raise _too_much_memory(job)
        if cancelled is not None and cancelled():
            raise ImportCancelled(f"The import of '{job['shown']}' was stopped. Nothing was added.")
        if progress is not None:
            _report(folder, progress)


def _report(folder: Path, progress: Report) -> None:
    try:
        state = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    progress(Progressing(**state))


def _memory(child: subprocess.Popen[bytes]) -> int:
    """Resident bytes of the child; not every system enforces a limit by itself."""
    try:
        return int(psutil.Process(child.pid).memory_info().rss)
    except psutil.Error:
        return 0


def _too_much_memory(job: dict[str, Any]) -> InputError:
    return InputError(
        f"Reading '{job['shown']}' needs more than the {job['memory_mb']:,} MB that an import may use.",
        "Split the file, or raise WHETSTONE_IMPORT_MEMORY_MB.",
    )


def _died(child: subprocess.Popen[bytes], job: dict[str, Any], folder: Path) -> StudioError:
    """The error for a child that ended without a report: the file brought it down, or the disk is full."""
    tail = (folder / "worker.log").read_bytes()[-2000:].decode("utf-8", "replace")
    _log.error("import of %r ended with code %s: %s", job["shown"], child.returncode, tail)
    if child.returncode == NO_REPORT:
        return StorageError(f"The disk is full while '{job['shown']}' was read.", "Free some space and try again.")
    if "memory" in tail.lower() or "bad_alloc" in tail:
        return _too_much_memory(job)
    return InputError(
        f"'{job['shown']}' cannot be read: the reader gave up on it.",
        "The file may be damaged. Export it once more, as CSV or JSONL if you can.",
    )


def read_report(folder: Path) -> dict[str, Any]:
    """The result that an import process wrote, or its error, raised."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    if error := report.get("error"):
        raise _ERRORS.get(error["kind"], InputError)(error["message"], error["hint"])
    result: dict[str, Any] = report["result"]
    return result
