"""The first sheet of an Excel or OpenDocument workbook as texts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from core.data.columnar import BOMB_BYTES, BOMB_RATIO
from core.data.files import readable_size
from core.data.table import BATCH_ROWS, Batch, check_columns
from core.errors import InputError


@dataclass
class WorkbookTable:
    """One opened sheet. Row numbers count the rows below the header, as the sheet shows them."""

    sheet: Any
    columns: list[str]
    total: int
    header: bool = True
    """Whether the first row names the columns; without one it is the first row of data."""
    format: str = "excel"
    done: int = 0
    open_ended: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Workbooks are binary."""
        return None

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield rows; rows without any value are skipped."""
        cells = islice(self.sheet.iter_rows(), int(self.header), None)
        while chunk := list(islice(cells, size)):
            numbered = [(self.done + place, row) for place, row in enumerate(chunk, 1)]
            kept = [(number, list(map(cell_text, row))) for number, row in numbered]
            kept = [(number, row) for number, row in kept if any(row)]
            self.done += len(chunk)
            columns = {name: [row[at] for _, row in kept] for at, name in enumerate(self.columns)}
            yield Batch([number for number, _ in kept], columns)


def open_workbook(path: Path, header: bool = True) -> WorkbookTable:
    """Open the first sheet; its first row names the columns unless it has no ``header``. Raises InputError."""
    from python_calamine import CalamineError, load_workbook

    try:
        _refuse_bomb(path)
        book = load_workbook(str(path))
        if not book.sheet_names:
            raise InputError("The workbook has no sheet.", "Choose another file.")
        name = book.sheet_names[0]
        sheet = book.get_sheet_by_name(name)
    except (CalamineError, zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise InputError(
            f"The workbook cannot be read: {str(error)[:160]}.",
            "It may be damaged or protected by a password. Save it again as .xlsx or CSV.",
        ) from error
    first = next(sheet.iter_rows(), None)
    if first is None or (header and not any(map(cell_text, first))):
        raise InputError(f"The sheet '{name}' has no header row.", "Write the column names into its first row.")
    columns = check_columns([(header and cell_text(cell)) or "" for cell in first])
    table = WorkbookTable(sheet, columns, max(sheet.total_height - header, 1), header)
    if len(book.sheet_names) > 1:
        table.warnings.append(f"Only the first of {len(book.sheet_names)} sheets is read: '{name}'.")
    return table


def cell_text(value: Any) -> str | None:
    """A cell as people see it: whole numbers without a point, dates in ISO form."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return str(value) if not isinstance(value, timedelta) else f"{value.total_seconds():g} s"


def _refuse_bomb(path: Path) -> None:
    """Look at the sizes in the archive's directory before anything is unpacked."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    size = path.stat().st_size
    if unpacked > max(BOMB_BYTES, BOMB_RATIO * size):
        raise InputError(
            f"The workbook has {readable_size(size)} but unpacks to {readable_size(unpacked)}.",
            "Nothing was read. Save it as CSV if you trust it.",
        )
