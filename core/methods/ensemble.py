"""Several finished models answer together: the weighted geometric mean of their probabilities.

Which of them, and how much each counts, is chosen on the dev split by greedy selection with replacement (Caruana et al.
2004, "Ensemble Selection from Libraries of Models"), by log loss: it moves with every row, accuracy only with some.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from core.durable import MANIFEST, read_json, verify, write_json
from core.errors import ModelError, TrainingError
from core.methods.base import Estimate, MethodOptions, Predictor, Rows, RunContext, Stopped, TrainingData, Work
from core.tasks.base import Task

WEIGHTS = "ensemble.json"
PICKS = 12
"""Rounds of the selection: a weight is a multiple of one part in so many."""
LEAST_ROWS = 20
"""With fewer dev rows all members count the same."""
FLOOR = 1e-6
"""A member that is certain and wrong must not outvote all others."""
START_SECONDS, LIBRARY_BYTES = 2.0, 500_000_000
SECONDS_PER_MEMBER, MEMBER_BYTES = 0.8, 100_000_000
"""Loading a member."""
OPERATIONS_A_TOKEN, MOST_TOKENS = 2.5e7, 128
"""Half of what an encoder as small as MiniLM takes: what the members are is not known here, and some count words or
find their vectors in the cache."""


class EnsembleOptions(MethodOptions):
    """Options of an ensemble."""

    members: str = Field(
        default="",
        max_length=4000,
        description="Ids of the models that answer together, separated by commas. Empty: every finished model of this "
        "version.",
    )


class EnsemblePredictor:
    """Members and their weights in memory."""

    def __init__(self, labels: list[str], task: str, members: Sequence[Predictor], weights: Sequence[float]) -> None:
        self.labels = labels
        self.task = task
        self.members = list(members)
        self.weights = [float(weight) for weight in weights]
        self.sources: list[Path] = []
        """Folders from which ``save`` copies the members, one each."""

    def scores(self, texts: Sequence[str], texts_b: Sequence[str] | None = None) -> np.ndarray:
        """Probabilities, (len(texts), len(labels)) float32."""
        return mixed([member.scores(texts, texts_b) for member in self.members], self.weights, _many(self.task))

    def use_cache(self, cache: Path | None) -> None:
        """Let the members that read with a frozen encoder look embeddings up in this cache."""
        for member in self.members:
            if hasattr(member, "use_cache"):
                member.use_cache(cache)

    def save(self, directory: Path) -> None:
        """Copy the members into ``members/<n>`` and write their weights."""
        for number, source in enumerate(self.sources):
            _copy(source, directory / "members" / str(number))
        write_json(directory / WEIGHTS, {"weights": self.weights})


class Ensemble:
    """Models that were trained before, together."""

    name: ClassVar[str] = "ensemble"
    title: ClassVar[str] = "Together"
    summary: ClassVar[str] = (
        "Models of this version that are finished answer together; who counts how much is chosen on the dev split. "
        "Often a point better than the best of them, as slow as all of them."
    )
    tasks: ClassVar[frozenset[str]] = frozenset({"classification", "multilabel", "relation"})
    needs_base: ClassVar[bool] = False
    resumable: ClassVar[bool] = False
    Options: ClassVar[type[MethodOptions]] = EnsembleOptions

    def unsuited(self, task: str, kind: str) -> str | None:
        """Only probabilities can be mixed."""
        if task in self.tasks:
            return None
        if task == "pair":
            return "This method mixes probabilities and cannot search, and models of pairs are searched with."
        return "This method mixes probabilities of labels of whole texts; spans and written texts have none."

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Predictor:
        """Choose members on data.dev. Raises TrainingError with fewer than two models, ModelError, Stopped."""
        options = EnsembleOptions.model_validate(options.model_dump())
        folders = _chosen(options, data, context)
        members: list[Any] = []
        scores = []
        for number, folder in enumerate(folders):
            if context.should_stop():
                raise Stopped
            context.progress(number, len(folders), "asking the models")
            member = _load(folder, context.device)
            if hasattr(member, "use_cache"):
                member.use_cache(context.cache)
            members.append(member)
            scores.append(member.scores(data.dev.texts, data.dev.texts_b) if len(data.dev) else np.zeros((0, 0)))
        weights = choose_weights(scores, data.dev, data.task, data.labels)
        kept = [number for number, weight in enumerate(weights) if weight > 0]
        for number in kept:
            name = folders[number].parent.name
            facts = read_json(folders[number] / MANIFEST) or {}
            context.report("note", message=f"{facts.get('method')} ({name}) counts {weights[number]:.0%}")
        found = EnsemblePredictor(
            list(data.labels), data.task.name, [members[n] for n in kept], [weights[n] for n in kept]
        )
        found.sources = [folders[number] for number in kept]
        return found

    def load(self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification") -> Predictor:
        """Load what ``EnsemblePredictor.save`` wrote. Raises ModelError."""
        facts = read_json(directory / WEIGHTS)
        if not isinstance(facts, dict):
            raise ModelError(f"{WEIGHTS} is missing from {directory.name}.", "Repeat the run, or restore the folder.")
        members = [_load(directory / "members" / str(n), device) for n in range(len(facts["weights"]))]
        found = EnsemblePredictor(labels, task, members, facts["weights"])
        found.sources = [directory / "members" / str(n) for n in range(len(members))]
        return found

    def estimate(self, work: Work, options: MethodOptions, base: Path | None) -> Estimate:
        """Asking some models costs far less than training one."""
        count = len(member_names(options.model_dump())) or 4
        asked = (2 * work.dev + work.test) * work.mean(MOST_TOKENS)
        each = SECONDS_PER_MEMBER + asked * OPERATIONS_A_TOKEN / work.speed
        return Estimate(START_SECONDS + each * count, int(LIBRARY_BYTES + MEMBER_BYTES * count))


def mixed(scores: Sequence[np.ndarray], weights: Sequence[float], many: bool) -> np.ndarray:
    """Weighted geometric mean of probabilities, (n, labels) float32; each label for itself where there are ``many``."""
    logs = [np.log(np.clip(one.astype(np.float64), FLOOR, 1.0)) for one in scores]
    if many:
        logs = [log - np.log(np.clip(1.0 - one, FLOOR, 1.0)) for log, one in zip(logs, scores, strict=True)]
    total = np.average(logs, axis=0, weights=weights)
    if many:
        return np.asarray(1.0 / (1.0 + np.exp(-total)), np.float32)
    powers = np.exp(total - total.max(axis=1, keepdims=True)) if len(total) else total
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def choose_weights(scores: Sequence[np.ndarray], dev: Rows, task: Task, labels: Sequence[str]) -> list[float]:
    """Weight of each member, adding up to 1: what lowers the log loss on the dev rows most is picked, again and again.

    ``scores`` holds (len(dev), len(labels)) probabilities of each member.
    """
    if len(dev) < LEAST_ROWS:
        return [1.0 / len(scores)] * len(scores)
    targets, many = task.targets(dev.values, labels), task.many
    picks: list[int] = []
    best = np.inf
    for _ in range(PICKS):
        losses = []
        for number in range(len(scores)):
            counts = Counter([*picks, number])
            mix = mixed([scores[n] for n in counts], list(counts.values()), many)
            losses.append(_log_loss(mix, targets, many))
        number = int(np.argmin(losses))
        if losses[number] >= best:
            break
        best = losses[number]
        picks.append(number)
    counts = Counter(picks)
    return [counts[number] / len(picks) for number in range(len(scores))]


def _log_loss(scores: np.ndarray, targets: np.ndarray, many: bool) -> float:
    sure = np.clip(scores, FLOOR, 1 - FLOOR)
    if many:
        return float(-np.mean(np.where(targets > 0, np.log(sure), np.log(1 - sure))))
    return float(-np.log(sure[np.arange(len(targets)), targets]).mean())


def _chosen(options: EnsembleOptions, data: TrainingData, context: RunContext) -> list[Path]:
    """Model folders of the members. Raises TrainingError for one that was made for other labels or another version."""
    runs = context.directory.parent
    version = (read_json(context.directory / "config.json") or {}).get("version_hash")
    names = member_names(options.model_dump())
    found = [runs / name / "model" for name in names] or sorted(
        path.parent for path in runs.glob(f"[!.]*/model/{MANIFEST}")
    )
    kept = []
    for folder in found:
        facts = read_json(folder / MANIFEST) or {}
        fits = facts.get("task") == data.task.name and facts.get("labels") == list(data.labels)
        # Whoever learned from another version may have seen the texts on which this one is judged.
        if fits and facts.get("version_hash") == version and facts.get("method") != Ensemble.name:
            kept.append(folder)
        elif names:
            raise TrainingError(
                f"The model {folder.parent.name} is gone, or was trained on another version.",
                "Choose models of the version that this one is made for.",
            )
    if len(kept) < 2:
        raise TrainingError(
            f"Models answer together from two on, and this version has {len(kept)}.", "Train others on it first."
        )
    return kept


def member_names(options: Mapping[str, Any]) -> list[str]:
    """Ids of the runs that options of an ensemble name; nothing that could be a path."""
    return [name for part in str(options.get("members", "")).split(",") if (name := Path(part.strip()).name)]


def _load(folder: Path, device: str) -> Any:
    from core.methods import get_method

    facts = verify(folder)
    return get_method(facts["method"]).load(folder, list(facts["labels"]), device, facts["task"])


def _many(task: str) -> bool:
    from core.tasks import get_task

    return get_task(task).many


def _copy(source: Path, target: Path) -> None:
    """The files of a member; the same bytes on disk where the file system can."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, place)
        except OSError:
            shutil.copyfile(file, place)
