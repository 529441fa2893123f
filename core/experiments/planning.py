"""Which runs an experiment consists of, before the first one starts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.errors import InputError, RefusedError, StudioError
from core.experiments.records import MOST_SEEDS, Plan, Progress, Trial
from core.experiments.search import ranges, words
from core.methods import COMPOSED, all_methods, get_method

if TYPE_CHECKING:
    from core.project import Project, Version


def plan_comparison(
    project: Project,
    version: Version,
    methods: Sequence[str] | None,
    base: str | None,
    seeds: int,
    minutes: float | None,
    device: str,
    options: dict[str, Any],
) -> tuple[Plan, Progress]:
    """Every method once a seed: the first seed of all of them comes first, and within it what is quick.

    ``methods`` None takes all that suit the project's task and the base. Raises InputError, RefusedError.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(f"{seeds} seeds cannot be trained.", f"Choose 1 to {MOST_SEEDS}.")
    names = list(dict.fromkeys(methods)) if methods is not None else suitable(project, base)
    if not names:
        raise RefusedError("No method suits this task and this base model.", "Choose another base model.")
    if options and len(names) > 1:
        raise InputError("Options belong to one method, and there are several.", "Give one method, or no options.")
    first = int(options.get("seed", 0))
    kinds = sorted((_trial(project, version, name, base, device, options) for name in names), key=_cost)
    trials = [
        kind.model_copy(
            update={"number": round_ * len(kinds) + place, "options": {**kind.options, "seed": first + round_}}
        )
        for round_ in range(seeds)
        for place, kind in enumerate(kinds)
    ]
    plan = Plan(**_facts(version), kind="compare", device=device, seeds=seeds, minutes=minutes)
    return plan, Progress(trials=trials)


def plan_search(
    project: Project,
    version: Version,
    method: str,
    base: str | None,
    trials: int | None,
    minutes: float | None,
    device: str,
    options: dict[str, Any],
    varied: Sequence[str] | None,
) -> tuple[Plan, Progress]:
    """The options that a search tries; the first trial has the options as given. Raises InputError, RefusedError."""
    if trials is None and minutes is None:
        raise InputError("A search without an end was asked for.", "Give a number of trials, or minutes.")
    if not version.rows("dev"):
        raise RefusedError("A search chooses on the dev split, and this version has none.", "Freeze one with dev > 0.")
    first = _trial(project, version, method, base, device, options)
    found = ranges(get_method(method), project.task.name)
    unknown = [name for name in varied or () if name not in found]
    if unknown or not found:
        raise InputError(
            f"'{(unknown or [method])[0]}' has nothing that a search could try.",
            f"Options it can try: {', '.join(found) or 'none'}.",
        )
    chosen = [name for name in (varied or found) if name not in options]
    if not chosen:
        raise InputError("Every option that could be tried was given.", "Leave one of them open.")
    plan = Plan(
        **_facts(version),
        kind="search",
        device=device,
        minutes=minutes,
        most_trials=trials,
        varied={name: words(found[name], first.options[name]) for name in chosen},
    )
    return plan, Progress(trials=[first])


def suitable(project: Project, base: str | None) -> list[str]:
    """Names of the methods that can do the project's task with this base, in the order of the form."""
    return [method.name for method in all_methods(project.task.name) if project.unsuited(method.name, base) is None]


def _trial(
    project: Project, version: Version, method: str, base: str | None, device: str, options: dict[str, Any]
) -> Trial:
    config = project.configure(version, method, base, device, options)
    seconds = None
    try:
        cost = project.estimate(version, method, base, device, **options)
        seconds = cost.seconds if cost else None
    except StudioError:  # the run itself will say what is wrong with the base
        seconds = None
    return Trial(number=0, method=method, base=config.base, options=config.options, expected_seconds=seconds)


def _cost(trial: Trial) -> tuple[bool, bool, float]:
    """What comes first: the baseline, what is quick, what nobody can tell; last what is made of the others."""
    seconds = float("inf") if trial.expected_seconds is None else trial.expected_seconds
    return trial.method in COMPOSED, trial.method != "baseline", seconds


def _facts(version: Version) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        "project_id": version.info.project_id,
        "version_id": version.id,
        "version_hash": version.hash,
        "created_at": now,
    }
