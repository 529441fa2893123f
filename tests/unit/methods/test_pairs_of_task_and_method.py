"""Every task by every method that says it can do it, on tiny models: what is saved answers as what was trained.

What is merged is a plain model that transformers loads, and an adapter alone on its base answers the same.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.methods import all_methods, excuse, get_method
from core.methods.base import Answers, Rows, TrainingData, answers_of, options_for
from core.methods.heads import head_for
from core.methods.neural import EncoderPredictor
from core.methods.peft_method import ADAPTER, BASE, hide_learned_tokens
from core.tasks import all_tasks, get_task
from core.tasks.answers import answer_at
from tests.unit.conftest import FILLER, WORDS, save_byte_tokenizer, toy_turns

LABELS = {"tagging": ["greeting", "item"], "pair": ["match", "no match"], "generation": [],
          "question_answering": ["answer", "no answer"]}  # fmt: skip
"""Where they are not the topics of ``WORDS``."""
FEW: dict[str, Any] = {"epochs": 1, "batch_size": 16, "learning_rate": 5e-3, "max_length": 48, "pairs": 2, "tokens": 4,
                       "examples": 1}  # fmt: skip
"""Options that make a run short, for the methods that have them."""
WRITERS = {"bitfit": ("gpt2",), "baseline": ("llama",), "zero_shot": ("llama",)}
"""Bases that write, where not both kinds are tried."""


def texts_of(task: str, row: int, pick: random.Random) -> tuple[str, Any, str | None]:
    """(text, value, second text) of one row that says what its value is."""
    topic, other = pick.sample(list(WORDS), 2)
    said = " ".join([*pick.choices(WORDS[topic].split(), k=2), *pick.choices(FILLER.split(), k=row % 5)])
    if task == "multilabel":
        return f"{said} {WORDS[other]}" if row % 2 else said, [topic, other] if row % 2 else [topic], None
    if task == "relation":
        return f"[E1] {WORDS[topic]} [/E1] is [E2] {said} [/E2]", topic, None
    if task == "tagging":
        return f"hello there {said} my parcel", [(0, 11, "greeting"), (len(said) + 13, len(said) + 22, "item")], None
    if task == "pair":
        return said, "match" if row % 2 else "no match", WORDS[topic if row % 2 else other]
    if task == "question_answering":
        word = pick.choice(WORDS[topic].split())
        context = f"the {word} is here now . {said}"
        return (
            context,
            [answer_at(context, 4, 4 + len(word))] if row % 3 else [],
            f"what is {'here' if row % 3 else 'late'}",
        )
    if task == "generation":
        return (*toy_turns(1, pick.randrange(1000))[0], None)
    return said, topic, None


def data_of(task: str) -> TrainingData:
    """Toy rows of a task."""

    def rows(count: int, seed: int) -> Rows:
        pick = random.Random(seed)
        texts, values, texts_b = zip(*(texts_of(task, row, pick) for row in range(count)), strict=True)
        second = list(texts_b) if get_task(task).paired else None
        return Rows(list(range(count)), list(texts), list(values), second)

    return TrainingData(get_task(task), LABELS.get(task, list(WORDS)), rows(32, 0), rows(24, 1), rows(6, 2))


@pytest.fixture(scope="module")
def bases(tiny_bases: Path, tiny_writers: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tiny base of each kind by name."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path_factory.mktemp("gpt2") / "gpt2"
    size = save_byte_tokenizer(folder)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=size, n_embd=64, n_layer=2, n_head=4, n_positions=256, eos_token_id=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    writers = {name: tiny_writers / name for name in ("llama", "t5")}
    return {"bert": tiny_bases / "tiny", "gpt2": folder, **writers}


def cases() -> list[tuple[str, str, str, dict[str, Any]]]:
    """(task, method, base, options) of every pair of the registry, and the variants of LoRA on three heads."""
    heads = (("tagging", "bert"), ("pair", "bert"), ("generation", "llama"))
    variants = ("rslora", "dora", "pissa")
    found: list[tuple[str, str, str, dict[str, Any]]] = [
        (task, "lora", kind, {"variant": variant}) for task, kind in heads for variant in variants
    ]
    for task in [task.name for task in all_tasks()]:
        for method in all_methods(task):
            if method.name in ELSEWHERE:
                continue
            kinds = ("bert",) if task != "generation" else WRITERS.get(method.name, ("llama", "t5"))
            found += [(task, method.name, kind, {}) for kind in kinds]
    return found


ELSEWHERE = ("ensemble",)
"""It joins models that are finished: tests/unit/methods/test_ensemble.py."""
MERGED = frozenset({"lora", "adalora", "ia3"})
"""Handed out as a plain model, their adapter beside it."""
PLAIN = MERGED | {"full", "top_layers", "bitfit", "cross_encoder"}
"""Handed out as a plain model."""
ON_BASE = frozenset({"prefix_tuning", "prompt_tuning", "p_tuning"})
"""Handed out as the base and an adapter."""


@pytest.mark.parametrize(("task", "name", "kind", "more"), cases())
def test_what_is_saved_answers_as_what_was_trained(
    task: str, name: str, kind: str, more: dict[str, Any], bases: dict[str, Path], context: Any, tmp_path: Path
) -> None:
    method, data = get_method(name), data_of(task)
    Options = options_for(method, task)
    few = {key: value for key, value in FEW.items() if key in Options.model_fields}
    options = Options.model_validate(few | more)
    predictor = method.fit(data, options, bases[kind] if method.needs_base else None, context)
    (folder := tmp_path / "model").mkdir()
    predictor.save(folder)
    before = answers_of(predictor, data.task, *_asked(data))
    alike(before, answers_of(method.load(folder, data.labels, "cpu", task), data.task, *_asked(data)))
    assert answers_of(method.load(folder, data.labels, "cpu", task), data.task, [], None).values == []
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".joblib")]
    if not isinstance(predictor, EncoderPredictor):
        return
    assert (folder / "config.json").is_file() == (name in PLAIN)
    assert (folder / ADAPTER / "adapter_model.safetensors").is_file() == (name in MERGED | ON_BASE)
    assert (folder / BASE).is_dir() == (name in ON_BASE | {"adapter"})
    if name in PLAIN:
        alike(before, _ask(_plain(task, folder, folder), predictor, folder, data))
    if name in MERGED | ON_BASE:
        from peft import PeftModel

        own = folder / BASE if (folder / BASE).is_dir() else bases[kind]
        base = _plain(task, own, own, len(predictor.head.outputs))
        adapted: Any = PeftModel.from_pretrained(base, folder / ADAPTER)
        hide_learned_tokens(adapted)
        alike(before, _ask(adapted, predictor, folder, data))


def _asked(data: TrainingData) -> tuple[list[str], list[str] | None]:
    return data.test.texts, data.test.texts_b


def _plain(task: str, folder: Path, known: Path, labels: int = 0) -> Any:
    """The model as people load it who have never heard of this project."""
    import transformers

    kind = getattr(transformers, head_for(task, []).architecture_of(known))
    return kind.from_pretrained(folder, **({"num_labels": labels} if labels else {})).eval()


def _ask(model: Any, like: EncoderPredictor, folder: Path, data: TrainingData) -> Answers:
    """What a model says, its tokenizer as it was saved."""
    from transformers import AutoTokenizer

    if data.task.name == "generation":
        model.generation_config = like.model.generation_config
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return answers_of(EncoderPredictor(model.eval(), tokenizer, like.head), data.task, *_asked(data))


def alike(one: Answers, other: Answers) -> None:
    """The same answers, as sure."""
    assert one.values == other.values
    assert one.scores.shape == other.scores.shape and np.allclose(one.scores, other.scores, atol=1e-5)
    assert np.allclose(one.confidence, other.confidence, atol=1e-4)


def test_what_cannot_be_done_is_explained() -> None:
    for method in all_methods():
        for task in all_tasks():
            if task.name not in method.tasks:
                assert len(excuse(method, task.name) or "") > 30, (method.name, task.name)
