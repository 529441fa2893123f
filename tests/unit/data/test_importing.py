from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.data import import_worker, importing
from core.data.hub import open_dataset
from core.data.importing import ImportCancelled, preview, preview_dataset, stage, stage_dataset
from core.errors import InputError, OfflineError, StorageError
from core.records import ColumnMapping, Progressing
from core.settings import Settings

MAPPING = ColumnMapping(text="text", label="label")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.csv"
    path.write_text("text,label\n" + "".join(f"text number {i},label {i % 5}\n" for i in range(700_000)))
    return path


def test_staged_rows_carry_everything_storage_needs(run_apart: Callable[..., Any]) -> None:
    staged = run_apart(
        "id,text,label,part,channel,note\n7,Hello,greet,train,web,\n8, Hello ,,test,mail,late\n9,Bye,leave,,,\n",
        id="id",
        split="part",
    )
    assert [list(row.values())[:7] for row in staged.rows] == [
        [1, "Hello", None, '"greet"', "train", "7", '{"channel": "web"}'],
        [2, " Hello ", None, None, "test", "8", '{"channel": "mail", "note": "late"}'],
        [3, "Bye", None, '"leave"', None, "9", None],
    ]
    assert staged.column("first_row") == [1, 1, 3]
    assert staged.column("length") == [5, 7, 3]
    assert staged.column("text_hash")[0] == staged.column("text_hash")[1] != staged.column("text_hash")[2]
    record = staged.record
    assert (record.rows, record.duplicates, record.labelled, record.labels) == (3, 1, 2, ["greet", "leave"])


def test_progress_is_reported_in_bytes(large: Path, scratch: Path, settings: Settings) -> None:
    seen: list[Progressing] = []
    with stage(large, MAPPING, "classification", settings=settings, parent=scratch, progress=seen.append) as staged:
        assert staged.rows == 700_000
    assert seen and all(step.total == large.stat().st_size and 0 < step.done <= step.total for step in seen)


def test_a_cancelled_import_leaves_nothing(large: Path, scratch: Path, settings: Settings) -> None:
    started = time.monotonic()
    with pytest.raises(ImportCancelled):
        stage(large, MAPPING, "classification", settings=settings, parent=scratch, cancelled=lambda: True)
    assert time.monotonic() - started < 5


def test_an_import_that_takes_too_long_is_ended(large: Path, scratch: Path) -> None:
    settings = Settings(import_seconds=0.3)
    with pytest.raises(InputError, match="took longer"):
        stage(large, MAPPING, "classification", settings=settings, parent=scratch)


def test_an_import_that_needs_too_much_memory_is_ended(tmp_path: Path, scratch: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text('[{"text": "' + "x" * 300_000_000 + '"}]')
    with pytest.raises(InputError, match="512 MB"):
        stage(
            path, ColumnMapping(), "classification", settings=Settings(import_memory_mb=512), parent=scratch
        )  # the text alone needs more than once its size


def test_a_reader_that_dies_is_an_unusable_file(
    tmp_path: Path, scratch: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text\none\n")
    real = subprocess.Popen

    def dying(command: list[str], **options: Any) -> Any:
        return real([sys.executable, "-c", "import os; os.abort()"], **options)

    monkeypatch.setattr(importing.subprocess, "Popen", dying)
    with pytest.raises(InputError, match="gave up"):
        stage(path, ColumnMapping(), "classification", settings=settings, parent=scratch)


def test_the_reading_process_opens_no_database_and_no_heavy_library() -> None:
    code = "import sys, core.data.import_worker; print([m for m in ('torch', 'duckdb', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file 'tickets\.csv'"):
        preview(tmp_path / "nothing", filename="tickets.csv")


def test_preview_shows_twenty_rows_and_warns(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("Review;Sentiment\n" + "too;many;cells\n" + "".join(f"text {i};good\n" for i in range(50)))
    shown = preview(path, filename="reviews.csv")
    assert (shown.columns, shown.format, shown.encoding, len(shown.rows)) == (
        ["Review", "Sentiment"],
        "csv",
        "utf-8",
        20,
    )
    assert shown.guess == ColumnMapping(text="Review", label="Sentiment")
    assert any("semicolons" in warning for warning in shown.warnings)
    assert any("Row 1 will be left out" in warning for warning in shown.warnings)


def test_a_dataset_by_name_says_that_we_are_offline(settings: Settings, scratch: Path) -> None:
    started = time.monotonic()
    with pytest.raises(OfflineError):
        preview_dataset("nobody/nothing", settings=settings)
    with pytest.raises(OfflineError):
        stage_dataset("nobody/nothing", MAPPING, "classification", settings=settings, parent=scratch)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("name", ["../../etc", "/etc", "a/b/c", "", "owner/name?x", "json;rm"])
def test_a_dataset_name_is_no_path(name: str, settings: Settings) -> None:
    with pytest.raises(InputError, match="not the name of a dataset"):
        preview_dataset(name, settings=settings)


def test_a_dataset_is_never_a_folder_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.csv").write_text("text\nsecret\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="'mine' is a file or folder here"):
        open_dataset("mine", None, None, offline=True, preview=True)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    with pytest.raises(OfflineError):
        preview_dataset("mine", settings=Settings(import_seconds=60, offline=True))


def test_rejected_rows_can_be_limited(tmp_path: Path, scratch: Path, settings: Settings) -> None:
    path = tmp_path / "x.csv"
    path.write_text("text,label\n" + ",a\n" * 30 + "one,a\n")
    with stage(path, MAPPING, "classification", settings=settings, parent=scratch) as staged:
        assert staged.rejected_rows == 30
        assert [row.row for row in staged.rejected(3)] == [1, 2, 3]
        json.dumps([row.model_dump() for row in staged.rejected()])


def test_a_full_disk_is_a_clear_error(
    tmp_path: Path, scratch: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "x.csv"
    path.write_text("text,label\none,a\n")
    with monkeypatch.context() as patch, pytest.raises(StorageError, match="disk is full"):
        patch.setattr(Path, "write_text", full)
        stage(path, MAPPING, "classification", settings=settings, parent=scratch)
    # a process that cannot even write its report
    child: Any = SimpleNamespace(returncode=import_worker.NO_REPORT)
    (tmp_path / "worker.log").touch()
    assert isinstance(importing._died(child, {"shown": "x.csv"}, tmp_path), StorageError)
