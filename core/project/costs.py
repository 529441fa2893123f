"""What a run will cost before it starts: counted, and corrected by what runs of this machine took."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from core.data.versions import files_of, read_split
from core.methods.base import Estimate, Method, MethodOptions, Rows, Work
from core.methods.neural_options import LoopOptions
from core.project.versions import Version
from core.tasks import get_task
from core.training import pace
from core.training.workload import machine_speed, on_devices, workload


@lru_cache(maxsize=8)
def _work(path: Path, digest: str, task: str, base: Path | None, labels: int) -> Work:
    """What there is to do on a version, which never changes."""
    splits = {name: Rows(**vars(read_split(path, name))) for name in files_of(path)}
    sizes = {name: len(rows) for name, rows in splits.items() if name != "train"}
    return workload(splits["train"], get_task(task), base, labels=labels, **sizes)


def estimate(
    method: Method, options: MethodOptions, version: Version, base: Path | None, devices: tuple[str, ...], cache: Path
) -> Estimate:
    """Seconds, memory and the share of texts that are cut, for a run on this version."""
    task = version.project.task
    options = method.Options.model_validate(options.model_dump())  # with those that would do nothing for this task
    work = on_devices(
        _work(version.path, version.hash, task.name, base, len(version.labels)), devices, cache, pace.REFERENCE
    )
    known = None
    if isinstance(options, LoopOptions):
        known = pace.expected(cache, pace.kind_of(work, method.name, options, base))
    if known is not None:
        cost = pace.corrected(method.estimate(work, options, base), known)
    else:
        cost = method.estimate(replace(work, speed=machine_speed(devices, cache)), options, base)
    # Spans and answers are looked for in windows of a long text: nothing is cut.
    whole = task.needs_labels and not task.scored
    limit = None if whole else getattr(options, "max_length", None)
    return replace(cost, cut_share=float((work.lengths > limit).mean()) if limit else 0.0)
