"""A zipped dataset: what counts as one, and what is refused."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data import archive
from core.errors import InputError


def parquet(*texts: str) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": list(texts)}), out)
    return out.getvalue()


def packed(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize("folder", ["", "my-dataset/"])
def test_the_parts_of_a_dataset_are_read(run: Callable[..., Any], tmp_path: Path, folder: str) -> None:
    content = packed(
        **{
            f"{folder}data/b.parquet": parquet("second"),
            f"{folder}data/a.parquet": parquet("first"),
            f"{folder}README.md": b"# Hello",
            "../data/c.parquet": parquet("out of the folder"),
            "data/../../d.parquet": parquet("out of the folder"),
        }
    )
    assert run(content, "dataset.zip", label=None).column("text") == ["first", "second"]
    assert sorted(path.name for path in tmp_path.rglob("*.parquet")) == []


def test_other_archives_are_no_tables(run: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="without the Parquet files of a dataset"):
        run(packed(**{"a.csv": b"text\none\n"}), "files.zip")
    with pytest.raises(InputError, match="cannot be read"):
        run(packed(**{"data/a.parquet": b"PAR1 but no more"}), "files.zip")


def test_an_archive_that_unpacks_to_too_much_is_refused(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "BOMB_BYTES", 1_000_000)
    bomb = packed(**{f"data/{n}.parquet": bytes(600_000) for n in range(2)})
    with pytest.raises(InputError, match="unpacks to more than"):
        run(bomb, "dataset.zip")


def test_an_archive_that_lies_about_its_size_is_refused(run: Callable[..., Any]) -> None:
    content = bytearray(packed(**{"data/a.parquet": bytes(50_000)}))
    for at in (content.rfind(b"PK\x01\x02") + 24, 22):
        content[at : at + 4] = (10).to_bytes(4, "little")
    with pytest.raises(InputError):
        run(bytes(content), "dataset.zip")
