"""The items of a shop as arrays. Knows nothing of people or storage."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field
from scipy import sparse

from core.records import Record

SEPARATOR = "|"
"""Between the categories of an item that has several."""


class Item(Record):
    """One item as pages and API show it."""

    id: str
    title: str
    description: str = ""
    categories: list[str] = Field(default_factory=list)
    price: float | None = None


@dataclass(frozen=True, eq=False)
class Catalog:
    """All items; every array is relative to ``ids``."""

    ids: list[str]
    titles: list[str]
    descriptions: list[str]
    categories: list[str]
    """Different category names, sorted."""
    has_category: sparse.csr_matrix
    """(items, categories) 0 or 1."""
    prices: np.ndarray
    """(items,) float64, NaN where unknown."""
    added: np.ndarray
    """(items,) float64 days since 1970-01-01, NaN where unknown."""
    index: dict[str, int]
    """By id: the row."""

    @classmethod
    def of(cls, columns: Mapping[str, Any]) -> Catalog:
        """From equally long columns: key, title, description, category, price, added_on."""
        split = [split_categories(cell) for cell in columns["category"]]
        names = sorted({name for row in split for name in row})
        number = {name: i for i, name in enumerate(names)}
        rows = np.repeat(np.arange(len(split)), [len(row) for row in split])
        places = np.array([number[name] for row in split for name in row], dtype=np.int64)
        ids = [str(key) for key in columns["key"]]
        return cls(
            ids=ids,
            titles=[str(title) for title in columns["title"]],
            descriptions=[str(text) for text in columns["description"]],
            categories=names,
            has_category=sparse.csr_matrix(
                (np.ones(len(rows), np.float32), (rows, places)), shape=(len(split), len(names))
            ),
            prices=_numbers(columns["price"]),
            added=_numbers(columns["added_on"]),
            index={key: row for row, key in enumerate(ids)},
        )

    def __len__(self) -> int:
        return len(self.ids)

    def item(self, row: int) -> Item:
        """One item."""
        price = float(self.prices[row])
        first, last = self.has_category.indptr[row : row + 2]
        return Item(
            id=self.ids[row],
            title=self.titles[row],
            description=self.descriptions[row],
            categories=[self.categories[place] for place in self.has_category.indices[first:last]],
            price=None if np.isnan(price) else price,
        )

    def text(self, row: int) -> str:
        """What a model reads of an item; empty where it has neither title nor description of its own."""
        own = self.titles[row] if self.titles[row] != self.ids[row] else ""
        category = ", ".join(self.item(row).categories)
        words = ". ".join(part.strip().rstrip(".") for part in (own, category, self.descriptions[row]) if part.strip())
        return words if own or self.descriptions[row].strip() else ""

    def texts(self) -> list[str]:
        """``text`` of every item."""
        return [self.text(row) for row in range(len(self))]


def split_categories(cell: Any) -> list[str]:
    """Categories of a cell: one, several with | between them, or a JSON list."""
    text = str(cell or "").strip()
    if text.startswith("["):
        try:
            listed = json.loads(text)
        except ValueError:
            listed = None
        if isinstance(listed, list):
            text = SEPARATOR.join(str(entry).replace(SEPARATOR, " ") for entry in listed)
    return list(dict.fromkeys(name for part in text.split(SEPARATOR) if (name := " ".join(part.split())[:100])))


def _numbers(values: Iterable[Any]) -> np.ndarray:
    """(n,) float64; DuckDB hands out masked arrays."""
    return np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
