"""What a run will cost: lengths in tokens, and the share of texts that are cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.project import Project
from core.project.costs import SAMPLE, token_counts, training_sample


def test_without_a_tokenizer_characters_are_counted(tmp_path: Path) -> None:
    """Four Latin characters a token, one Chinese character a token, and the two tokens around a text."""
    counts = token_counts(["", "abcd" * 10, "退款很慢", "退款 abc"], tmp_path)
    assert counts.tolist() == [2, 12, 6, 5]


def test_the_tokenizer_of_the_base_is_asked_and_cuts_nothing(tiny_bases: Path) -> None:
    words = "money back please " * 100
    assert token_counts([words, "hello there"], tiny_bases / "tiny").tolist() == [302, 4]


def test_the_sample_is_spread_over_the_training_texts(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.add_items([{"text": f"text {i}", "label": ["refund", "delivery"][i % 2]} for i in range(60)])
    version = project.freeze(test=0.1, dev=0.1)
    monkeypatch.setattr("core.project.costs.SAMPLE", 10)
    sample = training_sample(version)
    assert len(sample) == 10
    assert max(int(text.split()[1]) for text in sample) > 40
    assert SAMPLE > 10


def test_the_share_of_cut_texts_is_known_before_training(project: Project, tiny_bases: Path) -> None:
    (project.workspace.path / "bases").symlink_to(tiny_bases, target_is_directory=True)
    rows = [
        {"text": f"hello {'the ' * (90 if i < 20 else 3)} {i}", "label": ["refund", "delivery"][i % 2]}
        for i in range(40)
    ]
    project.add_items(rows)
    version = project.freeze(test=0.1, dev=0.1)
    train = training_sample(version)
    long = sum(len(text.split()) > 62 for text in train) / len(train)
    cost = project.estimate(version, "features", base="local:tiny", max_length=64)
    assert cost is not None
    assert cost.cut_share == pytest.approx(long)
    assert 0.3 < cost.cut_share < 0.7
    roomy = project.estimate(version, "features", base="local:tiny", max_length=128)
    assert roomy is not None
    assert roomy.cut_share == 0
