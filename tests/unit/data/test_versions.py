from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.versions import files_of, read_label_help, read_split, read_version, verify, write_version
from core.errors import NotFoundError, RefusedError, StorageError
from core.records import LabelHelp

ROWS: dict[str, Any] = {
    "item_ids": [3, 1, 2],
    "texts": ["three", "one\r\n", "two"],
    "values": ["b", "a", "a"],
    "splits": ["test", "train", "dev"],
    "labels": ["a", "b"],
    "task": "classification",
}


def test_a_version_reads_back_in_the_order_of_ids(tmp_path: Path) -> None:
    digest, counts = write_version(tmp_path / "v" / "1", **ROWS, options={"seed": 0})
    assert counts == {"train": {"a": 1}, "dev": {"a": 1}, "test": {"b": 1}}
    train = read_split(tmp_path / "v" / "1", "train")
    assert (train.ids, train.texts, train.values, train.texts_b, len(train)) == ([1], ["one\r\n"], ["a"], None, 1)
    record = verify(tmp_path / "v" / "1")
    assert (record["hash"], record["labels"], record["options"]) == (digest, ["a", "b"], {"seed": 0})
    assert sorted(path.name for path in (tmp_path / "v").iterdir()) == ["1"]


def test_the_hash_is_of_the_content_and_not_of_its_order(tmp_path: Path) -> None:
    first, _ = write_version(tmp_path / "1", **ROWS)
    turned = {name: list(reversed(value)) for name, value in ROWS.items() if name not in ("labels", "task")}
    assert write_version(tmp_path / "2", **(ROWS | turned))[0] == first


@pytest.mark.parametrize(
    "change",
    [
        {"texts": ["three", "one", "two"]},
        {"values": ["b", "a", "b"]},
        {"splits": ["test", "train", "train"]},
        {"item_ids": [4, 1, 2]},
        {"labels": ["b", "a"]},
        {"texts_b": ["x", None, None]},
    ],
)
def test_any_change_gives_another_hash(tmp_path: Path, change: dict[str, Any]) -> None:
    first, _ = write_version(tmp_path / "1", **ROWS)
    assert write_version(tmp_path / "2", **(ROWS | change))[0] != first


def test_pairs_keep_their_second_texts(tmp_path: Path) -> None:
    write_version(tmp_path / "1", **ROWS, texts_b=["c", "a", "b"])
    assert read_split(tmp_path / "1", "test").texts_b == ["c"]


def test_a_frozen_version_is_never_written_again(tmp_path: Path) -> None:
    write_version(tmp_path / "1", **ROWS)
    with pytest.raises(RefusedError):
        write_version(tmp_path / "1", **ROWS)


def test_altered_and_missing_files_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    write_version(folder, **ROWS)
    table = pq.read_table(folder / "train.parquet")
    pq.write_table(table.set_column(1, "text", pa.array(["other"])), folder / "train.parquet")
    with pytest.raises(StorageError, match="not the ones"):
        verify(folder)
    (folder / "train.parquet").write_bytes(b"PAR1 cut")
    with pytest.raises(StorageError, match="damaged"):
        verify(folder)
    (folder / "train.parquet").unlink()
    with pytest.raises(NotFoundError):
        read_split(folder, "train")
    (folder / "version.json").write_text("{")
    with pytest.raises(StorageError):
        read_version(folder)
    with pytest.raises(NotFoundError):
        read_split(folder, "../../x")


def test_texts_without_a_label_are_frozen_along_and_part_of_the_hash(tmp_path: Path) -> None:
    bare, _ = write_version(tmp_path / "1", **ROWS)
    digest, counts = write_version(tmp_path / "2", **ROWS, unlabelled=[(9, "nine"), (8, "eight")])
    assert digest != bare and set(counts) == {"train", "dev", "test"}
    others = read_split(tmp_path / "2", "unlabelled")
    assert (others.ids, others.texts, others.values) == ([8, 9], ["eight", "nine"], [None, None])
    assert files_of(tmp_path / "1") == ["train", "dev", "test"] and files_of(tmp_path / "2")[-1] == "unlabelled"
    assert verify(tmp_path / "2")["rows"]["unlabelled"] == 2
    (tmp_path / "2" / "unlabelled.parquet").unlink()
    with pytest.raises(NotFoundError, match="is missing"):
        verify(tmp_path / "2")


def test_a_full_disk_leaves_no_half_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []

    def full(table: pa.Table, path: Path, **_: Any) -> None:
        written.append(path.name)
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        path.write_bytes(b"x")

    monkeypatch.setattr("core.data.versions.pq.write_table", full)
    with pytest.raises(StorageError, match="disk is full"):
        write_version(tmp_path / "1", **ROWS)
    assert list(tmp_path.iterdir()) == []
    assert json.dumps(written)


def test_help_on_labels_is_frozen_and_part_of_the_hash(tmp_path: Path):
    bare, _ = write_version(tmp_path / "1", **ROWS)
    name = ROWS["labels"][0]
    said = {name: LabelHelp(description="When money is to come back.", example="Refund me")}
    told, _ = write_version(tmp_path / "2", **ROWS, label_help=said)
    assert told != bare and read_label_help(tmp_path / "2") == said and read_label_help(tmp_path / "1") == {}
    assert verify(tmp_path / "2")["hash"] == told
    record = json.loads((tmp_path / "2" / "version.json").read_text())
    record["label_help"][name]["description"] = "Something else."
    (tmp_path / "2" / "version.json").write_text(json.dumps(record))
    with pytest.raises(StorageError):
        verify(tmp_path / "2")
