"""What an experiment is: several runs on one frozen version that answer one question together."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from core.evaluation.messages import Message
from core.records import Record

MOST_SEEDS = 20
USED_UP = "Left out: the time was used up."
STOPPED = "Stopped: the time was used up."
TOO_LONG = "Left out: it would take about {minutes} minutes, and {left} were left."
OUT_OF_TIME = (USED_UP, STOPPED, TOO_LONG)
"""Why a trial was not trained, or not to its end, that more minutes would change."""
MOST_IN_VAIN = 3
"""Trials of a search in a row that could not begin; the next one could not either."""
Kind = Literal["compare", "search"]
ExperimentState = Literal["running", "stopped", "finished"]


class Plan(Record):
    """What was asked. Written to ``plan.json`` when the experiment begins; only ``minutes`` may be raised later."""

    id: str = Field(description="Time of the start and six random characters.")
    project_id: int
    version_id: int
    version_hash: str
    kind: Kind = Field(description="compare: methods and seeds side by side. search: options of one method.")
    device: str = "auto"
    seeds: int = Field(default=1, ge=1, le=MOST_SEEDS, description="How many seeds of each method are trained.")
    minutes: float | None = Field(
        default=None, gt=0, description="Most minutes of training; None: as long as it takes."
    )
    most_trials: int | None = Field(default=None, ge=1, le=1000, description="Most trials of a search.")
    varied: dict[str, Any] = Field(default_factory=dict, description="For a search: option -> what is tried, in words.")
    created_at: datetime


class Trial(Record):
    """One run of an experiment: what is trained, and what became of it."""

    number: int
    method: str
    base: str | None = None
    options: dict[str, Any] = Field(description="All options of the method, defaults included.")
    expected_seconds: float | None = Field(default=None, description="What the estimate said; None: not known.")
    run_id: str | None = Field(default=None, description="The run that does it; None: not begun.")
    reused: bool = Field(default=False, description="True when such a run was there already.")
    left_out: Message | None = Field(default=None, description="Why it was not trained, or not to its end.")
    ended: bool = Field(default=False, description="True when nothing more is to be done for it.")
    value: float | None = Field(default=None, description="Headline figure on the dev split.")

    @property
    def in_vain(self) -> bool:
        """True when it ended before it had a run."""
        return self.ended and self.run_id is None

    @property
    def late(self) -> bool:
        """True when more minutes would have changed what became of it."""
        return self.left_out is not None and self.left_out.key in OUT_OF_TIME


class Progress(Record):
    """How far an experiment is. Replaced in ``state.json`` after every change."""

    state: ExperimentState = "running"
    trials: list[Trial] = Field(default_factory=list)

    @property
    def stuck(self) -> bool:
        """True when the last trials could not begin, one after the other, and not for want of time."""
        last = self.trials[-MOST_IN_VAIN:]
        return len(last) == MOST_IN_VAIN and all(trial.in_vain and not trial.late for trial in last)

    def with_trial(self, trial: Trial) -> Progress:
        """The same with one trial replaced, or added."""
        others = [one for one in self.trials if one.number != trial.number]
        trials = sorted([*others, trial], key=lambda one: one.number)
        return self.model_copy(update={"trials": trials})
