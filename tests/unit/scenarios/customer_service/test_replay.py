"""What a replay counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import InputError
from core.records import Progressing
from core.scenarios.customer_service.agent import Agent
from core.scenarios.customer_service.replay import Case, compare, make_case, read_cases, run_replay, share
from core.workspace import Workspace

Make = Callable[..., Agent]
CASES = [
    Case(id="1", messages=["tracking", "42817"], intent="order_status", outcome="template"),
    Case(id="2", messages=["kettle shows error E3"], faq="Error E3", outcome="retrieval"),
    Case(id="3", messages=["lamp battery dead"], faq="conv-3", outcome="retrieval"),
    Case(id="4", messages=["nice weather"], intent="out_of_scope", outcome="handover"),
    Case(id="5", messages=["where is my lawyer"], intent="order_status", outcome="handover"),
    Case(id="6", messages=["anything"]),
]


def test_figures(make_agent: Make) -> None:
    seen: list[int] = []
    result = run_replay(make_agent(), CASES, lambda step: seen.append(step.done))
    summary = result.summary
    assert seen == [0, 1, 2, 3, 4, 5]
    values = {name: (round(found.value, 3), found.of) for name, found in summary.shares.items()}
    assert values["intent_accuracy"] == (1.0, 3)
    assert values["top_1"] == (1.0, 2)
    assert values["right"] == (0.8, 5)
    assert values["false_confident"] == (0.2, 5)
    assert values["handover"] == (round(2 / 6, 3), 6)
    assert summary.flow["handover"] == {"template": 1, "retrieval": 0, "handover": 1}
    assert summary.messages == 7 and 0 < summary.milliseconds["p50"] <= summary.milliseconds["p95"]
    assert result.inputs == CASES


def test_a_change_is_told_case_by_case(make_agent: Make) -> None:
    before = run_replay(make_agent(), CASES)
    after = run_replay(make_agent(confidence=0.99, passage=0.99), CASES)
    change = compare(before, after)
    assert change.same == 5
    assert "1" in change.worse and change.better == ["5"]


def test_a_replay_can_be_stopped(make_agent: Make) -> None:
    class Stopped(Exception):
        pass

    def stop(step: Progressing) -> None:
        if step.done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        run_replay(make_agent(), CASES, stop)


def test_the_interval_is_wilsons() -> None:
    found = share([True] * 8 + [False] * 2)
    assert (round(found.low, 3), round(found.high, 3)) == (0.49, 0.943)
    assert share([]).of == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", 'messages,intent,outcome\n"[""hi"", ""42817""]",a,template\nhello,,\n'),
        ("c.jsonl", '{"messages": ["hi", "42817"], "intent": "a", "outcome": "template"}\n{"messages": "hello"}\n'),
    ],
)
def test_files_of_conversations(workspace: Workspace, tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    first, second = read_cases(workspace, tmp_path / name, name)
    assert (first.messages, first.intent, first.outcome) == (["hi", "42817"], "a", "template")
    assert (second.messages, second.intent, second.outcome) == (["hello"], None, None)


@pytest.mark.parametrize("row", [{"messages": ["x"], "outcome": "maybe"}, {"messages": 3}, {"messages": None}])
def test_unusable_rows_are_named(row: dict[str, object]) -> None:
    with pytest.raises(InputError, match="Row 2"):
        make_case(2, row["messages"], row)
