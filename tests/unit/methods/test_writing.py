"""Models that write: what is learned from, that a saved model writes the same, and that a stopped run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.errors import ModelError
from core.methods import get_method
from core.methods.base import Rows, Stopped, TrainingData, answers_of, options_for
from core.methods.dialogue import IGNORED, Template
from core.methods.encoders import load_tokenizer, saved_model
from core.methods.heads import head_for
from core.methods.heads.base import Weighting
from core.methods.heads.writing import response_losses
from core.methods.neural import EncoderPredictor
from core.records import Writing
from core.tasks import get_task
from core.tasks.wording import perplexity

PROMPTS = ["find the cup", "buy the lamp and the chair", "fix the book"]
QUICK: dict[str, Any] = {"epochs": 4, "batch_size": 16, "learning_rate": 5e-3, "train_word_embeddings": True}


class Stopping:
    """A RunContext that asks to stop after some steps."""

    device = "cpu"

    def __init__(self, directory: Path, after: int = 10**9) -> None:
        self.directory = self.cache = directory
        self.after, self.asked = after, 0
        self.events: list[dict[str, Any]] = []

    def report(self, kind: str, **values: Any) -> None:
        self.events.append({"kind": kind, **values})

    def progress(self, done: int, total: int, message: str = "") -> None: ...

    def should_stop(self) -> bool:
        self.asked += 1
        return self.asked > self.after


@pytest.fixture
def tune(tiny_writers: Path, toy_dialogue: Callable[..., TrainingData], tmp_path: Path) -> Callable[..., Any]:
    def run(name: str, base: str = "llama", context: Any = None, **options: Any) -> Any:
        method = get_method(name)
        record = options_for(method, "generation")
        quick = {name: value for name, value in QUICK.items() if name in record.model_fields}
        checked = record.model_validate({**quick, **options})
        return method.fit(toy_dialogue(), checked, tiny_writers / base, context or Stopping(tmp_path))

    return run


@pytest.fixture
def untuned(tiny_writers: Path) -> Callable[..., EncoderPredictor]:
    def load(base: str = "llama") -> EncoderPredictor:
        head = head_for("generation", [])
        model, tokenizer = saved_model(tiny_writers / base, head), load_tokenizer(tiny_writers / base)
        head.settle(model, tokenizer)
        return EncoderPredictor(model, tokenizer, head)

    return load


# ------------------------------------------------------------ what is learned from


def rows_of(prompts: list[str], responses: list[str]) -> Rows:
    return Rows(list(range(len(prompts))), prompts, responses)


@pytest.mark.parametrize("base", ["llama", "t5"])
def test_the_loss_is_that_of_the_response_alone(untuned, base):
    """By hand: minus the log-probabilities of the response's tokens and of what ends it, and of nothing else."""
    predictor = untuned(base)
    reading = predictor.head.read_rows(predictor.model, predictor.tokenizer, rows_of(PROMPTS, ["ok", "a b", ""]), 200)
    losses, tokens = response_losses(predictor.model, reading.encoded, "cpu")
    assert tokens.tolist() == [3, 4, 1]  # one a letter, and the end
    for row in range(3):
        turns = reading.encoded
        prompt, response = (
            torch.from_numpy(part.astype(np.int64))[None] for part in (turns.prompt(row), turns.response(row))
        )
        with torch.no_grad():
            if base == "t5":
                logits = predictor.model(input_ids=prompt, labels=response).logits
            else:
                logits = predictor.model(torch.cat([prompt, response], 1)).logits[:, prompt.shape[1] - 1 : -1]
        by_hand = torch.nn.functional.cross_entropy(logits[0], response[0], reduction="sum")
        assert losses[row] == pytest.approx(float(by_hand), rel=1e-4)


@pytest.mark.parametrize("name", ["prompt_tuning", "prefix_tuning"])
def test_learned_tokens_in_front_move_no_target(tune, tmp_path, name):
    """By peft's own loss, which knows where its tokens are; and alone as among prompts of other lengths."""
    predictor = tune(name, epochs=1, tokens=3)
    rows = rows_of(PROMPTS, ["ok", "a b", ""])
    turns = predictor.head.read_rows(predictor.model, predictor.tokenizer, rows, 200).encoded
    losses, tokens = response_losses(predictor.model, turns, "cpu")
    for row in range(3):
        whole = torch.from_numpy(turns.ids[turns.offsets[row] : turns.offsets[row + 1]].astype(np.int64))[None]
        labels = whole.clone()
        labels[0, : turns.prompts[row]] = IGNORED
        with torch.no_grad():
            loss = predictor.model(input_ids=whole, attention_mask=torch.ones_like(whole), labels=labels).loss
        assert losses[row] / tokens[row] == pytest.approx(float(loss), rel=1e-3)
    how = Writing(max_tokens=6)
    alone = [predictor.answers([prompt], writing=how) for prompt in PROMPTS]
    assert predictor.answers(PROMPTS, writing=how).values == [one.values[0] for one in alone]


def test_tokens_of_the_prompt_are_never_targets(untuned):
    predictor = untuned()
    reading = predictor.head.read_rows(predictor.model, predictor.tokenizer, rows_of(PROMPTS, ["ok", "a b", "c"]), 200)
    targets = predictor.head.targets(rows_of(PROMPTS, ["ok", "a b", "c"]), reading)
    taken = targets.take(np.array([0, 1, 2]))
    for row in range(3):
        wanted = [token for token in taken[row].tolist() if token != IGNORED]
        assert wanted == reading.encoded.response(row).tolist()
    # One more prompt token, same response: the same targets, and a loss that counts as many tokens.
    loss = predictor.head.loss(targets, Weighting(), "cpu")
    logits = torch.randn(*taken.shape, len(predictor.tokenizer))
    noisy = logits.clone()
    noisy[taken == IGNORED] = 100 * torch.randn_like(noisy[taken == IGNORED])
    assert torch.equal(loss(logits, taken), loss(noisy, taken))


def test_chat_template_of_the_base_or_a_plain_one_that_is_kept(tiny_writers, tmp_path):
    chat = Template(load_tokenizer(tiny_writers / "llama"))
    told = chat.tokenizer.decode(chat.prompts(["hi"], 100)[0])
    assert told == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    tokenizer = load_tokenizer(tiny_writers / "llama")
    tokenizer.chat_template = None
    plain = Template(tokenizer)
    assert "### Response:" in tokenizer.decode(plain.prompts(["hi"], 100)[0])
    tokenizer.save_pretrained(tmp_path)
    again = Template(load_tokenizer(tmp_path))
    assert np.array_equal(again.prompts(["hi"], 100)[0], plain.prompts(["hi"], 100)[0])
    assert plain.closing == chat.closing == plain.stops == [2]


def test_what_is_too_long_is_cut_inside_the_template(tiny_writers):
    template = Template(load_tokenizer(tiny_writers / "llama"))
    turns = template.turns(["x" * 300, "short"], ["y" * 300, "z" * 10], 80)
    assert turns.truncated == 1 and turns.lengths.tolist()[0] <= 80
    told = template.tokenizer.decode(turns.prompt(0))
    assert told.startswith("<|im_start|>user\nx") and told.endswith("x<|im_end|>\n<|im_start|>assistant\n")
    assert len(turns.response(0)) >= 40 and turns.response(1)[-1] == 2


# ------------------------------------------------------------ writing


@pytest.mark.parametrize("base", ["llama", "t5"])
def test_a_prompt_is_answered_the_same_alone_and_among_others(untuned, base):
    predictor = untuned(base)
    how = Writing(max_tokens=6)
    together = predictor.answers(PROMPTS, writing=how)
    alone = [predictor.answers([prompt], writing=how) for prompt in PROMPTS]
    assert together.values == [one.values[0] for one in alone]
    assert np.allclose(together.confidence, [one.confidence[0] for one in alone], atol=1e-4)
    assert together.scores.shape == (3, 0) and predictor.answers([]).values == []


def test_sampling_follows_its_seed_and_leaves_the_random_state_alone(untuned):
    predictor = untuned()
    state = torch.get_rng_state()
    one, same, other = (
        predictor.answers(PROMPTS, writing=Writing(max_tokens=8, temperature=1.5, seed=seed)).values
        for seed in (1, 1, 2)
    )
    assert one == same != other
    assert torch.equal(state, torch.get_rng_state())


def test_when_time_is_over_the_rest_is_left_out(untuned):
    said = untuned().answers(["a"] * 70, writing=Writing(max_tokens=1), seconds=0.0)
    assert said.values[-1] is None and said.confidence[-1] == 0
    with pytest.raises(Stopped):
        untuned().answers(["a"], should_stop=lambda: True)


def test_a_base_that_only_reads_is_refused_in_words(tiny_bases):
    with pytest.raises(ModelError, match="cannot write"):
        saved_model(tiny_bases / "tiny", head_for("generation", []))


# ------------------------------------------------------------ trained, saved, gone on with


@pytest.mark.parametrize(
    ("name", "base", "options"),
    [
        ("prefix_tuning", "llama", {"learning_rate": 1e-2, "tokens": 4}),
        ("prompt_tuning", "llama", {"learning_rate": 3e-2, "tokens": 4}),
        ("lora", "t5", {"learning_rate": 1e-2, "targets": "all", "variant": "dora"}),
    ],
)
def test_a_saved_model_writes_the_same(tune, tmp_path, name, base, options):
    context = Stopping(tmp_path)
    predictor = tune(name, base, context, **options)
    measured = [event["dev"]["perplexity"] for event in context.events if event["kind"] == "epoch"]
    assert measured[-1] < measured[0]
    (tmp_path / "model").mkdir()
    predictor.save(tmp_path / "model")
    loaded: Any = get_method(name).load(tmp_path / "model", [], "cpu", "generation")
    task = get_task("generation")
    before, after = answers_of(predictor, task, PROMPTS), answers_of(loaded, task, PROMPTS)
    assert before.values == after.values and np.array_equal(before.confidence, after.confidence)
    rows = rows_of(PROMPTS, ["ok, cup! bye"] * 3)
    assert np.array_equal(predictor.examine(rows)["loss"], loaded.examine(rows)["loss"])
    assert not list((tmp_path / "model").rglob("*.bin"))
    assert (tmp_path / "model" / "adapter" / "adapter_model.safetensors").is_file()


def test_plain_transformers_writes_the_same(tune, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    predictor = tune("lora")
    (tmp_path / "model").mkdir()
    predictor.save(tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    chat = [{"role": "user", "content": PROMPTS[0]}]
    inputs: Any = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    out = model.generate(**inputs)[0, inputs["input_ids"].shape[1] :]
    assert str(tokenizer.decode(out, skip_special_tokens=True)).strip() == predictor.answers(PROMPTS[:1]).values[0]


def test_the_untuned_base_is_asked_in_the_same_way(toy_dialogue, tiny_writers):
    method: Any = get_method("lora")
    data = toy_dialogue()
    predictor = method.untuned(data, options_for(method, "generation")(), tiny_writers / "llama", "cpu")
    found = predictor.examine(data.dev)
    assert perplexity(found["loss"], found["tokens"]) > 50  # the vocabulary has 259 tokens
    assert predictor.model.generation_config.max_new_tokens == 16


def test_a_stopped_run_ends_as_if_it_had_not_been_stopped(tune, tmp_path):
    for place in ("whole", "parts"):
        (tmp_path / place).mkdir()
    whole = tune("full", context=Stopping(tmp_path / "whole"), epochs=2)
    with pytest.raises(Stopped):
        tune("full", context=Stopping(tmp_path / "parts", after=3), epochs=2)
    resumed = tune("full", context=Stopping(tmp_path / "parts"), epochs=2)
    for (name, one), (_, other) in zip(
        whole.model.state_dict().items(), resumed.model.state_dict().items(), strict=True
    ):
        assert torch.equal(one, other), name


def test_defaults_are_those_of_the_task():
    full: Any = get_method("full")
    lora: Any = get_method("lora")
    options: Any = options_for(full, "generation")
    assert options().model_dump()["max_length"] == 512
    assert full.Options().max_length == 128
    assert options_for(full, "classification").model_fields["max_length"].default == 128
    options = options_for(lora, "generation")
    assert options(rank=4).rank == 4 and options().learning_rate == 5e-4
    assert options.model_fields["max_length"].description == lora.Options.model_fields["max_length"].description


# ------------------------------------------------------------ baseline


def test_the_baseline_gives_the_response_of_the_nearest_prompt(toy_dialogue, tmp_path):
    method: Any = get_method("baseline")
    data = toy_dialogue()
    predictor = method.fit(data, method.Options(), None, Stopping(tmp_path))
    said = predictor.answers(["please find the lamp", "你好"])
    assert said.values[0] == "ok, lamp! bye" and 0 < said.confidence[0] <= 1 and said.confidence[1] == 0
    predictor.save(tmp_path)
    loaded = method.load(tmp_path, [], "cpu", "generation")
    assert loaded.answers(data.dev.texts).values == predictor.answers(data.dev.texts).values
    assert loaded.answers([]).values == []


# ------------------------------------------------------------ told while it is written


@pytest.mark.parametrize("base", ["llama", "t5"])
def test_a_response_ends_where_nobody_listens(untuned, base):
    predictor, heard = untuned(base), []

    def wrote(text: str) -> bool:
        heard.append(text)
        return len(heard) < 3

    found = predictor.answers(PROMPTS[:1], writing=Writing(max_tokens=8), wrote=wrote)
    assert len(heard) == 3 and found.confidence[0] > 0


def test_what_is_told_is_what_is_written(tune):
    predictor, heard = tune("full"), []
    silent = predictor.answers(PROMPTS[:1])

    def wrote(text: str) -> bool:
        heard.append(text)
        return True

    told = predictor.answers(PROMPTS[:1], wrote=wrote)
    assert told.values == silent.values and told.confidence == pytest.approx(silent.confidence)
    assert len(heard) > 3 and heard[-1] == told.values[0] and all(heard[-1].startswith(text) for text in heard)
