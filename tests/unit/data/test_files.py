from __future__ import annotations

from pathlib import Path

import pytest

from core.data.files import folder_size, readable_size, require_file, safe_name, storage_errors, whole_file
from core.errors import InputError, StorageError


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("tickets.csv", "tickets.csv"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\x.csv", "x.csv"),
        ("..", "file"),
        ("", "file"),
        (".hidden", "hidden"),
        ("CON.csv", "file_CON.csv"),
        ("lpt1", "file_lpt1"),
        ("a\0b\u202ec.csv", "a_b_c.csv"),
        ('what?:"<b>.csv', "what____b_.csv"),
        ("数据 2026.csv", "数据 2026.csv"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
    ],
)
def test_names_become_plain_file_names(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert "/" not in safe_name(name) and len(safe_name(name)) <= 120


def test_sizes_read_as_people_write_them(tmp_path: Path) -> None:
    assert [readable_size(n) for n in (0, 999, 1_500_000, 2e15)] == ["0 bytes", "999 bytes", "1.5 MB", "2000.0 TB"]
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12345")
    assert folder_size(tmp_path) == 5


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "x"
    with whole_file(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    with pytest.raises(KeyError), whole_file(target) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert target.read_text() == "new" and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(("number", "words"), [(28, "disk is full"), (27, "disk is full"), (13, "disk refused")])
def test_disk_errors_are_named(number: int, words: str) -> None:
    with pytest.raises(StorageError, match=words), storage_errors("a test was written"):
        raise OSError(number, "reason")


def test_missing_and_empty_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, words in ((tmp_path / "empty", "is empty"), (tmp_path / "none", "no file")):
        with pytest.raises(InputError, match=words):
            require_file(path, "shown.csv")
