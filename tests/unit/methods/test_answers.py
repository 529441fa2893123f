"""Questions about texts: windows, targets, the best span, and the baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import ModelError
from core.methods import get_method
from core.methods.answer_search import FILE, AnswerSearch
from core.methods.base import Rows, TrainingData, answers_of, options_for
from core.methods.encoders import load_tokenizer
from core.methods.full import FullOptions
from core.methods.heads import head_for
from core.methods.heads.answer import END, IGNORED, LONGEST_ANSWER, NOTHING, START, best_span
from core.methods.heads.base import PLAIN, Weighting
from core.tasks import get_task
from core.tasks.answers import answer_at

LABELS = ["answer", "no answer"]
TASK = get_task("question_answering")


def rows(count: int, seed: int) -> Rows:
    """Contexts of two things; every third question is about another one."""
    import random

    pick = random.Random(seed)
    things, times = ["money", "parcel", "please"], ["today", "late", "now", "again"]
    made: list[tuple[str, str, list[Any]]] = []
    for row in range(count):
        said = pick.sample(things, 2)
        context = " ".join(f"the {thing} was {pick.choice(times)}" for thing in said)
        asked = said[row % 2] if row % 3 else next(thing for thing in things if thing not in said)
        start = context.find(asked)
        answers = [answer_at(context, start, start + len(f"{asked} was"))] if start >= 0 else []
        made.append((context, f"where is {asked}", answers))
    return Rows(list(range(count)), [m[0] for m in made], [m[2] for m in made], [m[1] for m in made])


@pytest.fixture
def data() -> TrainingData:
    return TrainingData(TASK, LABELS, rows(150, 0), rows(60, 1), rows(0, 2))


@pytest.fixture
def tokenizer(tiny_bases: Path) -> Any:
    return load_tokenizer(tiny_bases / "tiny")


def test_a_long_context_is_read_in_windows_and_each_answer_is_whole_in_one(tokenizer: Any) -> None:
    head: Any = head_for("question_answering", LABELS)
    context = "hello there now again the parcel was late today " * 12
    place = context.rindex("parcel")
    answers = [answer_at(context, place, place + len("parcel was late"))]
    reading = head.read(tokenizer, [context, "the parcel"], ["where is the parcel", "so"], 24)
    assert reading.encoded.lengths.max() == 24 and reading.owners[-1] == 1 and (reading.owners == 0).sum() > 4
    assert reading.encoded.types is not None, "the question is the first part, the context the second"
    first = reading.encoded.batch([0])
    names = tokenizer.convert_ids_to_tokens(first["input_ids"][0].tolist())
    assert names[:6] == ["[CLS]", "where", "is", "the", "parcel", "[SEP]"]
    assert first["token_type_ids"][0].tolist()[:7] == [0] * 6 + [1]
    targets = head.targets(Rows([1, 2], [context, "the parcel"], [answers, []], ["where is the parcel", "so"]), reading)
    found = []
    for window, row in enumerate(reading.owners.tolist()):
        own = targets.take(np.array([window]))[0]
        start, end = int(own[:, START].argmax()), int(own[:, END].argmax())
        assert float(own[0, NOTHING]) == 1 and (own[1] == IGNORED).all(), "the question is no place for an answer"
        if start:
            begin = int(reading.encoded.offsets[window])
            ids = reading.encoded.ids[begin + start : begin + end + 1].tolist()
            found.append((row, tokenizer.convert_ids_to_tokens(ids)))
    assert found and set(map(str, found)) == {str((0, ["parcel", "was", "late"]))}


def test_long_questions_and_narrow_windows_leave_room_for_the_context(tokenizer: Any) -> None:
    head: Any = head_for("question_answering", LABELS)
    reading = head.read(tokenizer, ["the parcel was late today " * 9], ["where is " * 100], 8)
    assert reading.truncated == 1 and reading.encoded.lengths.max() == 8
    covered = {tuple(spot) for spot in reading.spots.tolist() if spot[0] >= 0}
    assert len(covered) == 45, "no token of the context is lost"
    assert not head.read(tokenizer, [], [], 64).owners.size


def test_padding_counts_for_nothing_and_several_answers_learn_the_first_that_fits(tokenizer: Any) -> None:
    head: Any = head_for("question_answering", LABELS)
    context = "the parcel was late"
    both = Rows(
        [1, 2], [context, "now"], [[answer_at(context, 4, 10), answer_at(context, 15, 19)], []], ["is", "is it"]
    )
    reading = head.read(tokenizer, both.texts, both.texts_b, 32)
    targets = head.targets(both, reading)
    for weighting in (PLAIN, Weighting(balanced=True), Weighting(focal=2.0), Weighting(smoothing=0.1)):
        loss = head.loss(targets, weighting, "cpu")
        torch.manual_seed(0)
        logits = torch.randn(2, 8, 2)
        wanted = targets.take(np.array([0, 1]))
        before = loss(logits, wanted)
        logits[1, 6:] = 50.0  # beyond the end of the shorter window
        logits[:, 1] = 50.0  # the question
        assert torch.isclose(loss(logits, wanted), before)
        assert torch.isclose(head.divergence(logits, logits, wanted), torch.zeros(()))
    sure = torch.full((2, 8, 2), -20.0)
    sure[0, 4] = sure[1, 0] = 20.0
    assert float(head.loss(targets, PLAIN, "cpu")(sure, targets.take(np.array([0, 1])))) < 1e-6


def test_the_best_span_never_ends_before_it_starts() -> None:
    logits = np.zeros((200, 2))
    logits[50, START], logits[20, END], logits[55, END], logits[199, END] = 5, 9, 3, 9
    possible = np.ones(200, bool)
    possible[:10] = False
    logits[5] = 99
    assert best_span(logits, possible) == (20 - 10, 20, 9.0) or best_span(logits, possible)[2] >= 9  # type: ignore[index]
    start, end, score = best_span(logits, possible) or (0, 0, 0.0)
    assert 0 <= end - start < LONGEST_ANSWER and score == logits[start, START] + logits[end, END]
    assert best_span(logits, np.zeros(200, bool)) is None


def test_the_answer_is_the_best_of_all_windows_and_none_needs_all_of_them(tokenizer: Any) -> None:
    head: Any = head_for("question_answering", LABELS)
    context = "hello there now again the parcel was late today " * 4
    reading = head.read(tokenizer, [context], ["where"], 24)
    logits = torch.zeros(int(reading.encoded.offsets[-1]), 2)
    last = int(reading.encoded.offsets[-2])
    logits[[int(start) for start in reading.encoded.offsets[:-1]]] = 3.0  # each window says: nothing here
    logits[last + 5] = 8.0
    said = head.answers(logits, reading)
    start, end = reading.spots[last + 5].tolist()
    assert said.values == [[answer_at(context, start, end)]] and said.confidence[0] > 0.9
    assert said.scores[0].tolist() == pytest.approx([1 / (1 + np.exp(6 - 16)), 1 / (1 + np.exp(16 - 6))], abs=1e-4)
    logits[last] = 20.0
    assert head.answers(logits, reading).scores[0, 0] > 0.9, "what one window does not hold another may"


def test_a_base_without_token_types_is_read_without_them(tokenizer: Any) -> None:
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    head: Any = head_for("question_answering", LABELS)
    assert head.read(tokenizer, ["the parcel"], ["where"], 16).encoded.types is None


def f1_on(predictor: Any, asked: Rows, decision: dict[str, Any] | None = None) -> float:
    said = answers_of(predictor, TASK, asked.texts, asked.texts_b, decision)
    return TASK.metrics(asked.values, said.values, LABELS)["answer_f1"]


def test_full_tuning_learns_to_answer_and_to_decline(data: TrainingData, tiny: Path, context: Any) -> None:
    options = FullOptions(
        epochs=12, learning_rate=5e-3, dropout=0.0, batch_size=32, max_length=48, patience=0, half_precision=False
    )
    predictor: Any = get_method("full").fit(data, options, tiny, context)
    said = predictor.answers(data.dev.texts, data.dev.texts_b)
    decision = TASK.threshold(data.dev.values, said, LABELS)  # type: ignore[attr-defined]
    assert f1_on(predictor, data.dev, decision) > 0.8


def test_windows_are_long_and_two_askings_may_be_compared(tiny: Path, context: Any) -> None:
    method = get_method("lora")
    Options = options_for(method, "question_answering")
    assert Options().model_dump()["max_length"] == 384
    options = Options.model_validate({"epochs": 1, "max_length": 48, "half_precision": False, "r_drop": 1.0})
    small = TrainingData(TASK, LABELS, rows(24, 0), rows(9, 1), rows(0, 2))
    said = method.fit(small, options, tiny, context).answers(small.dev.texts, small.dev.texts_b)  # type: ignore[attr-defined]
    assert said.scores.shape == (9, 2) and np.allclose(said.scores.sum(axis=1), 1) and all(said.values)


@pytest.mark.parametrize("name", ["lora", "prefix_tuning", "prompt_tuning"])
def test_token_types_reach_the_encoder_of_peft(name: str, tiny: Path, context: Any) -> None:
    """They tell the question from the text; peft's own model of answers forgets them."""
    method = get_method(name)
    Options = options_for(method, "question_answering")
    small = TrainingData(TASK, LABELS, rows(12, 0), rows(0, 1), rows(0, 2))
    seen: list[Any] = []
    options = Options.model_validate({"epochs": 1, "max_length": 40})
    prepare = method.prepare  # type: ignore[attr-defined]

    def listened(*given: Any) -> Any:
        model = prepare(*given)
        inner = model.get_base_model().base_model
        inner.register_forward_pre_hook(lambda m, a, k: seen.append(k.get("token_type_ids")), with_kwargs=True)
        return model

    method.prepare = listened  # type: ignore[attr-defined]
    method.fit(small, options, tiny, context)
    assert seen and all(types is not None and int(types.max()) == 1 and not types[:, 0].any() for types in seen)


# ---------------------------------------------------------------------------------------------- the baseline


def people(count: int, seed: int) -> Rows:
    """Small biographies; every fourth question is about something that they do not tell."""
    import random

    pick = random.Random(seed)
    names, towns = ["Ada", "Grace", "Alan", "Emmy", "Kurt"], ["Turin", "Oslo", "Bern", "Lima"]
    made: list[tuple[str, str, list[Any]]] = []
    for row in range(count):
        name, town, year = pick.choice(names), pick.choice(towns), str(pick.randint(1800, 1990))
        context = f"{name} Lark was born in {year}. The family lived in {town} for many years. They liked music."
        question, answer = [
            ("When was {} born?", year), ("Where did the family of {} live?", town), ("Who was born?", f"{name} Lark"),
            ("Which prize did {} win in chemistry?", ""),
        ][row % 4]  # fmt: skip
        start = context.find(answer)
        value = [answer_at(context, start, start + len(answer))] if answer else []
        made.append((context, question.format(name), value))
    return Rows(list(range(count)), [m[0] for m in made], [m[2] for m in made], [m[1] for m in made])


def test_the_baseline_finds_answers_by_words_and_shape(context: Any, tmp_path: Path) -> None:
    data = TrainingData(TASK, LABELS, people(120, 0), people(40, 1), people(0, 2))
    method = get_method("baseline")
    model: Any = method.fit(data, method.Options(), None, context)
    said = model.answers(data.dev.texts, data.dev.texts_b)
    decision = TASK.threshold(data.dev.values, said, LABELS)  # type: ignore[attr-defined]
    assert f1_on(model, data.dev, decision) > 0.85
    assert said.confidence.max() <= 1 and all(len(value) == 1 for value in said.values)
    model.save(tmp_path / "model")
    assert model.answers(["?!"], ["Who?"]).values == [[]] and model.answers([], []).values == []
    (tmp_path / "model" / FILE).write_text("{}")
    with pytest.raises(ModelError):
        AnswerSearch.load(tmp_path / "model", LABELS)
