"""Small things that many tests need: a two-layer BERT with its tokenizer, and a frozen dataset version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from core.evaluation import Evaluation, evaluate
from core.methods.base import Rows, TrainingData
from core.tasks import get_task

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORDS = {"refund": "money back please", "delivery": "parcel arrives late where", "greeting": "hello there good day"}
FILLER = "the a my your this that now again today very so it is was will can"


@pytest.fixture(autouse=True, scope="session")
def measured_once() -> Iterator[None]:
    """How fast this machine multiplies is measured once a process, not once a test: it takes seconds."""
    from core.training import probe

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "speeds", cache(probe.speeds))
        yield


@pytest.fixture(scope="session")
def tiny_bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of base models with one in it: ``local:tiny``, a BERT of 2 layers and 32 dimensions."""
    import torch

    torch.set_num_threads(1)  # the model is too small to share, and tests run side by side
    bases = tmp_path_factory.mktemp("bases")
    save_tiny_bert(bases / "tiny")
    return bases


def save_tiny_bert(folder: Path, tokenizer: Tokenizer | None = None) -> None:
    """Write the base model; its tokenizer knows the words of ``toy_texts``, or is the given one."""
    import torch
    from transformers import BertConfig, BertModel

    fast = fast_tokenizer(tokenizer or whole_words())
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(fast),
        max_position_embeddings=64,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.2,
    )
    BertModel(config).save_pretrained(folder)


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def fast_tokenizer(tokenizer: Tokenizer) -> Any:
    """The tokenizer as transformers has it, with the special tokens of BERT around a text."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, model_input_names=inputs, **special)


def whole_words() -> Tokenizer:
    """One token a word of ``toy_texts``."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = [*SPECIAL, *FILLER.split(), *" ".join(WORDS.values()).split()]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def word_pieces(texts: Sequence[str], size: int = 120) -> Tokenizer:
    """Pieces of words as BERT has them, learned from texts; Chinese characters stand alone, unknown signs are one."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.WordPiece({}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def byte_pairs(texts: Sequence[str], size: int = 420) -> Tokenizer:
    """Pairs of bytes as GPT-2 has them, learned from texts: a token may be part of a character, or several words."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def toy_texts(rows: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label) pairs that can be learned: each has two words that only its label uses."""
    import random

    pick = random.Random(seed)
    labels = list(WORDS)
    pairs = []
    for index in range(rows):
        label = labels[index % len(labels)]
        words = pick.choices(WORDS[label].split(), k=2) + pick.choices(FILLER.split(), k=pick.randint(1, 8))
        pick.shuffle(words)
        pairs.append((" ".join(words), label))
    return pairs


CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def tiny_writers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of base models that write: ``local:llama`` and ``local:t5``, 2 layers and 64 dimensions each."""
    import torch

    torch.set_num_threads(1)
    bases = tmp_path_factory.mktemp("writers")
    save_tiny_llama(bases / "llama")
    save_tiny_t5(bases / "t5")
    return bases


def save_byte_tokenizer(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> int:
    """Write a tokenizer that knows every byte and three special tokens; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<|im_start|>", "<|im_end|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate([*special, *letters])}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<|im_end|>", bos_token="<|im_start|>"
    )
    fast.model_max_length = 256
    fast.chat_template = chat_template
    fast.save_pretrained(folder)
    return len(special) + len(letters)


def save_tiny_llama(folder: Path, chat_template: str | None = CHAT_TEMPLATE) -> None:
    """Write a causal language model; without a template it was never taught to converse."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = save_byte_tokenizer(folder, chat_template)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def save_tiny_t5(folder: Path) -> None:
    """Write a model with an encoder and a decoder."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    size = save_byte_tokenizer(folder, None)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=size, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0,
        pad_token_id=0, eos_token_id=2,
    )  # fmt: skip
    config.decoder_start_token_id = 0
    T5ForConditionalGeneration(config).save_pretrained(folder)


def toy_turns(rows: int, seed: int = 0) -> list[tuple[str, str]]:
    """(prompt, response) pairs that can be learned: the response names the thing and signs off."""
    import random

    pick = random.Random(seed)
    things, verbs = ["cup", "lamp", "chair", "book"], ["find", "buy", "fix"]
    made = []
    for _ in range(rows):
        thing, verb = pick.choice(things), pick.choice(verbs)
        made.append((f"{verb} the {thing}", f"ok, {thing}! bye"))
    return made


@pytest.fixture(scope="session")
def toy_dialogue() -> Callable[..., TrainingData]:
    """Prompts and responses in memory: toy_dialogue(train=32, dev=8, test=0)."""

    def rows(count: int, seed: int) -> Rows:
        turns = toy_turns(count, seed)
        return Rows(list(range(count)), [prompt for prompt, _ in turns], [response for _, response in turns])

    def make(train: int = 32, dev: int = 8, test: int = 0) -> TrainingData:
        return TrainingData(get_task("generation"), [], rows(train, 0), rows(dev, 1), rows(test, 2))

    return make


@pytest.fixture
def toy_version(tmp_path: Path) -> Callable[..., Path]:
    """Writes a frozen version of ``toy_texts`` and returns its folder: toy_version(train=60, dev=12, test=12)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def write(train: int = 60, dev: int = 12, test: int = 12, name: str = "version") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        first = 1
        for seed, (split, rows) in enumerate({"train": train, "dev": dev, "test": test}.items()):
            pairs = toy_texts(rows, seed)
            table = {
                "item_id": pa.array(range(first, first + rows), pa.int64()),
                "text": pa.array([text for text, _ in pairs], pa.string()),
                "text_b": pa.array([None] * rows, pa.string()),
                "value": pa.array([json.dumps(label) for _, label in pairs], pa.string()),
            }
            pq.write_table(pa.table(table), folder / f"{split}.parquet")
            first += rows
        return folder

    return write


@pytest.fixture(scope="session")
def toy_data() -> Callable[..., TrainingData]:
    """Makes the same rows in memory: toy_data(train=48, dev=12, test=0)."""

    def rows(count: int, seed: int) -> Rows:
        pairs = toy_texts(count, seed)
        return Rows(list(range(count)), [text for text, _ in pairs], [label for _, label in pairs])

    def make(train: int = 48, dev: int = 12, test: int = 0) -> TrainingData:
        return TrainingData(get_task("classification"), list(WORDS), rows(train, 0), rows(dev, 1), rows(test, 2))

    return make


@pytest.fixture(name="toy_texts")
def toy_texts_fixture() -> Callable[..., list[tuple[str, str]]]:
    """The function ``toy_texts``, for test modules."""
    return toy_texts


@pytest.fixture(scope="session")
def scored() -> Callable[..., Evaluation]:
    """Makes an evaluation of predictions: scored(gold, predicted, labels=..., confidence=0.8); item ids from 100 on."""

    def make(
        gold: list[str], predicted: list[str], labels: list[str] | None = None, confidence: float = 0.8
    ) -> Evaluation:
        labels = labels or list(WORDS)
        scores = np.full((len(gold), len(labels)), (1 - confidence) / (len(labels) - 1))
        for row, label in enumerate(predicted):
            scores[row, labels.index(label)] = confidence
        texts = [f"text {i}" for i in range(len(gold))]
        return evaluate(gold, scores, labels, range(100, 100 + len(gold)), texts, get_task("classification"))

    return make


@pytest.fixture(scope="session")
def random_case() -> Callable[..., tuple[list[str], list[str]]]:
    """Makes uneven gold labels and predictions of which about ``right`` are right: random_case(rows=400, right=0.7)."""

    def make(rows: int = 400, right: float = 0.7, seed: int = 0) -> tuple[list[str], list[str]]:
        random = np.random.default_rng(seed)
        gold = random.choice(list(WORDS), rows, p=[0.6, 0.3, 0.1])
        predicted = np.where(random.random(rows) < right, gold, random.choice(list(WORDS), rows))
        return gold.tolist(), predicted.tolist()

    return make
