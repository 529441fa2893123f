"""Zero-shot classification: labels read by an encoder, or by a tiny language model that is built here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import InputError, ModelError, TrainingError
from core.methods import get_method
from core.methods.base import Rows, TrainingData, Work, options_for
from core.methods.language_model import LanguageModel, Nearest
from core.methods.prompting import PromptScorer
from core.methods.zero_shot import CosineScorer, ZeroShotOptions, ZeroShotPredictor
from core.records import LabelHelp
from core.tasks import get_task

TEXTS = ["money back please", "hello there", "where is my parcel it is late", ""]


@pytest.fixture
def helped(toy_data: Any) -> Any:
    """Toy texts whose labels are described by the words that only they use."""
    said = {"refund": "money back", "delivery": "parcel late where", "greeting": "hello there"}
    return replace(
        toy_data(train=30, dev=30), label_help={name: LabelHelp(description=text) for name, text in said.items()}
    )


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal language model of two layers that knows the words of the toy texts and of the prompt."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = (
        "<pad> <unk> Sort each text into one of these labels Text Label : - . refund delivery greeting card arrival "
    )
    words += "money back please parcel arrives late where hello there good day the a my it is"
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words.split()))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path_factory.mktemp("language") / "llama"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(folder)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=96, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def fit(data: Any, base: Path, context: Any, **options: Any) -> Any:
    method = get_method("zero_shot")
    return method.fit(data, method.Options.model_validate(options), base, context)


def test_a_label_is_what_the_schema_says_about_it(tiny: Path) -> None:
    scorer = CosineScorer(tiny, [["money back please"], ["hello there"], ["it is late", "parcel"]], 32)
    found = scorer.values(["hello there", "money back please"])
    assert found.shape == (2, 3) and list(found.argmax(axis=1)) == [1, 0] and found.max() == pytest.approx(20, abs=1e-3)


def test_descriptions_reach_the_method_and_help(helped: Any, toy_data: Any, tiny: Path, context: Any) -> None:
    bare = fit(toy_data(30, 30), tiny, context)
    assert bare.facts["said"] == [["refund"], ["delivery"], ["greeting"]]
    model = fit(helped, tiny, context, label_template="this is {label}")
    assert model.facts["said"][1] == ["this is delivery", "parcel late where"]
    gold = helped.task.targets(helped.train.values, helped.labels)

    def right(of: Any) -> float:
        return float((of.scores(helped.train.texts).argmax(axis=1) == gold).mean())

    assert right(model) > right(bare)


def test_it_comes_back_the_same_and_notices_other_labels(helped: Any, tiny: Path, context: Any, tmp_path: Path) -> None:
    model = fit(helped, tiny, context)
    assert model.facts["temperature"] != 1.0 and any(model.facts["bias"])
    scores = model.scores(TEXTS)
    assert scores.shape == (4, 3) and scores.dtype == np.float32 and np.allclose(scores.sum(1), 1, atol=1e-5)
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    loaded = ZeroShotPredictor.load(folder, helped.labels)
    assert np.allclose(loaded.scores(TEXTS), scores, atol=1e-6) and loaded.scores([]).shape == (0, 3)
    with pytest.raises(ModelError, match="does not fit its labels"):
        ZeroShotPredictor.load(folder, ["a", "b", "c"])


def test_without_dev_labels_nothing_is_fitted(helped: Any, tiny: Path, context: Any) -> None:
    empty = replace(helped, dev=Rows([], [], []))
    model = fit(empty, tiny, context, calibrate=False)
    assert model.facts["temperature"] == 1.0 and not any(model.facts["bias"])


def scorer(base: Path, **changes: Any) -> PromptScorer:
    said: dict[str, Any] = {
        "labels": ["refund", "card_arrival", "greeting"],
        "descriptions": {"refund": "money back"},
        "template": "{labels} . {examples} Text : {text} Label :",
        "pool": [("parcel arrives late", "card_arrival"), ("hello there", "greeting"), ("my money", "refund")],
        "examples": 2,
        "max_length": 8,
    }
    return PromptScorer(base, **{**said, **changes})


def test_continuations_are_those_of_the_whole_text(tiny_llama: Path) -> None:
    """The remembered prompt gives what one pass over prompt and label gives; labels of one and of two tokens."""
    import torch
    from transformers import AutoModelForCausalLM

    from core.methods.encoders import load_tokenizer

    prompter = scorer(tiny_llama)
    found = prompter.values(["where is my parcel", "hello"])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_llama).eval(), load_tokenizer(tiny_llama)
    for row, text in enumerate(["where is my parcel", "hello"]):
        prompt = prompter.fill(text, [prompter.pool[i] for i in prompter._nearest([text])[0]])
        for column, label in enumerate(["refund", "card arrival", "greeting"]):
            before, whole = (
                tokenizer(part, return_tensors="pt")["input_ids"] for part in (prompt, f"{prompt} {label}")
            )
            with torch.no_grad():
                logs = model(whole).logits[0].log_softmax(-1)
            wanted = sum(float(logs[i - 1, whole[0, i]]) for i in range(before.shape[1], whole.shape[1]))
            assert found[row, column] == pytest.approx(wanted, abs=1e-4)


def test_the_prompt_shows_the_closest_examples_last_and_takes_braces_as_text(tiny_llama: Path) -> None:
    prompter = scorer(tiny_llama)
    nearest = prompter._nearest(["hello there my friend", "hello there"])
    assert nearest[0][0] == 1, "the most alike first"
    assert 1 not in nearest[1], "a text is no example for itself"
    filled = prompter.fill("say {labels}", [("hello there", "greeting"), ("my money", "refund")])
    assert filled.index("my money") < filled.index("hello there") < filled.index("say {labels}")
    assert filled.startswith("- refund: money back\n- card arrival\n- greeting")
    assert "Label: refund" in filled


def test_examples_without_a_word_are_examples_too() -> None:
    assert Nearest(["?", "!"], 1)(["?", "my money"]) == [[1], [0]]
    assert Nearest(["", " "], 2)(["money"]) == [[0, 1]]


def test_a_long_prompt_drops_examples_before_it_gives_up(tiny_llama: Path) -> None:
    long = scorer(tiny_llama, pool=[(" ".join(["late"] * 40), "refund")] * 4, examples=4, max_length=40)
    assert len(long._prompt("hello", [0, 1, 2, 3])) <= 96
    with pytest.raises(TrainingError, match="prompt alone"):
        scorer(tiny_llama, template="late " * 120 + "{text}").values(["hello"])


def test_long_texts_are_cut_in_tokens(tiny_llama: Path) -> None:
    assert LanguageModel(tiny_llama).cut("late " * 20, 8) == " ".join(["late"] * 8)


def test_a_language_model_comes_back_the_same(helped: Any, tiny_llama: Path, context: Any, tmp_path: Path) -> None:
    model = fit(helped, tiny_llama, context, engine="language_model", examples=1, max_length=8)
    scores = model.scores(TEXTS)
    assert np.allclose(scores.sum(1), 1, atol=1e-5) and len(model.facts["pool"]) == 30
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    assert np.allclose(ZeroShotPredictor.load(folder, helped.labels).scores(TEXTS), scores, atol=1e-6)


def test_engine_and_base_must_fit(helped: Any, tiny: Path, tiny_llama: Path, context: Any) -> None:
    with pytest.raises(TrainingError, match="is no causal language model"):
        fit(helped, tiny, context, engine="language_model")
    with pytest.raises(TrainingError, match="is a language model, no encoder"):
        fit(helped, tiny_llama, context)
    with pytest.raises(TrainingError, match="needs a base model"):
        fit(helped, None, context)  # type: ignore[arg-type]


def test_templates_need_their_places() -> None:
    with pytest.raises(ValidationError, match="must contain"):
        ZeroShotOptions(prompt="What is it?")
    with pytest.raises(ValidationError, match="must contain"):
        ZeroShotOptions(label_template="this")


@pytest.mark.parametrize("task", ["classification", "relation", "generation"])
def test_a_prompt_needs_the_places_of_its_task(task: str) -> None:
    method: Any = get_method("zero_shot")
    for engine in ("language_model", "embeddings"):
        options = ZeroShotOptions(engine=engine, prompt="{context}: {question}")
        method.check(options, "question_answering")
        if engine == "embeddings":
            method.check(options, task)
            continue
        with pytest.raises(InputError, match=r"lacks the place \{text\}") as told:
            method.check(options, task)
        assert "{text}" in told.value.hint and ("{labels}" in told.value.hint) == (task != "generation")


def test_the_estimate_of_a_language_model_is_higher(tiny: Path) -> None:
    method, work = get_method("zero_shot"), Work(rows=1000, lengths=np.full((1, 1), 20.0), dev=200, test=200)
    quick, slow = (
        method.estimate(work, ZeroShotOptions(engine=engine), tiny) for engine in ("embeddings", "language_model")
    )
    assert slow.memory_bytes > quick.memory_bytes > 0 and slow.seconds > 0


# ---------------------------------------------------------------- other tasks


def test_several_labels_a_text_are_each_judged_for_themselves(helped: Any, tiny: Path, context: Any) -> None:
    many = replace(
        helped,
        task=get_task("multilabel"),
        train=Rows(helped.train.ids, helped.train.texts, [[] for _ in helped.train.values]),
        dev=Rows(helped.dev.ids, helped.dev.texts, [[value] for value in helped.dev.values]),
    )
    model = fit(many, tiny, context)
    read = model.margins(many.train.texts)
    assert np.allclose(read.mean(axis=0), 0, atol=1e-4) and np.allclose(read.std(axis=0), 1, atol=1e-4)
    scores = model.scores(many.dev.texts)
    right = np.array([scores[row, many.labels.index(value)] for row, value in enumerate(helped.dev.values)])
    assert right.mean() > scores.mean(), "fitted on dev: what is right is more probable"
    bare = fit(replace(many, dev=Rows([], [], [])), tiny, context, calibrate=False)
    assert bare.facts["curve"] == (2.0, -2.0) and len(set(bare.facts["bias"])) == 1
    with pytest.raises(TrainingError, match="names one label"):
        fit(many, tiny, context, engine="language_model")


def test_pairs_are_as_close_as_their_texts(tiny: Path, context: Any) -> None:
    words = ["money back", "hello there", "parcel late", "good day", "my parcel", "please"]
    rows = Rows(list(range(12)), words * 2, ["match"] * 6 + ["no match"] * 6, [*words, *reversed(words)])
    data = TrainingData(get_task("pair"), ["match", "no match"], Rows([], [], [], []), rows, rows)
    model = fit(data, tiny, context)
    scores = model.scores(rows.texts, rows.texts_b)
    assert scores[:6, 0].min() > scores[6:, 0].max() and np.allclose(scores.sum(1), 1, atol=1e-6)
    assert model.similarities(words, words)(slice(0, 2)).argmax(axis=1).tolist() == [0, 1]


def test_what_is_to_be_written_follows_the_nearest_examples(
    toy_dialogue: Any, tiny_writers: Path, context: Any, tmp_path: Path
) -> None:
    method: Any = get_method("zero_shot")
    options = options_for(method, "generation").model_validate({"examples": 2})
    model = method.fit(toy_dialogue(), options, tiny_writers / "llama", context)
    prompt = model.filled(["please fix the lamp"])[0]
    assert prompt.count("Response: ok, lamp! bye") == 2 and prompt.endswith("Prompt: please fix the lamp\nResponse:")
    long = model.filled(["x" * 150])[0]
    assert "ok," not in long and "x" * 150 in long, "examples make room"
    assert model.model.generation_config.max_new_tokens == 16
    with pytest.raises(TrainingError, match="cannot write"):
        method.fit(toy_dialogue(), method.Options(), tiny_writers / "llama", context)
    with pytest.raises(ModelError, match=r"prompted\.json"):
        method.load(tmp_path, [], task="generation")
