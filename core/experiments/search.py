"""Hyper-parameter search with Optuna: which options to try next, and which trial is not worth going on with.

The study is a journal file in the experiment's folder, so a search goes on after a restart where it was. Trials are
chosen by a tree-structured Parzen estimator (Bergstra et al. 2011); one whose dev figure is below the median of the
others at the same epoch is stopped (Golovin et al. 2017, section 3.2.2).
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from core.durable import write_atomic
from core.methods.base import Method, Range, options_for

STUDY = "study"
RANDOM_TRIALS = 6
"""Trials that are drawn at random before earlier ones guide the choice."""
PRUNE_AFTER_TRIALS, PRUNE_AFTER_EPOCHS = 4, 1
"""A median needs some trials, and the first epoch says little."""


def ranges(method: Method, task: str) -> dict[str, Range]:
    """What a search can try of a method's options, by name."""
    return dict(options_for(method, task).SEARCHED)


def bounds(tried: Range, default: Any) -> tuple[float, float]:
    """(lowest, highest) value that is tried."""
    factor = float(default or 1.0) if tried.of_default else 1.0
    return tried.low * factor, tried.high * factor


def words(tried: Range, default: Any) -> str:
    """What is tried, as people write it: ``16, 32, 64`` or ``2e-05 to 0.001``."""
    if tried.choices:
        return ", ".join(map(str, tried.choices))
    low, high = bounds(tried, default)
    return f"{low:g} to {high:g}"


def _mend(journal: Path) -> None:
    """Take away what a killed process or a full disk left: half a line, with which the journal would never be read
    again, and its lock, which would be waited for. Only this process writes here, for the workspace is open once."""
    journal.with_name(journal.name + ".lock").unlink(missing_ok=True)
    lines = journal.read_bytes().splitlines(keepends=True) if journal.exists() else []
    whole = [line for line in lines if _is_whole(line)]
    if whole != lines:
        write_atomic(journal, b"".join(whole))


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


class Search:
    """The study of one search."""

    def __init__(self, folder: Path, method: Method, task: str, first: dict[str, Any], varied: list[str]) -> None:
        self.folder = folder
        self.first = first
        """Options of the first trial."""
        found = ranges(method, task)
        self.ranges = {name: found[name] for name in varied if name in found}

    @cached_property
    def study(self) -> Any:
        """The Optuna study, made on first use and read again from its file."""
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal = self.folder / "optuna.jsonl"
        _mend(journal)
        storage = JournalStorage(JournalFileBackend(str(journal)))
        study = optuna.create_study(storage=storage, study_name=STUDY, direction="maximize", load_if_exists=True)
        study.pruner = optuna.pruners.MedianPruner(PRUNE_AFTER_TRIALS, PRUNE_AFTER_EPOCHS + 1)
        if not study.trials:
            study.enqueue_trial({name: self.first[name] for name in self.ranges})
        return study

    def ask(self, number: int) -> dict[str, Any]:
        """All options of a trial: those of an earlier question when it was asked already, else the next to try."""
        from optuna.samplers import TPESampler
        from optuna.trial import Trial, TrialState

        known = dict(enumerate(self.study.trials)).get(number)
        if known is not None and (known.state.is_finished() or self.ranges.keys() <= known.params.keys()):
            return {**self.first, **known.params}

        # Seeded anew for each trial: the same search gives the same trials, resumed in between or not.
        seed = int(self.first.get("seed", 0)) * 1_000 + number
        self.study.sampler = TPESampler(n_startup_trials=RANDOM_TRIALS, seed=seed)
        if known is None or known.state == TrialState.WAITING:
            return {**self.first, **self.study.ask(self._distributions()).params}
        trial = Trial(self.study, known._trial_id)  # a kill or a full disk came between its options
        return {**self.first, **{name: trial._suggest(name, one) for name, one in self._distributions().items()}}

    def tell(self, number: int, value: float | None, pruned: bool = False) -> None:
        """How a trial ended: its dev figure, None when it failed; told twice it stays as it was."""
        from optuna.trial import TrialState

        if self.study.trials[number].state.is_finished():
            return
        if pruned:
            self.study.tell(number, state=TrialState.PRUNED)
        elif value is None:
            self.study.tell(number, state=TrialState.FAIL)
        else:
            self.study.tell(number, value)

    def hopeless(self, number: int, epochs: dict[int, float]) -> bool:
        """Whether a running trial should be stopped, after its dev figures by epoch."""
        trial = self.note(number, epochs)
        return trial is not None and bool(epochs) and bool(trial.should_prune())

    def note(self, number: int, epochs: dict[int, float]) -> Any:
        """Keep the dev figures of a trial by epoch, which later ones are held against; None once it has ended."""
        import optuna

        frozen = self.study.trials[number]
        if frozen.state.is_finished():
            return None
        trial = optuna.trial.Trial(self.study, frozen._trial_id)
        for epoch, value in epochs.items():
            if epoch not in frozen.intermediate_values:
                trial.report(value, epoch)
        return trial

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, Any] = {}
        for name, tried in self.ranges.items():
            default = self.first[name]
            low, high = bounds(tried, default)
            if tried.choices:
                # What was asked for belongs to what is tried, or the first trial could not be among them.
                found[name] = CategoricalDistribution([*tried.choices, *({default} - set(tried.choices))])
            elif isinstance(default, int) and not isinstance(default, bool):
                found[name] = IntDistribution(min(int(low), default), max(int(high), default), log=tried.log)
            else:
                found[name] = FloatDistribution(min(low, default), max(high, default), log=tried.log)
        return found
