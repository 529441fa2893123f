"""The model card: what it says, and that names of users do nothing in it."""

from __future__ import annotations

from typing import Any

import pytest

from core.inference.card import card

FACTS: dict[str, Any] = {
    "run": "20260101-000000-abcdef",
    "method": "lora",
    "task": "classification",
    "base": "minilm",
    "base_licence": "Apache-2.0",
    "base_sha256": "ab" * 32,
    "version_hash": "cd" * 32,
    "created_at": "2026-01-01T10:20:30.123456+00:00",
    "labels": ["refund", "delivery"],
    "options": {"rank": 8},
}
RESULT: dict[str, Any] = {
    "rows": {"train": 1200, "dev": 100, "test": 300},
    "seconds": 61.2,
    "device": "cpu",
    "truncated": 0.125,
    "metrics": {"dev": {"accuracy": 0.9}, "test": {"accuracy": 0.8765, "macro_f1": 0.8}},
    "versions": {"torch": "2.13.0"},
}


def test_card_says_what_the_model_is_made_of() -> None:
    text = card(FACTS, RESULT, "Support")
    for words in (
        "| Base model | minilm (Apache-2.0) |",
        f"`{'cd' * 32}`",
        "1,200 train, 100 dev, 300 test",
        "2026-01-01T10:20:30Z, 61 s on cpu",
        "| Texts cut off at the longest length | 12.5 % |",
        "| accuracy | 90.0 % | 87.6 % |",
        "| macro f1 |  | 80.0 % |",
        '"rank": 8',
        "torch 2.13.0",
    ):
        assert words in text
    assert text.startswith("---\nlibrary_name: ")


@pytest.mark.parametrize(
    ("method", "library", "loading"),
    [
        ("full", "transformers", "AutoModelForSequenceClassification.from_pretrained"),
        ("ia3", "transformers", "from_pretrained(folder)  # merged"),
        ("prefix_tuning", "peft", "load_predictor(folder)"),
        ("baseline", "scikit-learn", "load_predictor(folder)"),
    ],
)
def test_card_says_how_the_model_is_loaded(method: str, library: str, loading: str) -> None:
    text = card({**FACTS, "method": method, "base": None, "base_licence": ""}, RESULT, "Support")
    assert f'library_name: "{library}"' in text
    assert loading in text
    assert "| Base model | none  |" in text


def test_the_class_is_that_of_the_task() -> None:
    text = card({**FACTS, "task": "tagging"}, RESULT, "Support")
    assert "AutoModelForTokenClassification.from_pretrained(folder)" in text and "SequenceClass" not in text


@pytest.mark.parametrize("name", ["```\n# up", "</td><script>x</script>", "| a | b |", "![x](http://x)", "---\na: b"])
def test_names_of_users_stay_inside_the_block(name: str) -> None:
    text = card({**FACTS, "labels": [name, "other"]}, RESULT, name)
    outside = "".join(text.split("```json")[:1] + text.split("```json")[1].split("```")[1:])
    assert name not in outside
    assert text.count("```") == 4


def test_a_result_without_figures_is_no_error() -> None:
    assert "0 train" in card(FACTS, {}, "Support")


def test_texts_without_a_label_are_owned_up_to() -> None:
    told = "Texts without a label, learned from too | 9,233 |"
    assert told in card(FACTS, {**RESULT, "rows": {**RESULT["rows"], "unlabelled": 9233}}, "Support")
    assert "without a label" not in card(FACTS, RESULT, "Support")
