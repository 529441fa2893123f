"""How much there is to do: lengths in tokens, windows, pairs, responses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.methods.base import Rows, Work
from core.methods.heads import head_for
from core.tasks import get_task
from core.training.workload import SAMPLE, on_devices, token_counts, workload


def test_without_a_tokenizer_characters_are_counted(tmp_path: Path) -> None:
    """Four Latin characters a token, one Chinese character a token, and the two tokens around a text."""
    counts = token_counts(["", "abcd" * 10, "退款很慢", "退款 abc"], tmp_path)
    assert counts.tolist() == [2, 12, 6, 5]


def test_the_tokenizer_of_the_base_is_asked_and_cuts_nothing(tiny_bases: Path) -> None:
    words = "money back please " * 100
    assert token_counts([words, "hello there"], tiny_bases / "tiny").tolist() == [302, 4]


def test_the_sample_is_spread_over_the_training_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.workload.SAMPLE", 10)
    texts = [f"text {i}" for i in range(60)]
    work = workload(Rows(list(range(60)), texts, ["a"] * 60), get_task("classification"), None, dev=5, test=7)
    assert (work.rows, work.dev, work.test, len(work.texts), work.lengths.shape) == (60, 5, 7, 10, (10, 1))
    assert work.texts[-1] == "text 54" and SAMPLE > 10


def test_both_texts_of_pairs_and_the_responses_of_prompts_are_read(tiny_bases: Path) -> None:
    tiny = tiny_bases / "tiny"
    rows = Rows([1, 2], ["hello there", "money"], ["match", "no match"], ["the parcel", "back please back"])
    work = workload(rows, get_task("pair"), tiny)
    assert work.lengths.tolist() == [[4, 4], [3, 5]] and work.ranked and work.read().tolist() == [7, 7]
    assert work.mean() == 7 and work.mean(5) == 5 and work.mean(3, apart=True) == 6
    assert Work(rows=0, lengths=np.zeros((0, 1))).mean() == 0
    assert work.read(5).tolist() == [5, 5] and work.read_apart(3).tolist() == [6, 6]
    graded = workload(Rows([1], ["a"], [0.5], ["b"]), get_task("pair"), tiny)
    assert not graded.ranked
    written = workload(Rows([1], ["hello there"], ["money back please"]), get_task("generation"), tiny)
    assert written.written == 5 and written.lengths.tolist() == [[7]]


def test_windows_of_long_texts_are_counted_as_the_heads_make_them(tiny_bases: Path) -> None:
    from core.methods.encoders import load_tokenizer

    tokenizer = load_tokenizer(tiny_bases / "tiny")
    texts = ["hello " * n for n in (3, 14, 15, 40, 200)]
    work = workload(Rows([0] * 5, texts, [[]] * 5), get_task("tagging"), tiny_bases / "tiny")
    told = head_for("tagging", []).tokens_read(work, 16)
    made = head_for("tagging", ["a"]).read(tokenizer, texts, None, 16).encoded.lengths
    assert len(told) == len(made) and told.sum() == pytest.approx(made.sum(), abs=1)
    asked = ["money back", "hello"] * 2 + ["money"]
    work = workload(Rows([0] * 5, texts, [[]] * 5, asked), get_task("question_answering"), tiny_bases / "tiny")
    told = head_for("question_answering", []).tokens_read(work, 32)
    made = head_for("question_answering", []).read(tokenizer, texts, asked, 32).encoded.lengths
    assert len(told) == len(made) and told.sum() == pytest.approx(made.sum(), rel=0.02)
    assert head_for("classification", []).tokens_read(work, 32).max() == 32


@pytest.mark.parametrize("flags", ["fpu avx2", "fpu avx2 amx_bf16"])
def test_the_machine_is_told_apart_from_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    from core.training import hardware
    from core.training.workload import machine_speed

    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    told = hardware.has_half_units.__wrapped__(tmp_path / "cpuinfo")
    assert told == ("amx_bf16" in flags)
    monkeypatch.setattr(hardware, "has_half_units", lambda: told)
    work = Work(rows=1, lengths=np.full((1, 1), 9.0))
    assert on_devices(work, ("cpu",), tmp_path, 1e9).half == told, "what was not measured is told by the processor"
    assert not on_devices(work, ("cuda:0",), tmp_path, 1e9).half
    hardware.remember(tmp_path, "cpu", {"float32": 1e6, "bfloat16": 1e6})
    assert not on_devices(work, ("cpu",), tmp_path, 1e9).half
    hardware.remember(tmp_path, "cpu", {"float32": 1e6, "bfloat16": 9e6})
    assert on_devices(work, ("cpu", "cpu"), tmp_path, 1e9).half
    assert machine_speed(("cpu", "cpu"), tmp_path) == pytest.approx(1e15), "the processor is one, however many share it"
    hardware.remember(tmp_path, "cuda:0", {"float32": 5e4, "bfloat16": 4e5})
    one, two = (machine_speed(("cuda:0", "cuda:1")[:count], tmp_path) for count in (1, 2))
    assert one == pytest.approx(0.55 * 4e14) and two == 2 * one
