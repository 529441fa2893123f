"""The database file: lock, self-check, transactions, backup and restore."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from core.errors import InputError, StorageError, WorkspaceBusyError
from core.storage import items, label_events, projects
from core.storage.database import Database
from core.storage.migrations import MIGRATIONS


def add_event(database: Database, item: int = 1) -> int:
    return label_events.append(database, 1, item, "label", "ann", label_ids=(7,)).id


def count(database: Database) -> int:
    return database.read("SELECT count(*) FROM label_events")[0][0]


def test_second_opener_is_told_who_is_in_the_way(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(WorkspaceBusyError, match="open"):
        Database(tmp_path)
    code = (
        "import sys; from pathlib import Path; from core.errors import WorkspaceBusyError\n"
        "from core.storage.database import Database\n"
        "try:\n    Database(Path(sys.argv[1]))\nexcept WorkspaceBusyError:\n    sys.exit(7)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60).returncode == 7
    database.close()
    Database(tmp_path).close()


def test_rows_survive_a_kill_without_close(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from core.storage.database import Database\n"
        "from core.storage import label_events\n"
        "d = Database(Path(sys.argv[1]))\n"
        "for i in range(20): label_events.append(d, 1, i, 'label', 'ann', label_ids=(1,))\n"
        "os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60).returncode == -9
    database = Database(tmp_path)
    assert count(database) == 20
    assert add_event(database) == 21
    database.close()


def test_missing_database_beside_its_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "whetstone.duckdb.wal").write_bytes(b"x")
    with pytest.raises(StorageError, match="write-ahead log"):
        Database(tmp_path)


def test_missing_database_that_was_there_before_is_refused(tmp_path: Path) -> None:
    Database(tmp_path).close()
    (tmp_path / "whetstone.duckdb").unlink()
    with pytest.raises(StorageError, match="missing"):
        Database(tmp_path)


@pytest.mark.parametrize("cut", [None, 50])
@pytest.mark.parametrize(
    "write",
    [
        "label_events.append(d, 1, 1, 'label', 'ann'); label_events.append(d, 1, 2, 'label', 'ann')",
        "projects.insert_project(d, 'Mine', 'en', 'classification', '')",
    ],
)
def test_lost_or_cut_log_is_noticed_and_can_be_accepted(tmp_path: Path, write: str, cut: int | None) -> None:
    code = (
        "import os, sys; from pathlib import Path; from core.storage.database import Database\n"
        "from core.storage import label_events, projects\n"
        f"d = Database(Path(sys.argv[1])); {write}; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60)
    log = tmp_path / "whetstone.duckdb.wal"
    log.write_bytes(log.read_bytes()[:-cut]) if cut else log.unlink()
    with pytest.raises(StorageError, match="fewer rows") as caught:
        Database(tmp_path)
    assert "WHETSTONE_ACCEPT_LOSS" in caught.value.hint
    Database(tmp_path, accept_loss=True).close()
    Database(tmp_path).close()


def test_a_deleted_project_is_no_loss(tmp_path: Path) -> None:
    database = Database(tmp_path)
    info = projects.insert_project(database, "Mine", "en", "classification", "")
    add_event(database)
    projects.delete_project(database, info.id)
    database.close()
    Database(tmp_path).close()


def test_a_backup_that_cannot_be_migrated_changes_nothing(tmp_path: Path) -> None:
    hollow = tmp_path / "hollow"
    with duckdb.connect(str(hollow)) as made:
        made.execute("CREATE TABLE migrations AS SELECT 1 AS number, now()::TIMESTAMP AS happened_at")
    database = Database(tmp_path / "home")
    add_event(database)
    with pytest.raises(StorageError, match="hollow cannot be restored"):
        database.restore(hollow)
    assert count(database) == 1
    database.close()
    database = Database(tmp_path / "home")
    assert count(database) == 1 and not list((tmp_path / "home").glob("incoming*"))
    database.close()


def test_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "whetstone.duckdb").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(StorageError, match="cannot be opened"):
        Database(tmp_path)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with database.transaction() as write:
        write.execute("INSERT INTO migrations VALUES (?, ?)", [MIGRATIONS[-1][0] + 1, datetime.now()])
    database.close()
    with pytest.raises(StorageError, match="newer Whetstone"):
        Database(tmp_path)


def test_failed_block_leaves_nothing_and_gives_its_ids_back(tmp_path: Path) -> None:
    database = Database(tmp_path)
    first = add_event(database)
    with pytest.raises(ValueError, match="stop"), database.transaction():
        add_event(database)
        raise ValueError("stop")
    assert count(database) == 1
    assert add_event(database) == first + 1
    database.close()


def test_driver_errors_do_not_leak(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(StorageError):
        database.read("SELECT * FROM nowhere")
    with pytest.raises(StorageError), database.transaction() as write:
        write.execute("SELECT broken FROM")
    assert count(database) == 0
    database.close()


def test_threads_do_not_mix_results(tmp_path: Path) -> None:
    database = Database(tmp_path)
    wrong: list[object] = []

    def work(number: int) -> None:
        for _ in range(30):
            if database.read("SELECT ?::INTEGER", [number]) != [(number,)]:
                wrong.append(number)
            add_event(database, number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert database.read("SELECT count(DISTINCT id), count(*) FROM label_events") == [(120, 120)]
    database.close()


def test_backup_restores_to_the_same_rows(tmp_path: Path) -> None:
    database = Database(tmp_path / "home")
    add_event(database)
    copy = database.backup(tmp_path / "it's a copy.duckdb")
    add_event(database)
    kept = database.restore(copy)
    assert count(database) == 1
    assert count_in(kept) == 2
    add_event(database)
    database.close()
    database = Database(tmp_path / "home")
    assert count(database) == 2
    database.close()


def count_in(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        row = connection.execute("SELECT count(*) FROM label_events").fetchone()
    assert row
    return row[0]


def test_restore_refuses_what_is_no_backup_and_changes_nothing(tmp_path: Path) -> None:
    database = Database(tmp_path / "home")
    add_event(database)
    other = tmp_path / "other.duckdb"
    duckdb.connect(str(other)).close()
    junk = tmp_path / "junk.duckdb"
    junk.write_bytes(b"junk" * 5000)
    for source in (other, junk, tmp_path / "absent.duckdb", database.file):
        with pytest.raises(InputError):
            database.restore(source)
    assert count(database) == 1
    database.close()


def test_ids_are_not_used_again_after_deletion(tmp_path: Path) -> None:
    database = Database(tmp_path)
    last = [add_event(database) for _ in range(3)][-1]
    with database.transaction() as write:
        database.forget_highest("label_events")
        write.execute("DELETE FROM label_events")
    database.close()
    database = Database(tmp_path)
    assert add_event(database) == last + 1
    database.close()


def test_extensions_are_never_fetched(tmp_path: Path) -> None:
    database = Database(tmp_path)
    settings = dict(
        database.read("SELECT name, value FROM duckdb_settings() WHERE name LIKE '%extensions' AND name LIKE 'auto%'")
    )
    assert settings == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    database.close()


def test_full_disk_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """A limit on the file size stands in for the full disk: the write fails in the same place."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from core.errors import StorageError; from core.storage import label_events\n"
        "from core.storage.database import Database\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "d = Database(Path(sys.argv[1])); done = 0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    while True:\n"
        "        label_events.append(d, 1, done, 'label', 'ann', note='x' * 50_000); done += 1\n"
        "except StorageError as error:\n"
        "    said = str(error)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "label_events.append(d, 1, done, 'label', 'ann')\n"
        "print(done, d.read('SELECT count(*) FROM label_events')[0][0], said)"
    )
    seen = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert seen.returncode == 0, seen.stderr
    acknowledged, stored, _ = seen.stdout.split(maxsplit=2)
    assert int(acknowledged) > 3
    assert int(stored) == int(acknowledged) + 1
    database = Database(tmp_path)
    assert count(database) == int(stored)
    database.close()


def test_readers_go_on_while_a_backup_is_restored(tmp_path: Path) -> None:
    database = Database(tmp_path / "home")
    add_event(database)
    copy = database.backup(tmp_path / "copy.duckdb")
    wrong: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                seen = count(database)
            except StorageError as error:
                wrong.append(error)
            else:
                if seen != 1:
                    wrong.append(seen)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        database.restore(copy)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    database.close()


def test_cursors_go_with_their_threads(tmp_path: Path) -> None:
    database = Database(tmp_path)
    for _ in range(50):
        thread = threading.Thread(target=count, args=(database,))
        thread.start()
        thread.join()
    gc.collect()
    assert len(database._cursors) < 5
    database.close()


# ---------------------------------------------------------------- what takes long


def beside(work: Callable[[], object], seconds: float = 10) -> bool:
    """Whether the work ends in time in another thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def add_items(database: Database, write: duckdb.DuckDBPyConnection, count: int) -> int:
    first = database.next_ids("items", count)
    write.execute("INSERT INTO items (id, project_id) SELECT ? + range, 1 FROM range(?)", [first, count])
    return first


def item_count(database: Database) -> int:
    return database.read("SELECT count(*) FROM items")[0][0]


def test_long_transaction_keeps_nobody_waiting_and_is_seen_as_a_whole(tmp_path: Path) -> None:
    database = Database(tmp_path)
    seen: list[int] = []
    with database.long_transaction() as write:
        add_items(database, write, 1000)
        assert beside(lambda: add_event(database))
        assert beside(lambda: seen.append(item_count(database)))
        assert item_count(database) == 1000
    assert beside(lambda: seen.append(item_count(database)))
    assert seen == [0, 1000]
    assert count(database) == 1
    database.close()


def test_failed_long_transaction_leaves_nothing_and_takes_no_id_from_others(tmp_path: Path) -> None:
    database = Database(tmp_path)
    others: list[int] = []
    with pytest.raises(ValueError, match="stop"), database.long_transaction() as write:
        first = add_items(database, write, 5)
        with database.transaction() as inner:
            inner.execute("INSERT INTO counters VALUES ('inside', 1)")
        assert beside(lambda: others.append(database.next_ids("items")))
        raise ValueError("stop")
    assert others == [first + 5]
    assert item_count(database) == 0
    assert database.read("SELECT count(*) FROM counters WHERE name = 'inside'") == [(0,)]
    with database.transaction() as write:
        assert add_items(database, write, 1) == first + 6
    database.close()


def test_kill_in_a_long_transaction_loses_only_what_was_not_stored(tmp_path: Path) -> None:
    """Ids that were reserved but never stored must not count as rows that the database lost."""
    code = (
        "import os, sys, threading; from pathlib import Path; from core.storage.database import Database\n"
        "from core.storage import label_events\n"
        "d = Database(Path(sys.argv[1]))\n"
        "with d.long_transaction() as write:\n"
        "    first = d.next_ids('items', 300000)\n"
        "    write.execute('INSERT INTO items (id, project_id) SELECT ? + range, 1 FROM range(300000)', [first])\n"
        "    t = threading.Thread(target=label_events.append, args=(d, 1, 7, 'label', 'ann')); t.start(); t.join()\n"
        "    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], timeout=60).returncode == -9
    database = Database(tmp_path)
    assert (item_count(database), count(database)) == (0, 1)
    database.close()


def test_snapshot_is_of_one_moment(tmp_path: Path) -> None:
    database = Database(tmp_path)
    add_event(database)
    with database.snapshot():
        assert count(database) == 1
        assert beside(lambda: add_event(database))
        assert count(database) == 1
    assert count(database) == 2
    database.close()


def test_backup_waits_for_no_writer_and_has_what_was_committed(tmp_path: Path) -> None:
    database = Database(tmp_path / "home")
    add_event(database)
    with database.transaction():
        add_event(database)
        assert beside(lambda: database.backup(tmp_path / "copy.duckdb"), 30)
    assert count_in(tmp_path / "copy.duckdb") == 1
    database.close()


def test_close_breaks_off_what_takes_long(tmp_path: Path) -> None:
    database = Database(tmp_path)
    begun, said = threading.Event(), list[StorageError]()

    def fill() -> None:
        try:
            with database.long_transaction() as write:
                add_items(database, write, 1000)
                begun.set()
                write.execute("SELECT sum(a.range % 7) FROM range(10000000000) a")
        except StorageError as error:
            said.append(error)

    thread = threading.Thread(target=fill)
    thread.start()
    begun.wait(20)
    database.close()
    thread.join(20)
    assert said
    database = Database(tmp_path)
    assert item_count(database) == 0
    database.close()


def test_a_transaction_does_not_go_on_in_a_reopened_database(tmp_path: Path) -> None:
    database = Database(tmp_path)
    with pytest.raises(StorageError, match="anew"), database.long_transaction() as write:
        add_items(database, write, 10)
        database._disconnect()
        database._connect()
        with database.transaction():
            add_event(database)
    assert (item_count(database), count(database)) == (0, 0)
    database.close()


def test_readers_see_no_row_of_an_append_that_is_being_committed(tmp_path: Path) -> None:
    """More rows than a row group are moved into the table before they count as committed."""
    database = Database(tmp_path, memory_mb=512)
    with database.transaction() as write:
        write.execute("INSERT INTO items (id, project_id, position, source) SELECT range, 1, range, 'a' FROM range(50)")
    wrong: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            ids = items.all_positions(database, 1)["id"].tolist()
            if ids != list(range(50)):
                wrong.append(len(ids))

    for project in range(2, 10):
        threads = [threading.Thread(target=read) for _ in range(3)]
        stop.clear()
        with database.long_transaction() as write:
            for table, key in (("items", "id"), ("item_texts", "item_id"), ("label_events", "item_id")):
                write.execute(f"INSERT INTO {table} ({key}, project_id) SELECT range, {project} FROM range(150000)")
            for thread in threads:
                thread.start()
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    database.close()
