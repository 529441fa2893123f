"""On which devices a run works, and which of the waiting runs may begin. Knows nothing of folders and workers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from core.errors import RefusedError
from core.training.hardware import choose_device, usable_gpus


def devices_for(setting: str, options: Mapping[str, Any], device: str | None = None) -> tuple[str, ...]:
    """The device of each process that shares a run, the first one's first.

    One process for each GPU where nobody chose a device or a number (``processes`` of the options; methods without it
    train alone). ``setting`` is the device as it was asked for, ``device`` the one it means here where that is known.
    Raises InputError and RefusedError as ``choose_device``, and RefusedError where there are fewer GPUs than processes.
    """
    first = device or choose_device(setting)
    asked: int | None = options.get("processes", 1)
    if not first.startswith("cuda"):
        return (first,) * (1 if asked is None or first == "mps" else asked)
    there = [first, *(gpu for gpu in usable_gpus() if gpu != first)]
    if asked is None:
        return tuple(there) if setting == "auto" else (first,)
    if asked > len(there):
        raise RefusedError(
            f"{asked} processes were asked for, and this machine has {len(there)} GPUs.",
            "Start it again with processes left automatic.",
        )
    return tuple(there[:asked])


def may_begin(waiting: Sequence[Collection[str]], busy: Collection[str]) -> list[int]:
    """Which of the waiting runs, given by the devices of each in their order, can begin beside what is ``busy``.

    A run that has to wait keeps its devices for itself: one that wants all of them gets its turn.
    """
    taken = set(busy)
    found = []
    for place, devices in enumerate(waiting):
        if taken.isdisjoint(devices):
            found.append(place)
        taken.update(devices)
    return found
