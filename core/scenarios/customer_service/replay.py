"""Past conversations run through the agent as a test: what it would have answered, and whether that was right."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from core.data.importing import stage
from core.data.names import visible
from core.errors import InputError
from core.records import ColumnMapping, Progressing, Record
from core.scenarios.customer_service.agent import Agent, Answer, used_passages
from core.scenarios.customer_service.conversations import LONGEST_MESSAGE, Message
from core.scenarios.customer_service.knowledge import staged_rows

if TYPE_CHECKING:
    from core.workspace import Workspace

MOST_CASES = 5_000
MOST_TURNS = 20
Outcome = Literal["template", "retrieval", "handover"]
OUTCOMES: tuple[Outcome, ...] = ("template", "retrieval", "handover")
THRESHOLDS = ("confidence", "passage", "passage_first", "rejected")
Report = Callable[[Progressing], None]


class Case(Record):
    """A past conversation: what the customer wrote, and what should happen where that is known."""

    id: str
    messages: list[str]
    intent: str | None = Field(default=None, description="Intent of the first message.")
    faq: str | None = Field(default=None, description="Title, or id in its file, of the passage that answers.")
    outcome: Outcome | None = Field(default=None, description="Who should answer.")


class CaseResult(Record):
    """What happened to one case."""

    id: str
    message: str = Field(description="The first message.")
    intent: str | None
    predicted: str
    rank: int | None = Field(description="Place of the right passage among those found, from 1; 0: not found.")
    outcome: Outcome | None
    got: Outcome
    right: bool | None = Field(description="None where the case does not say what is right.")
    answer: str = Field(description="The last answer.")


class Share(Record):
    """A share of the cases that can be judged, with its 95 % interval (Wilson 1927)."""

    value: float
    low: float
    high: float
    of: int = Field(description="Cases that were judged.")


class ReplaySummary(Record):
    """The figures of a replay."""

    cases: int
    messages: int
    shares: dict[str, Share] = Field(
        description="intent_accuracy, top_1, top_3, top_5, containment, handover, false_confident, right."
    )
    milliseconds: dict[str, float] = Field(description="p50 and p95 of the answer of one message.")
    flow: dict[str, dict[str, int]] = Field(description="Cases by what should happen, then by what happened.")
    model: str | None = Field(default=None, description="Id of the intent model.")
    embedder: str = ""
    passages: int = 0
    thresholds: dict[str, float] = Field(default_factory=dict)


class ReplayResult(Record):
    """What a replay measured, case by case."""

    summary: ReplaySummary
    results: list[CaseResult]
    inputs: list[Case] = Field(description="The cases themselves, so that they can be run again after a change.")


class Replay(Record):
    """A stored replay as it is listed."""

    id: int
    name: str
    user: str
    at: datetime
    summary: ReplaySummary


class Change(Record):
    """Two replays of the same cases, case by case."""

    same: int = Field(description="Cases in both.")
    better: list[str] = Field(description="Ids of the cases that became right.")
    worse: list[str] = Field(description="Ids of the cases that became wrong.")


def read_cases(workspace: Workspace, path: Path, filename: str, messages: str = "messages") -> list[Case]:
    """Cases of a CSV, JSONL or other table: ``messages`` is a text or a JSON list; intent, faq, outcome may be there.

    Raises InputError that names the row.
    """
    cases = []
    mapping = ColumnMapping(text=messages)
    with stage(
        path, mapping, "classification", filename=filename, settings=workspace.settings, parent=workspace.scratch
    ) as staged:
        if staged.rows > MOST_CASES:
            raise InputError(f"'{filename}' has more than {MOST_CASES:,} conversations.", "Take a part of them.")
        for number, text, cells in staged_rows(staged.parquet):
            cases.append(make_case(number, text, cells))
    if not cases:
        raise InputError(f"'{filename}' has no conversation.", "One row is one conversation.")
    return cases


def make_case(number: int, text: Any, cells: dict[str, Any]) -> Case:
    """One row as a case. Raises InputError."""
    said: Any = text
    if isinstance(text, str):
        try:
            said = json.loads(text) if text.lstrip().startswith("[") else [text]
        except ValueError:
            said = [text]
    try:
        return Case(
            id=str(cells.get("id") or f"row {number}")[:100],
            messages=[str(one)[:LONGEST_MESSAGE] for one in said if str(one).strip()][:MOST_TURNS],
            intent=_named(cells.get("intent")),
            faq=_named(cells.get("faq")),
            outcome=cells.get("outcome") or None,
        )
    except (ValidationError, TypeError) as error:
        known = ", ".join(OUTCOMES)
        raise InputError(f"Row {number} is no conversation: its outcome is one of {known}.", "Correct it.") from error


def _named(cell: Any) -> str | None:
    return str(cell)[:200] if cell else None


def run_replay(agent: Agent, cases: Sequence[Case], progress: Report | None = None) -> ReplayResult:
    """Run all cases, message by message; ``progress`` may raise to stop it."""
    results: list[CaseResult] = []
    seconds: list[float] = []
    for done, case in enumerate(cases):
        if progress is not None:
            progress(Progressing(done=done, total=len(cases), message="replaying"))
        if case.messages:
            results.append(_run(agent, case, seconds))
    return ReplayResult(summary=_summary(agent, results, seconds), results=results, inputs=list(cases))


def compare(before: ReplayResult, after: ReplayResult) -> Change:
    """What changed between two replays."""
    then = {result.id: result.right for result in before.results}
    both = [result for result in after.results if result.right is not None and then.get(result.id) is not None]
    return Change(
        same=len(both),
        better=[result.id for result in both if result.right and not then[result.id]],
        worse=[result.id for result in both if not result.right and then[result.id]],
    )


def _summary(agent: Agent, results: Sequence[CaseResult], seconds: Sequence[float]) -> ReplaySummary:
    times = np.array(seconds) * 1000 if seconds else np.zeros(1)
    return ReplaySummary(
        cases=len(results),
        messages=len(seconds),
        shares=_shares(results),
        milliseconds={"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))},
        flow=_flow(results),
        model=agent.model.id if agent.model else None,
        embedder=agent.embedder.name,
        passages=len(agent.index.passages),
        thresholds={name: float(getattr(agent.config, name)) for name in THRESHOLDS},
    )


def _run(agent: Agent, case: Case, seconds: list[float]) -> CaseResult:
    history: list[Message] = []
    answers: list[Answer] = []
    for text in case.messages:
        started = time.perf_counter()
        answer = agent.answer(text, history)
        seconds.append(time.perf_counter() - started)
        answers.append(answer)
        history += [
            Message(role="customer", text=text),
            Message(role="agent", text=answer.text, trace=answer.trace.model_dump(mode="json")),
        ]
        if answer.trace.decision == "handover":
            break
    first = answers[0].trace
    predicted = first.intent if first.in_scope or first.intent in agent.config.handover_intents else ""
    return CaseResult(
        id=case.id,
        message=visible(case.messages[0], 200),
        intent=case.intent,
        predicted=predicted or agent.config.out_of_scope,
        rank=_rank(answers, case.faq) if case.faq else None,
        outcome=case.outcome,
        got=_got(answers[-1]),
        right=_right(answers, case),
        answer=answers[-1].text[:500],
    )


def _rank(answers: Sequence[Answer], faq: str) -> int:
    """Best place of the right passage over the messages; 0 when it was never found."""
    places = [
        place
        for answer in answers
        for place, hit in enumerate(answer.trace.passages, start=1)
        if faq in (hit.title, hit.external_id)
    ]
    return min(places, default=0)


def _got(answer: Answer) -> Outcome:
    decision = answer.trace.decision
    return "handover" if decision == "handover" else "template" if decision in ("template", "ask") else "retrieval"


def _right(answers: Sequence[Answer], case: Case) -> bool | None:
    """Whether some answer was what should have come; a hand-over is wrong where somebody could have been helped."""
    if case.outcome is None:
        return None
    if case.outcome == "handover":
        return answers[-1].trace.decision == "handover"
    if case.outcome == "template":
        return any(_got(answer) == "template" and case.intent in (None, answer.trace.intent) for answer in answers)
    told = [hit for answer in answers for hit in used_passages(answer.trace)]
    return any(case.faq in (hit.title, hit.external_id) for hit in told)


def _shares(results: Sequence[CaseResult]) -> dict[str, Share]:
    found = [result.rank for result in results if result.rank is not None]
    judged = [result for result in results if result.right is not None]
    shares = {
        "intent_accuracy": share(result.predicted == result.intent for result in results if result.intent),
        **{f"top_{k}": share(0 < rank <= k for rank in found) for k in (1, 3, 5)},
        "containment": share(result.got != "handover" for result in results),
        "handover": share(result.got == "handover" for result in results),
        "right": share(bool(result.right) for result in judged),
        "false_confident": share(not result.right and result.got != "handover" for result in judged),
    }
    return {name: value for name, value in shares.items() if value.of}


def _flow(results: Sequence[CaseResult]) -> dict[str, dict[str, int]]:
    flow: dict[str, dict[str, int]] = {}
    for result in results:
        if result.outcome:
            row = flow.setdefault(result.outcome, dict.fromkeys(OUTCOMES, 0))
            row[result.got] += 1
    return flow


def share(hits: Iterable[bool]) -> Share:
    """A share with its Wilson interval."""
    values = list(hits)
    n = len(values)
    if not n:
        return Share(value=0.0, low=0.0, high=1.0, of=0)
    p, z = sum(values) / n, 1.96
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    return Share(value=p, low=max(0.0, middle - half), high=min(1.0, middle + half), of=n)
