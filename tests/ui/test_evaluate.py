"""The evaluate page: verdict, figures, classes, confusions, mistakes, confidence, downloads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.project import Project
from studio import services

Open = Callable[..., AppTest]
PARTS = ("beside", "classes", "confusion", "mistakes", "confidence")


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_without_a_model_the_page_names_the_next_step(open_page: Open, project: Project, language: str) -> None:
    app = open_page("evaluate", lang=language)
    assert len([b for b in app.button if (b.key or "").startswith("empty_train")]) == 1


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("part", PARTS)
def test_every_part_renders(open_trained: Open, part: str, language: str) -> None:
    app = open_trained("evaluate", part=part, lang=language)
    assert not app.error
    assert len(app.metric) == 4


def test_the_figures_are_those_of_core(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    for split in ("test", "dev"):
        result = model.evaluate(split=split, beside=False)
        app = open_trained("evaluate", split=split)
        shown = {m.label: m.value for m in app.metric}
        assert shown["Right answers"].replace("\u00a0", " ") == f"{100 * result.accuracy:.1f} %"
        assert shown["Every class alike"].replace("\u00a0", " ") == f"{100 * result.macro_f1:.1f} %"


def test_class_scores_are_numbers_so_that_they_sort(open_trained: Open, trained: Project) -> None:
    table = open_trained("evaluate", part="classes").dataframe[0].value
    assert set(table["label"]) == {label.name for label in trained.labels}
    assert table["f1"].dtype == float and table["support"].sum() == trained.versions()[0].rows("test")


def test_labels_are_not_interpreted(open_trained: Open, hostile: str) -> None:
    """A label made of Markdown and HTML is shown as it is written, in sentences, tables and figures."""
    app = open_trained("evaluate", part="confusion")
    for element in (*app.markdown, *app.caption, *app.subheader):
        assert hostile not in element.value
    figure = app.get("plotly_chart")[0].proto.spec
    assert "&lt;b&gt;" in figure or "\\u0026lt;b" in figure


def test_a_label_of_the_matrix_leads_to_its_texts(trained: Project) -> None:
    result = services.get_evaluation(trained.models()[0], "test")
    ids = result.items("refund", "refund")
    assert ids and {trained.item(i).label for i in ids} == {"refund"}


def test_an_evaluation_is_worked_out_once(trained: Project) -> None:
    model = trained.models()[0]
    assert services.get_evaluation(model, "test") is services.get_evaluation(model, "test")
