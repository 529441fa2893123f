"""Figures of spans: whole ones beside single words, both as the libraries of the field count them."""

from __future__ import annotations

import random

import pytest
from sklearn.metrics import classification_report

from core.evaluation import ClassScore, Evaluation, evaluate
from core.tasks import get_task
from core.tasks.spans import Span, to_tags, words

LABELS = ["who", "where"]
TEXTS = ["Anna Bell goes to Turin", "Ben stays", "安娜去都灵了", "nothing 😀 here"]
GOLD: list[list[Span]] = [[(0, 9, "who"), (18, 23, "where")], [(0, 3, "who")], [(0, 2, "who"), (3, 5, "where")], []]
PREDICTED: list[list[Span]] = [[(0, 4, "who"), (18, 23, "where")], [(0, 3, "where")], [(0, 2, "who")], [(0, 7, "who")]]


def measured(gold: list[list[Span]], predicted: list[list[Span]], texts: list[str]) -> Evaluation:
    import numpy as np

    scores = np.zeros((len(texts), 0), np.float32)
    return evaluate(gold, scores, LABELS, range(len(texts)), texts, get_task("tagging"), predicted=predicted)


def tags_of(texts: list[str], rows: list[list[Span]]) -> list[str]:
    return [tag for text, spans in zip(texts, rows, strict=True) for tag in to_tags(words(text), spans)]


def random_spans(text: str, pick: random.Random) -> list[Span]:
    pieces, place = words(text), 0
    found: list[Span] = []
    while place < len(pieces):
        end = min(len(pieces), place + pick.randint(1, 3))
        if pick.random() < 0.4:
            found.append((pieces[place][0], pieces[end - 1][1], pick.choice(LABELS)))
        place = end
    return found


@pytest.mark.parametrize("seed", range(3))
def test_words_are_counted_as_scikit_learn_counts_tokens(seed: int) -> None:
    pick = random.Random(seed)
    texts = [
        " ".join(pick.choices(["Anna", "goes", "U.S.", "到都灵", "x-1", "😀"], k=pick.randint(1, 9))) for _ in range(40)
    ]
    gold, predicted = ([random_spans(text, pick) for text in texts] for _ in range(2))
    found = measured(gold, predicted, texts)
    tags = tags_of(texts, gold), tags_of(texts, predicted)
    names = [[tag.rpartition("-")[2] for tag in row] for row in tags]
    for scores, (wanted, given) in ((found.per_tag, tags), (found.per_word, names)):
        report = classification_report(wanted, given, output_dict=True, zero_division=0)
        assert set(scores) == set(report) - {"accuracy", "macro avg", "weighted avg"}
        for name, score in scores.items():
            assert score.model_dump() == pytest.approx(
                {"precision": report[name]["precision"], "recall": report[name]["recall"],
                 "f1": report[name]["f1-score"], "support": report[name]["support"]}
            )  # fmt: skip
    assert found.figures["word_accuracy"] == pytest.approx(classification_report(*names, output_dict=True)["accuracy"])


def test_a_span_with_a_wrong_edge_is_wrong_while_its_words_may_be_right() -> None:
    found = measured(GOLD, PREDICTED, TEXTS)
    assert list(found.per_tag) == ["O", "B-who", "I-who", "B-where", "I-where"]
    assert found.per_class["who"] == ClassScore(precision=1 / 3, recall=1 / 3, f1=1 / 3, support=3)
    # Words of a person: Anna Bell, Ben, 安娜; found: Anna, 安娜, and 'nothing', which is none.
    assert found.per_word["who"] == ClassScore(precision=3 / 4, recall=3 / 5, f1=2 / 3, support=5)
    assert found.per_tag["B-who"].recall == pytest.approx(2 / 3) and found.per_tag["I-who"].recall == 0.5
    assert found.per_word["where"].support == 3 and found.per_tag["I-where"].recall == 0
    assert sum(score.support for score in found.per_word.values()) == sum(map(sum, found.confusion)) == 16


def test_the_reports_hold_both_counts() -> None:
    found = measured(GOLD, PREDICTED, TEXTS)
    page = found.to_markdown()
    assert "Single words by label" in page and "| B\\-who | 66.7 % | 66.7 % | 66.7 % | 3 |" in page.replace(
        "\u00a0", " "
    )
    assert "<td>I-where</td>" in found.to_html() and "Word accuracy" in found.to_html()
    assert Evaluation.model_validate_json(found.to_json()) == found


def test_texts_without_a_word_are_measured_too() -> None:
    found = measured([[]], [[]], ["\u200b"])
    assert found.figures["word_accuracy"] == 0 and all(score.support == 0 for score in found.per_tag.values())
