"""Figures say their finding, keep the raw labels for clicks, and show hostile labels literally."""

import json
from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import pytest

from core import plots
from core.evaluation import Evaluation
from core.experiments import Trial
from core.experiments.standing import Contender, Standing
from core.plots import experiments

HOSTILE = ["<b>bold</b>", "$\\alpha$ %{x}", "line\nbreak\x00"]
EVENTS: list[dict[str, Any]] = [{"kind": "step", "step": i, "loss": 1.0 / (i + 1)} for i in range(5)]
EVENTS += [{"kind": "epoch", "step": 4, "epoch": 1, "metrics": {"accuracy": 0.75}}]


STANDING = Standing(
    contenders=[
        Contender(
            method=method, base=None, changed={}, runs=["1"], figure="accuracy", dev=dev, test=dev, low=dev, high=dev,
            spread=0.01, by_seed=[dev, dev], seconds=seconds, peak_memory_bytes=1, trainable_weights=None, size_bytes=1,
        )
        for method, dev, seconds in (("full", 0.9, 300.0), ("lora", 0.8, 400.0), ("features", 0.7, 10.0))
    ]
)  # fmt: skip
TRIALS = [
    Trial(number=n, method="lora", options={"C": 10.0**n}, value=value) for n, value in enumerate([0.5, 0.7, 0.6])
]


@pytest.fixture
def hostile(scored) -> Evaluation:
    gold = [HOSTILE[i % 3] for i in range(60)]
    return scored(gold, [HOSTILE[(i + (i % 4 == 0)) % 3] for i in range(60)], labels=HOSTILE)


FIGURES: dict[str, Callable[..., go.Figure]] = {
    "confusion": lambda e, **k: plots.confusion_matrix(e, **k),
    "per_class": lambda e, **k: plots.per_class_f1(e, **k),
    "balance": lambda e, **k: plots.class_balance({HOSTILE[0]: 9, HOSTILE[1]: 3}, **k),
    "progress": lambda e, **k: plots.progress_per_label({HOSTILE[0]: 9, HOSTILE[1]: 3}, 5, **k),
    "lengths": lambda e, **k: plots.length_histogram([(0, 4), (10, 20), (20, 1)], limit=15, **k),
    "curves": lambda e, **k: plots.training_curves({HOSTILE[0]: EVENTS, "b": EVENTS}, **k),
    "reliability": lambda e, **k: plots.reliability_diagram(e, **k),
    "pareto": lambda e, **k: experiments.pareto(STANDING, "seconds", lambda one: HOSTILE[0], **k),
    "seeds": lambda e, **k: experiments.seeds(STANDING.contenders, lambda one: HOSTILE[1], **k),
    "search": lambda e, **k: experiments.search_history(TRIALS, **k),
    "search_options": lambda e, **k: experiments.search_options(TRIALS, ["C"], lambda name: HOSTILE[2], **k),
    "comparison": lambda e, **k: plots.score_comparison({HOSTILE[0]: e, "b": e}, **k),
}


def drawn_strings(value: object, key: str = "") -> list[str]:
    """Every string of a figure that Plotly interprets; ``customdata`` is handed to clicks as it is."""
    if isinstance(value, dict):
        return [s for k, v in value.items() if k not in ("customdata", "template") for s in drawn_strings(v, k)]
    if isinstance(value, list):
        return [s for v in value for s in drawn_strings(v, key)]
    return [value] if isinstance(value, str) and key != "hovertemplate" else []


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("palette", [plots.LIGHT, plots.DARK])
def test_labels_are_drawn_literally_in_the_palette(name, palette, hostile):
    figure = json.loads(FIGURES[name](hostile, palette=palette).to_json())
    assert not [s for s in drawn_strings(figure) if any(c in s for c in "<>$\n\x00") or "%{" in s]
    assert figure["layout"]["paper_bgcolor"] == palette.paper
    assert figure["layout"]["title"]["text"]


@pytest.mark.parametrize("name", FIGURES)
def test_every_title_is_translated(name, hostile):
    figure = FIGURES[name](hostile, translate=lambda key: "§" + key)
    assert figure.layout.title.text.startswith("§") or "§" in figure.layout.title.text


def test_a_click_on_the_confusion_matrix_names_the_labels(hostile):
    cells = plots.confusion_matrix(hostile).data[-1]
    assert (HOSTILE[0], HOSTILE[1], 5) in {tuple(cell) for cell in cells.customdata}
    assert sum(cell[2] for cell in cells.customdata) == 60


def test_confusion_matrix_says_its_finding_and_drops_numbers_when_there_is_no_room(scored, random_case):
    found = scored(*random_case(90, right=0.5))
    assert " is mistaken for " in plots.confusion_matrix(found).layout.title.text
    assert plots.confusion_matrix(found).data[-1].mode == "markers+text"
    many = [f"label {i}" for i in range(77)]
    figure = plots.confusion_matrix(scored(many, many, labels=many))
    assert figure.data[-1].mode == "markers" and figure.layout.title.text == "No mistakes on this split"


def test_curves_use_steps_with_numbers_only():
    odd: list[dict[str, Any]] = [
        {"step": 1, "loss": None},
        {"kind": "note", "message": "x"},
        {"step": "1", "loss": 2.0},
    ]
    figure = plots.training_curves({"run": [*odd, *EVENTS]})
    assert list(figure.data[0].x) == [0, 1, 2, 3, 4] and list(figure.data[1].y) == [0.75]


def test_empty_input_is_said_not_drawn():
    titles = [
        plots.class_balance({}).layout.title.text,
        plots.length_histogram([]).layout.title.text,
        plots.training_curves({}).layout.title.text,
        plots.score_comparison({}).layout.title.text,
    ]
    assert titles == ["Nothing is labelled yet", "No texts yet", "Not measured yet", "Nothing was measured"]


def test_the_front_is_a_line_through_what_is_best_for_its_cost():
    figure = experiments.pareto(STANDING, "seconds", lambda one: one.method)
    assert list(figure.data[0].x) == [10.0, 300.0] and list(figure.data[0].y) == [0.7, 0.9]
    assert {text for trace in figure.data[1:] for text in trace.text} == {"full", "lora", "features"}
    assert "full reaches 90.0 %" in figure.layout.title.text


def test_a_search_shows_the_best_so_far():
    figure = experiments.search_history(TRIALS)
    assert list(figure.data[1].y) == [0.5, 0.7, 0.7]
    assert "From 50.0 %" in figure.layout.title.text and "70.0 %" in figure.layout.title.text
    assert figure.layout.xaxis.dtick == 1, "there is no half trial"


def test_the_axis_of_a_search_ends_where_shares_end():
    flawless = [trial.model_copy(update={"value": 1.0}) for trial in TRIALS if trial.value is not None]
    for figure in (experiments.search_history(flawless), experiments.search_options(flawless, ["C"], str)):
        low, high = figure.layout.yaxis.range
        assert low < 1.0 < high < 1.02
