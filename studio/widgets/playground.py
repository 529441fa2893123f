"""Try a model: type one sentence or paste a list; label, every score and how long it took."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from core.model import Model
from core.records import Prediction
from core.tasks import get_task
from core.tasks.base import Forming
from core.tasks.pair import Pair
from core.tasks.question_answering import ANSWER, QuestionAnswering
from studio import session
from studio.i18n import _, ngettext, number, percent
from studio.services import get_model
from studio.text import escape
from studio.values import value_text
from studio.widgets.answers_view import show_in_text
from studio.widgets.choice import url_choice
from studio.widgets.search_form import PERCENT, search_form
from studio.widgets.writing_desk import writing_desk

SHOWN_SCORES = 8
MOST_TEXTS = 200
"""More than this belongs into the batch form, which shows progress."""


def playground(model: Model) -> None:
    """A form that stays filled in, and the answers to it."""
    if not get_task(model.info.task).needs_labels:
        writing_desk(model)
        return
    if model.info.task == QuestionAnswering.name:
        _ask(model)
        return
    if model.info.task == Pair.name:
        ways = {"two": _("Two texts"), "many": _("One text against many")}
        if url_choice(_("How to try it"), ways, session.TRY_HOW) == "many":
            search_form(model)
            return
    task = get_task(model.info.task)
    paired = task.paired
    with st.form(f"try_{model.id}", border=False):
        text = st.text_area(
            _("A sentence, or one a line"),
            key=f"try_text_{model.id}",
            height=110,
            placeholder=task.example if isinstance(task, Forming) else _("Type a text like those that were labelled"),
            help=_("Each text in this form: {example}").format(example=escape(task.example))
            if isinstance(task, Forming)
            else None,
        )
        second = (
            st.text_area(_("The text to compare it with, or one a line"), key=f"try_text_b_{model.id}", height=110)
            if paired
            else None
        )
        asked = st.form_submit_button(_("Ask the model"), type="primary", icon=":material/bolt:")
    texts, texts_b = _lines(text), _lines(second) if paired else None
    given = len(texts)
    if asked and texts_b is not None and len(texts_b) != len(texts):
        st.warning(_("Give as many second texts as first ones, one a line."))
    elif asked and texts:
        texts, texts_b = texts[:MOST_TEXTS], None if texts_b is None else texts_b[:MOST_TEXTS]
        with st.spinner(_("Loading the model")):
            loaded = get_model(model.id)
            started = time.perf_counter()
            answers = loaded.predict(texts, texts_b)
        texts = texts if texts_b is None else [" ↔ ".join(pair) for pair in zip(texts, texts_b, strict=True)]
        milliseconds = (time.perf_counter() - started) * 1000
        st.session_state[session.ANSWERS] = (model.id, texts, answers, milliseconds, given)
    last = st.session_state.get(session.ANSWERS)
    if last is not None and last[0] == model.id:
        _answers(last[1], last[2], last[3])
        if last[4] > len(last[1]):
            st.caption(
                _("The first {n} of {total} texts; a file of them takes any number.").format(
                    n=number(len(last[1])), total=number(last[4])
                )
            )


def _ask(model: Model) -> None:
    """One text, a question about it, and the answer marked in the text."""
    with st.form(f"ask_{model.id}", border=False):
        context = st.text_area(_("A text"), key=f"ask_text_{model.id}", height=200)
        question = st.text_input(_("A question about it"), key=f"ask_question_{model.id}")
        asked = st.form_submit_button(_("Ask the model"), type="primary", icon=":material/bolt:")
    context, question = (context or "").strip(), (question or "").strip()
    if asked and not (context and question):
        st.warning(_("Give a text and a question."))
    elif asked:
        with st.spinner(_("Loading the model")):
            loaded = get_model(model.id)
            started = time.perf_counter()
            answers = loaded.predict([context], [question])
        took = (time.perf_counter() - started) * 1000
        st.session_state[session.ANSWERS] = (model.id, [context], answers, took, 1)
    last = st.session_state.get(session.ANSWERS)
    if last is None or last[0] != model.id:
        return
    text, answer = last[1][0], last[2][0]
    st.subheader(f"{escape(value_text(answer.label, text, ''), 200)} · {percent(answer.score)}", anchor=False)
    show_in_text(text, [answer.label[0]["start"], answer.label[0]["end"]] if answer.label else [])
    st.caption(
        _("{ms} ms · there is an answer: {share}").format(ms=number(last[3]), share=percent(answer.scores[ANSWER]))
    )


def _lines(text: str | None) -> list[str]:
    return [row.strip() for row in (text or "").splitlines() if row.strip()]


def _answers(texts: list[str], answers: list[Prediction], milliseconds: float) -> None:
    each = milliseconds / len(texts)
    st.caption(
        ngettext("{n} text in {ms} ms", "{n} texts in {ms} ms", len(texts)).format(
            n=number(len(texts)), ms=number(milliseconds)
        )
        + (" · " + _("{ms} ms each").format(ms=number(each, 1)) if len(texts) > 1 else "")
    )
    if len(texts) == 1:
        st.subheader(
            f"{escape(value_text(answers[0].label, texts[0]), 100)} · {percent(answers[0].score)}", anchor=False
        )
        st.text(texts[0])
        if not answers[0].scores:
            return
        st.dataframe(
            scores_frame(answers[0]),
            hide_index=True,
            column_config={
                "label": st.column_config.TextColumn(_("Label")),
                "score": st.column_config.ProgressColumn(_("Probability"), **PERCENT),
                "given": st.column_config.CheckboxColumn(_("Given")),
            },
            height=min(38 + 35 * len(answers[0].scores), 38 + 35 * SHOWN_SCORES),
            alt=_("All scores"),
        )
        return
    st.dataframe(
        answers_frame(texts, answers),
        hide_index=True,
        column_config={
            "text": st.column_config.TextColumn(_("Text"), width="large"),
            "label": st.column_config.TextColumn(_("Label")),
            "score": st.column_config.ProgressColumn(_("Probability"), **PERCENT),
            "next": st.column_config.TextColumn(_("Second choice")),
        },
        alt=_("Answers of the model"),
    )


def scores_frame(answer: Prediction) -> pd.DataFrame:
    """Every label with its probability in percent, the most probable first; where several may apply, those given."""
    ranked = sorted(answer.scores.items(), key=lambda pair: -pair[1])
    frame = pd.DataFrame([(label, 100 * score) for label, score in ranked], columns=["label", "score"])
    if isinstance(answer.label, list):
        frame["given"] = frame["label"].isin(answer.label)
    return frame


def answers_frame(texts: list[str], answers: list[Prediction]) -> pd.DataFrame:
    """One row a text: answer, probability in percent, and the second choice with its own."""
    rows = []
    for text, answer in zip(texts, answers, strict=True):
        ranked = sorted(answer.scores.items(), key=lambda pair: -pair[1])
        second = f"{ranked[1][0]} · {percent(ranked[1][1])}" if len(ranked) > 1 else ""
        if isinstance(answer.label, list):  # beside several labels there is no second choice
            second = ""
        rows.append(
            {"text": text, "label": value_text(answer.label, text), "score": 100 * answer.score, "next": second}
        )
    frame = pd.DataFrame(rows, columns=["text", "label", "score", "next"])
    return frame if (frame["next"] != "").any() else frame.drop(columns="next")
