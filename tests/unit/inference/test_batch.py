"""A file of texts becomes a file of answers: every row kept, formulas neutralised, nothing half-written."""

import csv
import errno
import json

import pytest

from core.errors import InputError, ModelError, StorageError
from core.inference import batch
from core.inference.batch import predict_file
from core.methods.base import Stopped
from core.records import Prediction, Progressing

ROWS = 'body,row,note\n"=1+1",7,001\n,3,left out\nhello,8,@cmd\n你好,9,\n'


def shout(texts):
    """A model whose label is a formula."""
    return [Prediction(label="-refund", score=0.5, scores={}) for _ in texts]


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def test_csv_keeps_rows_and_columns_and_neutralises_formulas(source, tmp_path):
    out = tmp_path / "out.csv"
    done = predict_file(shout, source, out, text="body")
    assert done.rows == 3 and [(row.row, row.reason) for row in done.rejected] == [(2, "the text is empty")]
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "row": "1", "text": "'=1+1", "predicted_label": "'-refund", "predicted_score": "0.5",
        "input_row": "7", "note": "001",
    }  # fmt: skip
    assert [row["row"] for row in rows] == ["1", "3", "4"]
    assert rows[1]["note"] == "'@cmd" and rows[2]["text"] == "你好"


def test_jsonl_is_written_as_it_is(source, tmp_path):
    out = tmp_path / "out.jsonl"
    predict_file(shout, source, out, text="body")
    first = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    assert (first["text"], first["predicted_label"], first["note"]) == ("=1+1", "-refund", "001")


def test_progress_reaches_the_end_in_chunks(source, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK", 2)
    seen: list[Progressing] = []
    predict_file(shout, source, tmp_path / "out.csv", text="body", progress=seen.append)
    assert [(p.done, p.total) for p in seen if p.message == "predicting"] == [(2, 3), (3, 3)]


def test_stopping_or_failing_leaves_the_old_file(source, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "CHUNK", 1)
    out = tmp_path / "out.csv"
    out.write_text("old")
    answered = []

    def count(texts):
        answered.extend(texts)
        return shout(texts)

    with pytest.raises(Stopped):
        predict_file(count, source, out, text="body", cancelled=lambda: bool(answered))

    def fail(texts):
        raise ModelError("gone")

    with pytest.raises(ModelError):
        predict_file(fail, source, out, text="body")
    assert out.read_text() == "old" and sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_full_disk_is_a_clear_error(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(batch._WRITERS, ".csv", full)
    with pytest.raises(StorageError, match="disk is full"):
        predict_file(shout, source, tmp_path / "out.csv", text="body")
    assert not (tmp_path / "out.csv").exists()


def test_other_endings_and_missing_columns_are_refused(source, tmp_path):
    with pytest.raises(InputError, match=r"\.xlsx"):
        predict_file(shout, source, tmp_path / "out.xlsx", text="body")
    with pytest.raises(InputError, match="text"):
        predict_file(shout, source, tmp_path / "out.csv", text="text")
