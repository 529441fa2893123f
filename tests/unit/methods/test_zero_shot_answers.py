"""Answers without training: the sentence nearest to the question, and what a language model copies out of the text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import InputError, ModelError, TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData, answers_of, options_for
from core.methods.language_model import LanguageModel
from core.methods.zero_shot_answers import NearestSentence, PromptedReader, relevant
from core.tasks import get_task
from core.tasks.answers import answer_at, read_back

TASK = get_task("question_answering")
LABELS = ["answer", "no answer"]
CONTEXT = "hello there today . money back please . the parcel is late again ."
PROMPT = "{examples}{context}|{question}:"


def data(dev: int = 0) -> TrainingData:
    """Three questions about one context, the last without an answer; on dev as many as wanted."""
    asked = ["where is the parcel", "what about money", "who is it"]
    values: list[Any] = [[answer_at(CONTEXT, 44, 50)], [answer_at(CONTEXT, 20, 25)], []]

    def rows(count: int) -> Rows:
        return Rows(
            list(range(count)), [CONTEXT] * count, [values[i % 3] for i in range(count)],
            [asked[i % 3] for i in range(count)],
        )  # fmt: skip

    return TrainingData(TASK, LABELS, rows(3), rows(dev), rows(3))


def fit(base: Path, context: Any, rows: TrainingData, **options: Any) -> Any:
    method = get_method("zero_shot")
    return method.fit(rows, options_for(method, TASK.name).model_validate(options), base, context)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("1815", "1815"),
        (" london.", "London"),
        ("Born in the London", "born in London"),
        ("Paris", None),
        ("18", None),
        ("the", None),
        ("", None),
    ],
)
def test_what_a_model_wrote_is_looked_up_word_by_word(said: str, found: str | None) -> None:
    context = "Ada was born in London, in 1815. She left London."
    answer = read_back(said, context)
    assert (answer and answer["text"]) == found
    assert answer is None or context[answer["start"] : answer["end"]] == found


def test_the_part_that_is_looked_through_first_decides_between_equals() -> None:
    context = "London is large. Ada lived in London."
    assert (read_back("London", context) or {})["start"] == 0
    assert (read_back("London", context, relevant(context, "Where did Ada live?")) or {})["start"] == 30
    assert (read_back("北京", "他住在北京。") or {})["start"] == 3


def test_the_nearest_sentence_is_the_answer(tiny: Path, context: Any) -> None:
    model = fit(tiny, context, data())
    said = model.answers([CONTEXT, CONTEXT, " "], ["money back please", "hello there today", "where"])
    assert [value[0]["text"] if value else "" for value in said.values] == [
        "money back please .", "hello there today .", "",
    ]  # fmt: skip
    assert said.scores[0, 0] > 0.99 and said.scores[2].tolist() == [0, 1]
    assert np.allclose(said.scores.sum(axis=1), 1) and 1 / 3 < said.confidence[0] <= 1
    assert isinstance(model, NearestSentence) and tuple(model.facts["curve"]) == (10.0, -2.0)
    assert tuple(fit(tiny, context, data(dev=60)).facts["curve"]) != (10.0, -2.0), "dev says how near an answer is"


def test_writing_is_greedy_and_as_sure_as_its_tokens(tiny_writers: Path) -> None:
    import torch

    own = LanguageModel(tiny_writers / "llama")
    prompt = own.ids("where is the parcel:")
    text, logs = own.write(own.read(prompt), 12)
    with torch.no_grad():
        out = own.model.generate(torch.tensor([prompt]), max_new_tokens=12, do_sample=False)
    written = out[0, len(prompt) :].tolist()[: len(logs)]
    assert text == own.tokenizer.decode(written, skip_special_tokens=True).strip().partition("\n")[0].strip()
    assert own.chances(own.read(prompt), [written])[0] == pytest.approx(logs.sum(), abs=1e-3)


def test_a_prompt_shows_alike_questions_but_never_itself(tiny_writers: Path, context: Any) -> None:
    model = fit(tiny_writers / "llama", context, data(), engine="language_model", prompt=PROMPT, examples=1)
    assert isinstance(model, PromptedReader)
    nearest = model.nearest(["where is the parcel"] * 2, model._keys([(CONTEXT, "where is the parcel"), ("", "x")]))
    assert nearest[0] != [0] and nearest[1] == [0], "the same question about another text is the best example"
    read = model.model.tokenizer.decode(model.prompt("late .", "where is it", [0]))
    assert read.endswith("late .|where is it:") and "Question: where is the parcel\nAnswer: parcel\n" in read
    crowded = model.model.tokenizer.decode(model.prompt("late " * 30, "where is it", [0, 1, 2]))
    assert "Answer" not in crowded and crowded.endswith("|where is it:"), "examples make room"
    model.facts["prompt"] = "x" * 300 + PROMPT
    with pytest.raises(TrainingError, match="The prompt alone takes"):
        model.answers(["late ."], ["where"])


def test_of_a_long_text_the_sentences_most_like_the_question_are_read(tiny_writers: Path, context: Any) -> None:
    made = fit(tiny_writers / "llama", context, data(dev=1), engine="language_model", prompt=PROMPT, max_length=50)
    assert made.excerpt(CONTEXT, "where is the parcel", 50) == "hello there today . the parcel is late again ."
    assert made.excerpt(CONTEXT, "any money", 20) == "money back please ."
    assert made.excerpt(CONTEXT, "any money", 8) == "money ba" and made.excerpt("short\ntext", "?", 50) == "short text"
    assert any("longer than 50 tokens" in note.get("message", "") for note in context.notes)


def test_only_what_the_text_holds_is_an_answer(
    tiny_writers: Path, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fit(tiny_writers / "llama", context, data(), engine="language_model", prompt=PROMPT, examples=0)
    written = iter(["Parcel.", "no answer", "the dog"])
    monkeypatch.setattr(LanguageModel, "write", lambda self, read, most: (next(written), np.log([0.9, 0.9])))
    said = model.answers([CONTEXT] * 3, ["where is it"] * 3)
    assert said.values == [[answer_at(CONTEXT, 44, 50)], [], []]
    assert said.confidence == pytest.approx([0.9] * 3) and said.scores[:, 0].tolist()[1:] == [0, 0]
    assert said.scores[0, 0] > 0.5, "what it wrote is more probable than 'no answer'"
    monkeypatch.undo()
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    again = get_method("zero_shot").load(folder, LABELS, task=TASK.name)
    asked = ([CONTEXT] * 2, ["where is it", "who"])
    assert np.array_equal(answers_of(again, TASK, *asked).scores, answers_of(model, TASK, *asked).scores)
    with pytest.raises(ModelError, match="does not fit its labels"):
        get_method("zero_shot").load(folder, ["a"], task=TASK.name)


def test_what_does_not_fit_is_said(tiny: Path, tiny_writers: Path, context: Any) -> None:
    with pytest.raises(TrainingError, match="no causal language model"):
        fit(tiny, context, data(), engine="language_model")
    with pytest.raises(InputError, match=r"lacks the place \{question\}"):
        fit(tiny_writers / "llama", context, data(), engine="language_model", prompt="{context}:")
