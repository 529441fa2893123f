"""What is worked out once and kept in memory while its workspace is open: search indexes, scope checks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from core.workspace import Workspace

MOST_KEPT = 8
T = TypeVar("T")


class _Shelf:
    """The things kept for one workspace; each is made by one caller while the others wait for it."""

    def __init__(self) -> None:
        self.kept: OrderedDict[Hashable, tuple[Hashable, Any]] = OrderedDict()
        self.making: dict[Hashable, threading.Lock] = {}
        self.lock = threading.Lock()


_shelves: WeakKeyDictionary[Workspace, _Shelf] = WeakKeyDictionary()
_shelves_lock = threading.Lock()


def remembered(workspace: Workspace, name: Hashable, stamp: Hashable, make: Callable[[Any], T]) -> T:
    """What ``make`` made for this ``name`` and ``stamp``; made anew when the stamp changed.

    ``make`` gets what there was under an older stamp, or None, so that it need not begin from nothing.
    """
    with _shelves_lock:
        shelf = _shelves.setdefault(workspace, _Shelf())
    with shelf.lock:
        found = shelf.kept.get(name)
        if found is not None and found[0] == stamp:
            shelf.kept.move_to_end(name)
            value: T = found[1]
            return value
        making = shelf.making.setdefault(name, threading.Lock())
    with making:
        with shelf.lock:
            found = shelf.kept.get(name)
        if found is not None and found[0] == stamp:
            value = found[1]
            return value
        value = make(None if found is None else found[1])
        with shelf.lock:
            shelf.kept[name] = (stamp, value)
            shelf.kept.move_to_end(name)
            while len(shelf.kept) > MOST_KEPT:
                shelf.kept.popitem(last=False)
        return value


def is_remembered(workspace: Workspace, name: Hashable, stamp: Hashable) -> bool:
    """Whether ``remembered`` would answer at once."""
    shelf = _shelves.get(workspace)
    found = shelf.kept.get(name) if shelf else None
    return found is not None and found[0] == stamp
