from __future__ import annotations

import errno
from typing import Any

import pytest

from core.durable import clear_leftovers, new_folder, read_json, seal, verify, write_atomic, write_json
from core.errors import ModelError, StorageError


def refuse(number: int) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, "refused")

    return fail


def test_a_file_is_replaced_as_a_whole(tmp_path):
    write_atomic(tmp_path / "a", b"one")
    write_atomic(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two" and [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "cannot be written")])
def test_a_disk_that_refuses_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, number, words):
    write_atomic(tmp_path / "a", b"one")
    monkeypatch.setattr("core.durable.os.fsync", refuse(number))
    with pytest.raises(StorageError, match=words) as caught:
        write_atomic(tmp_path / "a", b"two")
    assert caught.value.hint
    assert (tmp_path / "a").read_bytes() == b"one" and [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(ValueError, match="half-way"), new_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("1")
        raise ValueError("half-way")
    assert list(tmp_path.iterdir()) == []
    with new_folder(tmp_path / "f") as folder:
        (folder / "x").write_text("2")
    assert (tmp_path / "f" / "x").read_text() == "2"


def test_damaged_json_reads_as_missing(tmp_path):
    (tmp_path / "torn").write_text('{"a": 1')
    assert read_json(tmp_path / "torn") is None and read_json(tmp_path / "none") is None
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "nan", float("nan"))


def test_a_seal_holds_until_a_byte_changes(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_text("1")
    seal(tmp_path, {"step": 3})
    assert verify(tmp_path)["step"] == 3
    (tmp_path / "sub" / "x").write_text("2")
    with pytest.raises(ModelError, match="sub/x"):
        verify(tmp_path)


def test_what_a_kill_left_half_written_is_cleared(tmp_path):
    (tmp_path / ".model.1234.tmp").mkdir()
    (tmp_path / ".status.json.1234.tmp").write_text("{")
    (tmp_path / ".run.deleted").mkdir()
    (tmp_path / "status.json").write_text("{}")
    clear_leftovers(tmp_path, tmp_path / "not there")
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
