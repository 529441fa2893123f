"""The throw-away process that reads a file nobody has checked yet: ``python -m core.data.import_worker FOLDER``.

The folder holds ``job.json``; the process writes ``progress.json``, its files, and ``report.json`` last. It opens
neither the database nor the network (but for a dataset by name), and lives within limits of memory, time and disk.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.data.mapping import guess_mapping, is_known
from core.data.readers import WITH_HEADER, open_source
from core.data.table import Table
from core.durable import FULL_DISK
from core.errors import InputError, OfflineError, StorageError, StudioError
from core.records import ColumnMapping, ImportPreview

PREVIEW_ROWS = 20
_LONGEST_SHOWN = 2_000
"""Characters of a cell in a preview."""
NO_REPORT = 28
"""Exit status of a process that could not even write its report: nothing fits on the disk any more."""
_DISK_SHARE = 0.9
"""Part of the free disk space that staged files may take."""


def run_job(folder: Path) -> None:
    """Do the job of a folder and write its report: ``{"result": ...}`` or ``{"error": ...}``."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    try:
        table = open_source(job, folder)
        result = _preview(table, job.get("header", True)) if job["kind"] == "preview" else _stage(table, job, folder)
        report: dict[str, Any] = {"result": result}
    except (InputError, OfflineError) as error:
        report = _failed(error)
    except MemoryError:
        report = _failed(
            InputError(
                f"Reading '{job['shown']}' needs more than the {job['memory_mb']:,} MB that an import may use.",
                "Split the file, or raise WHETSTONE_IMPORT_MEMORY_MB.",
            )
        )
    except OSError as error:
        report = _failed(
            StorageError(f"Reading '{job['shown']}' failed: {error.strerror or error}.", "Is the disk full?")
        )
    _write(folder / "report.json", report)


def _failed(error: StudioError) -> dict[str, Any]:
    return {"error": {"kind": type(error).__name__, "message": error.message, "hint": error.hint}}


def _preview(table: Table, header: bool) -> dict[str, Any]:
    """The first rows and a guess of what the columns mean."""
    rows: list[dict[str, str]] = []
    warnings = list(table.warnings)
    for batch in table.batches(PREVIEW_ROWS):
        names = list(batch.columns)
        for row in zip(*batch.columns.values(), strict=True):
            rows.append({name: (cell or "")[:_LONGEST_SHOWN] for name, cell in zip(names, row, strict=True)})
        warnings.extend(f"Row {row.row} will be left out: {row.reason}." for row in batch.rejected[:3])
        if len(rows) >= PREVIEW_ROWS:
            break
    if not rows:
        reason = f" {warnings[-1]}" if warnings else ""
        raise InputError(f"The file has no rows that can be read.{reason}", "Add rows below the column names.")
    if header and table.format in WITH_HEADER and not any(map(is_known, table.columns)):
        warnings.append("No column has a name that we know. If the first line is a row and no header, say so.")
    columns = list(dict.fromkeys([*table.columns, *(name for row in rows for name in row)]))
    preview = ImportPreview(
        columns=columns,
        rows=rows[:PREVIEW_ROWS],
        format=table.format,
        encoding=table.encoding_name,
        guess=guess_mapping(columns, rows),
        warnings=warnings,
    )
    return preview.model_dump()


def _stage(table: Table, job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write the staged files."""
    from core.data.staging import Staging
    from core.tasks import get_task

    last = 0.0
    parent = os.getppid()

    def progress(done: int, total: int, message: str) -> None:
        nonlocal last
        if time.monotonic() - last > 0.2:
            if os.getppid() != parent:
                raise SystemExit("the application that asked for this import is gone")
            last = time.monotonic()
            _write(folder / "progress.json", {"done": done, "total": total, "message": message})

    staging = Staging(table, ColumnMapping(**job["mapping"]), get_task(job["task"]), folder, job["strict"])
    counts = staging.run(progress)
    known = {"format": table.format, "encoding": table.encoding_name, "columns": table.columns}
    return counts | known | {"warnings": table.warnings}


def _write(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees all of it or the file before."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)


def limit_process(memory_mb: int | None, seconds: float, folder: Path) -> None:
    """Bound memory, processor time and the size of written files; what the system cannot bound, the parent watches."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    free = os.statvfs(folder)
    limits = {
        resource.RLIMIT_CPU: int(seconds * 2) + 10,
        resource.RLIMIT_FSIZE: int(free.f_bavail * free.f_frsize * _DISK_SHARE),
        resource.RLIMIT_CORE: 0,
    }
    if memory_mb is not None:
        limits[resource.RLIMIT_AS] = memory_mb * 1024 * 1024
    for kind, limit in limits.items():
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def main() -> None:
    """Entry point of the process."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    # Datasets are mapped into memory, which takes address space but no memory: there the parent watches alone.
    limit_process(None if "dataset" in job else job["memory_mb"], job["seconds"], folder)
    gc.disable()  # a short life without cycles: the collector would only walk millions of strings
    try:
        run_job(folder)
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise
        sys.exit(NO_REPORT)


if __name__ == "__main__":
    main()
