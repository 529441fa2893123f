"""Heads: what a model of spans reads, learns from and answers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ModelError
from core.methods import get_method
from core.methods.base import Rows, TrainingData, answers_of
from core.methods.encoders import load_tokenizer
from core.methods.full import FullOptions
from core.methods.heads import head_for
from core.methods.heads.spans import IGNORED, best_path
from core.tasks import get_task
from core.tasks.spans import SCHEMES, from_tags, tag_names, to_bioes, to_tags

LABELS = ["item", "greeting"]
TEXTS = (
    "money back please for my parcel now",
    "hello there is my parcel late",
    "good day where is your parcel",
    "it was so very late today",
)


def spans_of(text: str) -> list[tuple[int, int, str]]:
    """Spans of the toy texts: 'my parcel' and 'your parcel' are items, greetings stand first."""
    found = [(text.find(w), text.find(w) + len(w), "greeting") for w in ("hello there", "good day") if w in text]
    found += [(text.find(w), text.find(w) + len(w), "item") for w in ("my parcel", "your parcel") if w in text]
    return sorted(found)


@pytest.fixture
def data() -> TrainingData:
    starts = ["hello there", "good day", "please", "now", "it was"]
    ends = ["my parcel", "your parcel", "the money", "late today", "this"]
    middles = ["where is", "so very", "the", "arrives", ""]
    texts = [" ".join(f"{a} {b} {c}".split()) for a in starts for b in middles for c in ends]
    parts = [Rows(list(range(len(t))), t, [spans_of(x) for x in t]) for t in (texts[::2], texts[1::4], texts[3::4])]
    return TrainingData(get_task("tagging"), LABELS, *parts)


def test_each_word_is_tagged_on_its_first_token_once(tiny_bases: Path) -> None:
    head, tokenizer = head_for("tagging", LABELS), load_tokenizer(tiny_bases / "tiny")
    texts = list(TEXTS)
    reading = head.read(tokenizer, texts, None, 64)
    targets = head.targets(Rows([1, 2, 3, 4], texts, [spans_of(text) for text in TEXTS]), reading)
    assert head.outputs == ["O", "B-item", "I-item", "B-greeting", "I-greeting"]
    tagged = targets.every[targets.every != IGNORED]
    assert len(tagged) == sum(len(text.split()) for text in texts)
    assert tagged[:7].tolist() == [0, 0, 0, 0, 1, 2, 0]
    batch = targets.take(np.array([3, 1]))
    assert batch.shape == (2, 8) and batch[:, 0].tolist() == [IGNORED] * 2 and batch[0].tolist()[-1] == IGNORED


def test_a_long_text_is_read_in_windows_and_no_word_is_lost(tiny_bases: Path) -> None:
    head, tokenizer = head_for("tagging", LABELS), load_tokenizer(tiny_bases / "tiny")
    text = "hello there is my parcel late today so very late now " * 20
    reading: Any = head.read(tokenizer, [text, "my parcel"], None, 16)
    assert len(reading.encoded) > 10 and reading.encoded.lengths.max() == 16
    assert (reading.places[0] >= 0).all() and len(set(reading.places[0].tolist())) == len(text.split())
    names = tokenizer.convert_ids_to_tokens(reading.encoded.ids[reading.places[0]].tolist())
    assert names == text.split(), "each word is found at its own token"
    inner = [place for place in reading.places[0] if 3 < place - reading.encoded.offsets[:-1].max() < 0]
    assert not inner or min(inner) >= 0


def test_the_best_path_never_continues_what_did_not_begin() -> None:
    probabilities = np.array([[0.3, 0.3, 0.4, 0.0, 0.0], [0.1, 0.1, 0.2, 0.0, 0.6], [0.1, 0.0, 0.0, 0.0, 0.9]])
    path = best_path(np.log(np.maximum(probabilities, 1e-9)))
    tags = [head_for("tagging", LABELS).outputs[i] for i in path]
    for before, tag in zip(["O", *tags], tags, strict=False):
        assert not tag.startswith("I-") or before[2:] == tag[2:]
    assert best_path(np.log(np.array([[0.2, 0.5, 0.1, 0.1, 0.1], [0.3, 0.1, 0.4, 0.1, 0.1]]))).tolist() == [1, 2]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_best_path_is_the_best_of_all_that_are_one(scheme: str) -> None:
    tags = tag_names(["x", "y"], scheme)

    def is_one(path: tuple[int, ...]) -> bool:
        spoken = [tags[place] for place in path]
        pieces = [(word, word + 1) for word in range(len(spoken))]
        again = to_tags(pieces, from_tags(pieces, spoken))
        return spoken == (to_bioes(again) if scheme == "bioes" else again)

    legal = [path for path in itertools.product(range(len(tags)), repeat=3) if is_one(path)]
    random = np.random.default_rng(0)
    for _ in range(50):
        scores = np.log(random.dirichlet(np.full(len(tags), 0.3), 3) + 1e-12)
        best = max(legal, key=lambda path: scores[range(3), path].sum())
        assert tuple(best_path(scores, len(SCHEMES[scheme]))) == best


@pytest.mark.parametrize("method", ["full", "lora", "ia3", "adapter", "prompt_tuning"])
def test_models_learn_bioes_and_come_back_with_it(tiny_bases: Path, context: Any, tmp_path: Path, method: str) -> None:
    rows = Rows([0, 1], ["my parcel is very late", "hello there"], [[(3, 9, LABELS[0]), (13, 22, LABELS[1])], []])
    data = TrainingData(get_task("tagging"), LABELS, rows, rows, rows)
    kind: Any = get_method(method)
    options = kind.Options.model_validate({"tag_scheme": "bioes", "epochs": 1, "max_length": 16})
    model = kind.fit(data, options, tiny_bases / "tiny", context)
    assert model.head.outputs[:5] == ["O", *(f"{prefix}-{LABELS[0]}" for prefix in "BIES")]
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    loaded = kind.load(folder, LABELS, task="tagging")
    assert loaded.head.scheme == "bioes" and loaded.answers(rows.texts).values == model.answers(rows.texts).values
    (folder / "tags.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tags\.json"):
        kind.load(folder, LABELS, task="tagging")


def test_words_learn_the_tags_of_their_scheme(tiny_bases: Path) -> None:
    text, spans = "my parcel is very late", [(3, 9, LABELS[0]), (13, 22, LABELS[1])]
    for scheme, expected in (("iob2", "O B O B I"), ("bioes", "O S O B E")):
        head: Any = head_for("tagging", LABELS)
        head.scheme = scheme
        reading = head.read(load_tokenizer(tiny_bases / "tiny"), [text], None, 16)
        targets = head.targets(Rows([0], [text], [spans]), reading).every.numpy()
        assert " ".join(head.outputs[i][0] for i in targets[targets != IGNORED]) == expected


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("full", {"learning_rate": 5e-3}),
        ("prefix_tuning", {"learning_rate": 3e-2, "head_factor": 1.0}),
        ("prompt_tuning", {"learning_rate": 3e-2, "head_factor": 1.0}),
        ("features", {}),
        ("hybrid", {}),
        ("baseline", {}),
    ],
)
def test_spans_are_learned(
    data: TrainingData, context: Any, tiny_bases: Path, method: str, options: dict[str, Any]
) -> None:
    chosen = get_method(method)
    if method not in ("baseline", "features", "hybrid"):
        options |= {
            "epochs": 12,
            "batch_size": 8,
            "patience": 0,
            "dropout": 0.0,
            "train_word_embeddings": method == "full",
        }
    predictor = chosen.fit(data, chosen.Options(**options), tiny_bases / "tiny", context)
    said = answers_of(predictor, data.task, data.test.texts)
    found = data.task.metrics(data.test.values, said.values, LABELS)
    assert found["entity_f1"] > 0.6, found
    assert said.scores.shape == (len(data.test), 0) and ((said.confidence > 0) & (said.confidence <= 1)).all()


def test_plain_transformers_loads_the_tags(data: TrainingData, context: Any, tiny_bases: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForTokenClassification

    method = get_method("full")
    method.fit(data, FullOptions(epochs=1), tiny_bases / "tiny", context).save(tmp_path / "model")
    model = AutoModelForTokenClassification.from_pretrained(tmp_path / "model")
    assert list(model.config.id2label.values()) == ["O", "B-item", "I-item", "B-greeting", "I-greeting"]


def test_a_text_without_words_has_no_spans(data: TrainingData, context: Any, tiny_bases: Path) -> None:
    for name in ("full", "baseline", "features", "hybrid"):
        method = get_method(name)
        options = FullOptions(epochs=1) if name == "full" else method.Options()
        predictor = method.fit(data, options, tiny_bases / "tiny", context)
        assert answers_of(predictor, data.task, ["", " \u200b ", "hello there"]).values[:2] == [[], []]
