"""A Hugging Face dataset by name as a table; offline it says so at once. Runs only inside the import process."""

from __future__ import annotations

import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.data.columnar import text_columns
from core.data.names import visible
from core.data.splits import split_name
from core.data.table import BATCH_ROWS, Batch, check_columns
from core.errors import InputError, OfflineError

HUB_SECONDS = 5.0
"""How long the Hub may take to answer before we call it offline."""
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass
class DatasetTable:
    """The parts of a dataset one after the other; ``split`` names the part unless the data has such a column."""

    parts: Mapping[str, Any]
    """Part name -> `datasets.Dataset` or `IterableDataset`, all with the same features."""
    columns: list[str]
    class_names: dict[str, list[str]]
    total: int
    adds_split: bool
    format: str = "datasets"
    done: int = 0
    open_ended: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def encoding_name(self) -> str | None:
        """Arrow data is binary."""
        return None

    def batches(self, size: int = BATCH_ROWS) -> Iterator[Batch]:
        """Yield the rows of all parts. Raises InputError."""
        names = self.columns[:-1] if self.adds_split else self.columns
        for part, dataset in self.parts.items():
            for table in dataset.with_format("arrow").iter(batch_size=size):
                columns = text_columns(table.combine_chunks(), names, self.class_names)
                if self.adds_split:
                    columns["split"] = [part] * table.num_rows
                rows = range(self.done + 1, self.done + table.num_rows + 1)
                self.done += table.num_rows
                yield Batch(rows, columns)


def open_dataset(name: str, config: str | None, split: str | None, offline: bool, preview: bool) -> DatasetTable:
    """Load a dataset of the Hub, from the cache when it is there; a preview streams the first rows only.

    Raises OfflineError when it is not on this machine and the Hub does not answer, InputError when there is no such
    dataset, configuration or part.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{visible(name, 60)}' is not the name of a dataset.", "Write it as owner/name.")
    if Path(name).exists():  # the library would read that instead
        raise InputError(f"'{name}' is a file or folder here, not the name of a dataset.", "Import it as a file.")
    if offline or not _hub_answers():
        # Read once, when the library is imported.
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import datasets

    try:
        loaded = datasets.load_dataset(name, config, split=split, streaming=preview)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise InputError(f"The Hub has no dataset '{name}' that is open to everyone.", "Check the spelling.") from error
    except ConnectionError as error:
        raise OfflineError(
            f"The dataset '{name}' is not on this machine, and the Hugging Face Hub cannot be reached.",
            "Connect to the internet, or import a file instead.",
        ) from error
    except (ValueError, RuntimeError, FileNotFoundError, datasets.exceptions.DatasetsError) as error:
        # The library's own first line names the configurations and parts there are.
        raise InputError(
            f"The dataset '{name}' cannot be loaded: {visible(str(error), 300)}", "Name a configuration or part."
        ) from error
    return as_table({split or "train": loaded} if hasattr(loaded, "features") else loaded)


def as_table(parts: Mapping[str, Any]) -> DatasetTable:
    """A table of the parts that are called train, dev or test in one of the usual spellings; a lone part counts."""
    kept = {name: part for name, part in parts.items() if len(parts) == 1 or _is_split(name)}
    if not kept:
        raise InputError(f"The dataset has the parts {', '.join(parts)}.", "Name the one to import.")
    features = next(iter(kept.values())).features or {}
    if not features:
        raise InputError("The dataset does not say which columns it has.", "Download it and import the file.")
    adds_split = "split" not in features
    table = DatasetTable(
        parts=kept,
        columns=check_columns([*features, *(["split"] if adds_split else [])]),
        class_names={
            name: list(feature.names)
            for name, feature in features.items()
            if type(feature).__name__ == "ClassLabel" and feature.names
        },
        total=sum(getattr(part, "num_rows", 0) or 0 for part in kept.values()),
        adds_split=adds_split,
    )
    for name in parts:
        if name not in kept:
            table.warnings.append(f"The part '{visible(name, 40)}' is left out: it is not train, dev or test.")
    return table


def _is_split(name: str) -> bool:
    try:
        return split_name(name) is not None
    except InputError:
        return False


def _hub_answers() -> bool:
    """True when the Hub answers soon; asked in a thread because name look-ups know no time limit."""
    answered = threading.Event()
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not address.startswith(("https://", "http://")):
        return False

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=HUB_SECONDS)  # noqa: S310
        except urllib.error.HTTPError:
            answered.set()  # an error page is an answer
        except (OSError, ValueError):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_SECONDS)
    return answered.is_set()
