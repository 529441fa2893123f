"""Files that may take the place of the database: looked at, copied and brought to the newest schema beforehand."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import duckdb

from core.errors import InputError, StorageError
from core.storage.migrations import MIGRATIONS, NUMBERED, migrate


def check_backup(source: Path, current: Path) -> None:
    """Raises InputError for a file that is no backup, was written by a newer Whetstone, or is the open database."""
    if not source.is_file():
        raise InputError(f"There is no backup {source}.")
    if source.resolve() == current.resolve():
        raise InputError("This is the open database itself.", "Choose a file from the backups folder.")
    try:
        probe = duckdb.connect(str(source), read_only=True)
    except duckdb.Error as error:
        raise InputError(f"{source.name} is not a DuckDB database: {str(error).splitlines()[0]}") from error
    try:
        row = probe.execute("SELECT max(number) FROM migrations").fetchone()
    except duckdb.Error:
        raise InputError(f"{source.name} is not a Whetstone backup.") from None
    finally:
        probe.close()
    if row and row[0] and row[0] > MIGRATIONS[-1][0]:
        raise InputError(f"{source.name} was written by a newer Whetstone.", "Update Whetstone first.")


def bring(source: Path, incoming: Path) -> None:
    """Copy a backup and bring the copy to the newest schema, so that what takes the place is known to be whole.

    Raises StorageError and leaves nothing behind when that fails.
    """
    try:
        shutil.copyfile(source, incoming)
        with closing(duckdb.connect(str(incoming))) as copy:
            migrate(copy)
            for table in NUMBERED:
                copy.execute(f"SELECT max(id) FROM {table}")
    except (OSError, duckdb.Error) as error:
        for file in (incoming, incoming.with_name(incoming.name + ".wal")):
            file.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise StorageError(f"{source.name} cannot be restored: {reason}", "Nothing was changed.") from error
