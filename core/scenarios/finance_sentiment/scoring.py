"""What the models say about each item: in the background, only what is missing, safe to stop and to repeat.

Texts of similar length are scored together and, where this machine gains from it, in 16 bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pydantic import Field

from core.errors import StudioError, TrainingError
from core.records import Progressing, Record
from core.storage import finance_sentiment as store

if TYPE_CHECKING:
    from core.model import Model
    from core.workspace import Workspace

CHUNK = 1024
"""Texts scored and stored at a time: what a stop loses at most, and how long another asker waits for the models."""
WORTH_MEASURING = 5_000
"""From so many texts on it pays to find out first, in some seconds, whether 16 bits are faster here."""
Report = Callable[[Progressing], None]


class Scored(Record):
    """What a round of scoring did for one role."""

    role: str
    model: str = Field(description="Id of the model.")
    items: int = Field(description="Items that it scored now.")
    seconds: float

    @property
    def per_second(self) -> float:
        """Texts a second."""
        return self.items / self.seconds if self.seconds else 0.0


def waiting(workspace: Workspace, setup_id: int, models: Mapping[str, Model]) -> dict[str, int]:
    """Role -> items that its model has not scored yet."""
    return {role: store.count_unscored(workspace.database, setup_id, role, model.id) for role, model in models.items()}


def score(
    workspace: Workspace, setup_id: int, models: Mapping[str, Model], progress: Report | None = None
) -> list[Scored]:
    """Score what is missing, role by role. What is done stays when ``progress`` raises to stop. Raises ModelError."""
    todo = {role: store.unscored(workspace.database, setup_id, role, model.id) for role, model in models.items()}
    total, done, made = sum(map(len, todo.values())), 0, []
    if total >= WORTH_MEASURING:
        measure_once(workspace)
    for role, ids in todo.items():
        started = time.monotonic()
        for start in range(0, len(ids), CHUNK):
            if progress:
                progress(Progressing(done=done, total=total, message="scoring"))
            chunk = ids[start : start + CHUNK]
            labels, scores = predict(workspace, models[role], store.texts_of(workspace.database, setup_id, chunk))
            store.insert_scores(workspace.database, setup_id, role, models[role].id, chunk, labels, scores)
            done += len(chunk)
        made.append(Scored(role=role, model=models[role].id, items=len(ids), seconds=time.monotonic() - started))
    return made


def predict(workspace: Workspace, model: Model, texts: list[str]) -> tuple[list[str], list[float]]:
    """(label, its probability) of each text, by the fastest way to the same labels. Raises ModelError."""
    if not texts:
        return [], []
    with quick(workspace):
        scores = workspace.predictors.scores(model.path, texts)  # (n, labels)
    best = scores.argmax(axis=1)
    return [model.info.labels[i] for i in best], scores.max(axis=1).tolist()


@contextmanager
def quick(workspace: Workspace) -> Iterator[None]:
    """Let encoders compute in bfloat16 inside the block, on a processor that was measured to gain from it."""
    if not pays_off(workspace):
        yield
        return
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


def pays_off(workspace: Workspace) -> bool:
    """Whether this processor was measured to be faster in bfloat16."""
    from core.training import hardware

    return bool(hardware.pays_off(hardware.measured(workspace.path / "cache"), "cpu", "bfloat16"))


def measure_once(workspace: Workspace) -> None:
    """Measure the processor unless that was done; without a result everything works in 32 bits."""
    from core.training import hardware

    if "cpu" in hardware.measured(workspace.path / "cache"):
        return
    try:
        workspace.measure_hardware()
    except (TrainingError, StudioError):
        return
