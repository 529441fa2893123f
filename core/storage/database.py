"""Opens, locks, checks, migrates, backs up and restores the one DuckDB file. Knows no table but its own bookkeeping.

Every thread gets its own cursor (a shared connection mixes results), every write goes through one transaction, and a
commit has reached the disk when it returns. Short transactions take turns; a long one appends beside them, which never
conflicts.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from core.errors import InputError, StorageError, WorkspaceBusyError
from core.storage.backups import bring, check_backup
from core.storage.migrations import NUMBERED, migrate

MARKS_BYTES = 4096
"""Size of the file of marks; what is not needed is blank."""


def _unbound(error: RuntimeError) -> Exception:
    """What stands for the driver's error about a value that it cannot take; any other error as it is."""
    if "Unable to cast Python instance" not in str(error):
        return error
    return InputError(
        "A text holds half a character (a lone surrogate), which cannot be stored or looked for.", "Remove it."
    )


def quoted(value: str | Path) -> str:
    """A SQL string literal, for the few statements that take no bound value."""
    return "'" + str(value).replace("'", "''") + "'"


class Database:
    """One open workspace database. Use ``read`` and ``transaction``; close it when done."""

    def __init__(self, home: Path, memory_mb: int = 1024, accept_loss: bool = False) -> None:
        self.home = home
        self.file = home / "whetstone.duckdb"
        self._marks_file = home / "whetstone.marks.json"
        self._memory_mb = memory_mb
        self._write_lock = threading.RLock()
        self._long_lock = threading.RLock()
        """Held by what takes long: one at a time, no restore or close in between. Taken before the write lock."""
        self._long_cursor: duckdb.DuckDBPyConnection | None = None
        self._local = threading.local()
        self._generation = 0
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self._next_ids: dict[str, int] = {}
        self._marks: dict[str, int] = {}
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"The folder {home} cannot be made: {error}.", "Set WHETSTONE_HOME.") from error
        self._lock = FileLock(home / "whetstone.lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise WorkspaceBusyError(
                f"Another Whetstone process has the workspace {home} open.",
                "Close it, or set WHETSTONE_HOME to another folder.",
            ) from None
        try:
            self._check_files()
            self._connect()
            migrate(self.cursor())
            self._check_marks(accept_loss)
        except BaseException:
            self._disconnect()
            self._lock.release()
            raise

    # ------------------------------------------------------------ open and close

    def _check_files(self) -> None:
        wal = self.file.with_name(self.file.name + ".wal")
        if self.file.exists():
            return
        hint = f"Put the file back, or restore a backup: copy one from {self.home / 'backups'} to {self.file}."
        if wal.exists():
            raise StorageError(
                f"The database {self.file} is missing, but its write-ahead log {wal.name} is here.", hint
            )
        if self._read_marks():
            raise StorageError(f"The database {self.file} is missing, but this folder held one before.", hint)

    def _connect(self) -> None:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "memory_limit": f"{self._memory_mb}MB",
            "temp_directory": str(self.home / "tmp"),
            "preserve_insertion_order": "false",
            # While a large append commits, DuckDB 1.5 lets a scan reach its rows before they count as committed. A plan
            # made from the statistics before it then drops "WHERE project_id = 1" as always true, and sorts by a key
            # cut to the old range: rows of another project, in a wrong order. Plans must not rest on statistics.
            "disabled_optimizers": "statistics_propagation",
        }
        try:
            self._connection = duckdb.connect(str(self.file), config=config)
        except duckdb.Error as error:
            raise StorageError(
                f"The database {self.file} cannot be opened: {error}",
                f"Restore a backup from {self.home / 'backups'}, or set WHETSTONE_HOME to another folder.",
            ) from error
        self._generation += 1

    def _disconnect(self) -> None:
        # An open cursor of any thread keeps the old file open behind our back, so all of them are closed.
        for handle in [*self._cursors, self._connection]:
            if handle is not None:
                with suppress(duckdb.Error):
                    handle.close()
        self._cursors.clear()
        self._connection = None

    def _check_marks(self, accept_loss: bool) -> None:
        before = self._read_marks()
        for table in NUMBERED:
            self._marks[table] = self._highest(table)
            if self._marks[table] < before.get(table, 0) and not accept_loss:
                raise StorageError(
                    f"The database has fewer rows than before: {table} ends at {self._marks[table]}, "
                    f"it had reached {before[table]}. The write-ahead log {self.file.name}.wal was probably removed.",
                    f"Put the log back or restore a backup from {self.home / 'backups'}; to go on with what is "
                    "there, start once with WHETSTONE_ACCEPT_LOSS=1.",
                )
        self._write_marks()

    def close(self) -> None:
        """Break off what takes long, checkpoint, close every handle and release the workspace."""
        while not self._long_lock.acquire(timeout=0.05):
            if (cursor := self._long_cursor) is not None:
                cursor.interrupt()
        try:
            with self._write_lock:
                if self._connection is None:
                    return
                self._write_marks()
                with suppress(duckdb.Error):
                    self.cursor().execute("CHECKPOINT")
                self._disconnect()
                self._lock.release()
        finally:
            self._long_lock.release()

    # ------------------------------------------------------------ reading and writing

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """This thread's own cursor."""
        if self._connection is None:
            with self._write_lock:  # wait for a restore that is under way
                pass
            if self._connection is None:
                raise StorageError("The workspace is closed.")
        if getattr(self._local, "generation", None) != self._generation:
            if self._taken is not None:  # reads and writes of one transaction must not end up in two
                raise StorageError("The database was opened anew meanwhile; this change was not saved.", "Try again.")
            self._local.cursor = self._connection.cursor()
            self._cursors.add(self._local.cursor)
            self._local.generation = self._generation
        return self._local.cursor

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of one query; every value is bound."""
        rows: list[tuple[Any, ...]] = self._fetch(sql, values, "fetchall")
        return rows

    def read_arrays(self, sql: str, values: Sequence[Any] = ()) -> dict[str, Any]:
        """Columns of one query as numpy arrays, for whole-project scans."""
        columns: dict[str, Any] = self._fetch(sql, values, "fetchnumpy")
        return columns

    def _fetch(self, sql: str, values: Sequence[Any], how: str) -> Any:
        generation = self._generation
        try:
            return getattr(self.cursor().execute(sql, list(values)), how)()
        except duckdb.Error as error:
            with self._write_lock:  # a restore closes the cursors of all readers; its end is waited for
                replaced = self._generation != generation
            if not replaced or self._taken is not None:
                raise self._translate(error) from error
        except RuntimeError as error:
            raise _unbound(error) from error
        return self._fetch(sql, values, how)

    @property
    def _taken(self) -> dict[str, int] | None:
        """Highest id that this thread's open transaction took, by table; None when there is no transaction."""
        taken: dict[str, int] | None = getattr(self._local, "taken", None)
        return taken

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """One write transaction: committed and on disk when the block ends, rolled back when it raises.

        A block inside a block of the same thread belongs to the outer one.
        """
        with self._write_lock:
            if self._taken is not None:
                yield self.cursor()
                return
            ids_before = dict(self._next_ids)
            try:
                with self._begun() as cursor:
                    yield cursor
            except BaseException:
                self._next_ids = ids_before  # nobody else took one: that needs the lock
                raise

    @contextmanager
    def long_transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A write transaction that keeps nobody waiting, for many new rows; nobody sees them before the block ends.

        Only for appending: what it changes or deletes could have been changed by others meanwhile. Ids that it took
        are lost when it fails. One at a time; a lock that a writer of labels may hold is taken inside, not around it.
        """
        with self._long_lock, self._breakable(self.cursor()), self._begun() as cursor:
            yield cursor

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything this thread reads in the block is of one moment, whatever others write meanwhile."""
        with self._begun():
            yield

    @contextmanager
    def _breakable(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Let a close interrupt what this cursor does. Call with the long lock held."""
        self._long_cursor = cursor
        try:
            yield
        finally:
            self._long_cursor = None

    @contextmanager
    def _begun(self) -> Iterator[duckdb.DuckDBPyConnection]:
        cursor = self.cursor()
        taken: dict[str, int] = {}
        self._local.taken = taken
        try:
            cursor.execute("BEGIN TRANSACTION")
            yield cursor
            with self._write_lock:
                cursor.execute("COMMIT")
                self._update_marks(taken)
        except BaseException as error:
            with suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            if isinstance(error, duckdb.Error):
                raise self._translate(error) from error
            if isinstance(error, RuntimeError):
                raise _unbound(error) from error
            raise
        finally:
            self._local.taken = None

    def next_ids(self, table: str, count: int = 1) -> int:
        """Reserve ``count`` consecutive ids of a table and return the first. Call inside a transaction."""
        with self._write_lock:
            if table not in self._next_ids:
                self._next_ids[table] = self._highest(table) + 1
            first = self._next_ids[table]
            self._next_ids[table] += count
        if count and self._taken is not None:
            self._taken[table] = first + count - 1
        return first

    def forget_highest(self, table: str) -> None:
        """Before rows of a table are deleted on purpose: keep its ids from being used again. Inside ``transaction``."""
        top = self.next_ids(table, 0) - 1
        self.cursor().execute("INSERT INTO counters VALUES (?, ?)", [table, top])

    def _highest(self, table: str) -> int:
        """Highest id that the table has, or had before rows were deleted on purpose."""
        floor = "(SELECT coalesce(max(floor), 0) FROM counters WHERE name = ?)"
        return self.read(f"SELECT greatest(coalesce(max(id), 0), {floor}) FROM {table}", [table])[0][0]

    def _translate(self, error: duckdb.Error) -> StorageError:
        """A driver error as ours. A database that a full disk invalidated is reopened: nothing committed is lost."""
        text = str(error)
        if isinstance(error, duckdb.FatalException) or "invalidated" in text:
            with self._write_lock:
                if getattr(self._local, "generation", None) == self._generation:  # nobody else has reopened it yet
                    self._disconnect()
                    self._connect()
        if "No space left" in text or "disk full" in text.lower():
            return StorageError(f"The disk of {self.home} is full; this change was not saved.", "Free some space.")
        return StorageError(f"The database refused this: {text.splitlines()[0]}", "Nothing was changed.")

    # ------------------------------------------------------------ high-water marks

    def _read_marks(self) -> dict[str, int]:
        try:
            return {k: int(v) for k, v in json.loads(self._marks_file.read_text(encoding="utf-8")).items()}
        except (OSError, ValueError):
            return {}

    def _update_marks(self, committed: dict[str, int]) -> None:
        """Raise the marks to ids that are on disk: one that a transaction still holds may never get there."""
        changed = False
        for table in NUMBERED:
            top = committed.get(table, 0)
            if top > self._marks.get(table, 0):
                self._marks[table] = top
                changed = True
        if changed:
            self._write_marks()

    def _write_marks(self) -> None:
        """In one piece and over the old ones, without fsync: cheap enough for every commit, and a kill of the process
        cannot lose it. After a power cut they may be behind the database, never ahead of it."""
        with suppress(OSError):
            file = os.open(self._marks_file, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.write(file, json.dumps(self._marks).encode().ljust(MARKS_BYTES))
            finally:
                os.close(file)

    # ------------------------------------------------------------ backup and restore

    def backup(self, target: Path) -> Path:
        """Write a copy of one moment to ``target`` while writers go on; StorageError when that fails."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise InputError(f"{target} exists already.", "Choose another name.")
        partial = target.with_name(target.name + ".part")
        partial.unlink(missing_ok=True)
        with self._long_lock, closing(self.cursor().cursor()) as cursor, self._breakable(cursor):
            try:
                cursor.execute(f"ATTACH {quoted(partial)} AS copy_target")
                try:
                    cursor.execute(f"COPY FROM DATABASE {self.file.stem} TO copy_target")
                finally:
                    cursor.execute("DETACH copy_target")
            except duckdb.Error as error:
                partial.unlink(missing_ok=True)
                raise self._translate(error) from error
        partial.replace(target)
        return target

    def restore(self, source: Path) -> Path:
        """Replace the database by a backup; return where the replaced one was kept."""
        check_backup(source, self.file)
        with self._long_lock, self._write_lock:
            kept = self.backup(self.home / "backups" / f"replaced-{datetime.now():%Y%m%d-%H%M%S-%f}.duckdb")
            incoming = self.file.with_name("incoming.duckdb")
            highest = {table: self._highest(table) for table in NUMBERED}
            bring(source, incoming)
            self._disconnect()
            try:
                self.file.with_name(self.file.name + ".wal").unlink(missing_ok=True)
                incoming.replace(self.file)
                self._marks_file.unlink(missing_ok=True)
            except OSError as error:
                raise StorageError(f"{source} could not be copied: {error}.", "The database is unchanged.") from error
            finally:
                incoming.unlink(missing_ok=True)
                self._connect()
                self._next_ids.clear()
            with self.transaction() as write:
                for table, top in highest.items():
                    write.execute("INSERT INTO counters VALUES (?, ?)", [table, top])
            self._check_marks(accept_loss=True)
        return kept
