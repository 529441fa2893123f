"""A whole file through a model: read in a process of its own, predicted in chunks, written beside its rows."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.exchange import escape_formula
from core.data.files import storage_errors, whole_file
from core.data.importing import stage
from core.errors import InputError
from core.methods.base import Stopped
from core.records import ColumnMapping, Prediction, Progressing, RejectedRow
from core.settings import Settings
from core.tasks.multilabel import as_cell

CHUNK = 512
"""Texts predicted at a time: the step of progress and of stopping."""
OUR_COLUMNS = ("row", "text", "predicted_label", "predicted_score")

Predict = Callable[..., list[Prediction]]
"""Of texts, and for pairs of second texts."""
Report = Callable[[Progressing], None]
MOST_REJECTED = 100_000
"""Rows without an answer that are listed."""


@dataclass(frozen=True)
class PredictedFile:
    """What became of the rows of a file."""

    rows: int
    """Rows written with their answer."""
    rejected: list[RejectedRow]
    """Rows left out, with reasons; at most ``MOST_REJECTED``."""


def predict_file(
    predict: Predict,
    path: Path,
    out: Path,
    text: str = "text",
    text_b: str | None = None,
    filename: str | None = None,
    settings: Settings | None = None,
    progress: Report | None = None,
    cancelled: Callable[[], bool] | None = None,
    task: str = "classification",
) -> PredictedFile:
    """Predict the column ``text`` of a file and write every row with its answer to ``out``.

    ``text_b`` names the column of the second texts of pairs, ``task`` the task whose texts these are. ``out`` ends in
    .csv or .jsonl. Rows without a text are left out and listed; ``row`` counts as in the file, from 1. Raises
    InputError for an unusable file or ending, StorageError when the disk fails, Stopped when ``cancelled`` says so;
    then ``out`` is not touched.
    """
    writer = _WRITERS.get(out.suffix.lower())
    if writer is None:
        raise InputError(f"Predictions cannot be written as '{out.suffix}'.", "Choose .csv or .jsonl.")
    mapping = ColumnMapping(text=text, text_b=text_b)
    with stage(
        path, mapping, task, filename, settings=settings, progress=progress, cancelled=cancelled, strict=True
    ) as staged:
        others = [column for column in staged.columns if column != text]
        answered = _answer(_rows(staged.parquet, text_b), predict, staged.rows, progress, cancelled)
        with storage_errors("predictions were written"), whole_file(out) as temporary:
            rows = writer(answered, others, temporary)
        return PredictedFile(rows, staged.rejected(MOST_REJECTED))


def _rows(parquet: Path, text_b: str | None) -> Iterator[dict[str, Any]]:
    """Rows of a staged file: row number, text, second text, and the columns but the text as a dict."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file:
        for batch in file.iter_batches(batch_size=CHUNK, columns=["row", "text", "text_b", "meta"]):
            for row in batch.to_pylist():
                others = json.loads(row["meta"] or "{}") | ({text_b: row["text_b"]} if text_b else {})
                yield {"row": row["row"], "text": row["text"], "text_b": row["text_b"], "others": others}


def _answer(
    rows: Iterable[dict[str, Any]],
    predict: Predict,
    total: int,
    progress: Report | None,
    cancelled: Callable[[], bool] | None,
) -> Iterator[dict[str, Any]]:
    """The rows with ``label`` and ``score``, predicted chunk by chunk."""
    done = 0
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        if cancelled and cancelled():
            raise Stopped
        texts, second = ([row[name] for row in chunk] for name in ("text", "text_b"))
        for row, prediction in zip(chunk, predict(texts) if None in second else predict(texts, second), strict=True):
            yield {**row, "label": _in_words(prediction.label), "score": round(prediction.score, 4)}
        done += len(chunk)
        if progress:
            progress(Progressing(done=done, total=total, message="predicting"))


def _in_words(label: Any) -> Any:
    """An answer as one reads it in a table: several labels in one cell, the text of an answer; spans as they are."""
    if isinstance(label, list) and all(isinstance(part, str) for part in label):
        return as_cell(label)
    if isinstance(label, list) and all(isinstance(part, dict) for part in label):
        return as_cell([part["text"] for part in label])
    return label


def _write_csv(rows: Iterable[dict[str, Any]], others: list[str], path: Path) -> int:
    """UTF-8 with a byte order mark for spreadsheets; cells that would run as a formula get an apostrophe."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([escape_formula(name) for name in (*OUR_COLUMNS, *map(_free_name, others))])
        for row in rows:
            said = row["label"] if isinstance(row["label"], str) else json.dumps(row["label"], ensure_ascii=False)
            cells = [row["text"], said, *(row["others"].get(name) or "" for name in others)]
            text, label, *rest = map(escape_formula, cells)
            writer.writerow([row["row"], text, label, row["score"], *rest])
            count += 1
    return count


def _write_jsonl(rows: Iterable[dict[str, Any]], others: list[str], path: Path) -> int:
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            ours = dict(zip(OUR_COLUMNS, (row["row"], row["text"], row["label"], row["score"]), strict=True))
            rest = {_free_name(name): row["others"].get(name) for name in others}
            file.write(json.dumps({**ours, **rest}, ensure_ascii=False) + "\n")
            count += 1
    return count


def _free_name(name: str) -> str:
    """A column of the file under a name that is not one of ours."""
    return f"input_{name}" if name in OUR_COLUMNS else name


_WRITERS: dict[str, Callable[[Iterable[dict[str, Any]], list[str], Path], int]] = {
    ".csv": _write_csv,
    ".jsonl": _write_jsonl,
}
