"""The models page: live model, playground, batch, card, program, table."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.project import Project
from studio.widgets.playground import answers_frame, scores_frame

Open = Callable[..., AppTest]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("part", ["try", "batch", "card", "api", "all"])
def test_every_part_renders(open_trained: Open, part: str, language: str) -> None:
    app = open_trained("models", show=part, lang=language)
    assert not app.error


def test_without_a_model_the_page_names_the_next_step(open_page: Open, project: Project) -> None:
    app = open_page("models")
    assert len([b for b in app.button if (b.key or "").startswith("empty_train")]) == 1


def test_a_sentence_gets_its_label_all_scores_and_its_time(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    app = open_trained("models")
    app.text_area(key=f"try_text_{model.id}").set_value("money back please")
    next(b for b in app.button if b.label == "Ask the model").click().run(timeout=60)
    assert any(heading.value.startswith("refund") for heading in app.subheader)
    assert any(" ms" in caption.value for caption in app.caption)
    scores = app.dataframe[0].value
    assert scores["label"].iloc[0] == "refund" and scores["score"].sum() == pytest.approx(100, abs=0.1)


def test_a_pasted_list_gets_one_row_a_line(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    app = open_trained("models")
    app.text_area(key=f"try_text_{model.id}").set_value("money back\n\n:red[screen] cracked")
    next(b for b in app.button if b.label == "Ask the model").click().run(timeout=60)
    assert app.dataframe[0].value["text"].tolist() == ["money back", ":red[screen] cracked"]


def test_a_longer_list_says_what_was_left_out(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    app = open_trained("models")
    app.text_area(key=f"try_text_{model.id}").set_value("\n".join(f"money back {i}" for i in range(203)))
    next(b for b in app.button if b.label == "Ask the model").click().run(timeout=60)
    assert len(app.dataframe[0].value) == 200
    assert any("first 200 of 203" in caption.value for caption in app.caption)


def test_the_program_snippet_names_this_model_and_the_route(open_trained: Open, trained: Project) -> None:
    from studio.api import create_api

    snippet = open_trained("models", show="api").code[0].value
    model = trained.models()[0]
    assert f"/api/v1/models/{model.id}/predict" in snippet
    assert "/v1/models/{model_id}/predict" in create_api(lambda: trained.workspace).openapi()["paths"]


def test_a_file_is_predicted_in_the_background(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    app = open_trained("models", show="batch")
    app.file_uploader[0].upload("mails.csv", b"id,text\n1,money back now\n2,\n3,screen cracked again\n").run()
    app.button(key=f"batch_{model.id}_go").click().run()
    for _ in range(200):
        if any(b.key == f"batch_{model.id}_again" for b in app.button):
            break
        time.sleep(0.1)
        app.run()
    assert not app.error and not app.exception
    assert any("2 texts" in m.value for m in app.markdown)
    assert app.dataframe[0].value["row"].tolist() == [2], "the row without a text is named"


def test_promoting_makes_the_model_live(open_trained: Open, trained: Project) -> None:
    model = trained.models()[0]
    app = open_trained("models")
    if not model.info.champion:
        app.button(key=f"promote_{model.id}").click().run()
    champion = trained.champion()
    assert champion is not None and champion.id == model.id
    app = open_trained("models")
    assert not any((b.key or "").startswith(("promote_", "delete_model_")) for b in app.button), "the live one stays"


def test_scores_are_ranked() -> None:
    from core.records import Prediction

    answer = Prediction(label="b", score=0.7, scores={"a": 0.3, "b": 0.7})
    assert scores_frame(answer)["label"].tolist() == ["b", "a"]
    assert answers_frame(["x"], [answer])["next"].tolist() == ["a · 30.0\u00a0%"]
