"""What can be switched on while learning: each does what its paper says, and nothing of it breaks a resume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from core.errors import TrainingError
from core.methods.base import Stopped, TrainingData
from core.methods.full import FullFineTuning, FullOptions
from core.methods.heads import head_for
from core.methods.heads.base import Targets, Weighting
from core.methods.tokens import MOST_REPEATS, balanced_rows
from core.training.adversarial import Adversary
from core.training.optimizers import layer_depths
from core.training.team import Team

Fit = Callable[..., Any]
LABELS = ["a", "b", "c"]
QUICK = {"epochs": 3, "batch_size": 8, "learning_rate": 5e-3, "train_word_embeddings": True, "checkpoint_seconds": 3600}
SWITCHES: list[dict[str, Any]] = [
    {"r_drop": 1.0},
    {"adversarial": "fgm"},
    {"adversarial": "freelb"},
    {"adversarial": "fgm", "train_word_embeddings": False},
    {"label_smoothing": 0.1},
    {"focal": 2.0},
    {"oversampling": True},
    {"layer_decay": 0.5},
    {"optimizer": "adafactor"},
    {"accumulation": 3, "class_weights": True},
]


@pytest.fixture
def fit(tiny_bases: Path, toy_data: Callable[..., TrainingData]) -> Fit:
    def run(context: Any, rows: int = 48, **changes: Any) -> Any:
        options = FullOptions(**{**QUICK, **changes})
        return FullFineTuning().fit(toy_data(train=rows), options, tiny_bases / "tiny", context)

    return run


def weights(predictor: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in predictor.model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("switch", SWITCHES, ids=str)
def test_it_changes_what_is_learned_and_survives_a_resume(fit: Fit, make_context: Any, switch: dict[str, Any]) -> None:
    rows = 47 if "oversampling" in switch else 48  # uneven classes
    plain = {name: value for name, value in switch.items() if name in ("train_word_embeddings", "class_weights")}
    whole = make_context("whole")
    learned = weights(fit(whole, rows, **switch))
    assert not same(learned, weights(fit(make_context("plain"), rows, **plain)))
    assert whole.of("step")[-1]["loss"] < whole.of("step")[0]["loss"] + 0.5
    with pytest.raises(Stopped):
        fit(make_context("cut", 7), rows, **switch)
    assert same(learned, weights(fit(make_context("cut"), rows, **switch)))


def test_parts_of_a_batch_add_up_to_the_batch(fit: Fit, make_context: Any) -> None:
    one, four = (fit(make_context(str(n)), epochs=1, dropout=0.0, accumulation=n) for n in (1, 4))
    texts = ["money back please", "hello good day"]
    assert np.allclose(one.scores(texts), four.scores(texts), atol=1e-4)


def test_when_memory_runs_out_smaller_parts_go_on(fit: Fit, make_context: Any, monkeypatch: Any) -> None:
    from core.methods.tokens import Encoded

    take = Encoded.batch
    context = make_context("small")

    def greedy(self: Encoded, rows: Any) -> Any:
        if len(rows) > 3 and context.of("epoch"):
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory")
        return take(self, rows)

    monkeypatch.setattr("core.methods.heads.base.SCORING_ROWS", 2)
    monkeypatch.setattr(Encoded, "batch", greedy)
    predictor = fit(context, epochs=2, dropout=0.0)
    notes = [note["message"] for note in context.of("note")]
    assert [note for note in notes if "Memory ran out" in note] == [
        f"Memory ran out: batches of 8 texts are worked through in parts of {size} from here on; what is learned stays "
        "the same"
        for size in (4, 2)
    ]
    monkeypatch.undo()
    whole = fit(make_context("whole"), epochs=2, dropout=0.0)
    texts = ["money back please", "hello good day"]
    assert np.allclose(predictor.scores(texts), whole.scores(texts), atol=1e-3), "the same batches, in parts"


def test_memory_that_does_not_hold_one_text_ends_the_run(fit: Fit, make_context: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(
        "core.training.loop.Loop._backward", lambda *_: (_ for _ in ()).throw(RuntimeError("CUDA out of memory"))
    )
    with pytest.raises(RuntimeError, match="out of memory"):
        fit(make_context("none"), epochs=1)


@pytest.mark.parametrize("switch", [{"adversarial": "fgm"}, {"r_drop": 1.0}, {"accumulation": 2}], ids=str)
def test_a_loss_that_is_no_number_is_told_with_every_switch(
    fit: Fit, make_context: Any, monkeypatch: Any, switch: dict[str, Any]
) -> None:
    monkeypatch.setattr(
        "core.training.loop.Loop._forward", lambda _, inputs: torch.full((len(inputs["input_ids"]), 3), float("nan"))
    )
    with pytest.raises(TrainingError, match="nothing is learned from there") as told:
        fit(make_context("nan"), epochs=1, **switch)
    assert "lower learning rate" in told.value.hint


def test_one_of_several_processes_tells_what_it_refused(fit: Fit, make_context: Any, monkeypatch: Any) -> None:
    """All have to hear of it before it is raised; then it is what is told, not that the loss was no number."""
    told: list[tuple[float, ...]] = []

    def total(_: Team, *values: float) -> tuple[float, ...]:
        told.append(values)
        return values

    monkeypatch.setattr("core.training.loop.Team.present", lambda device: Team(device=device, size=2))
    monkeypatch.setattr(Team, "total", total)
    monkeypatch.setattr(Team, "same", lambda _, value: value)
    monkeypatch.setattr(Team, "begin_alike", lambda *_: None)

    def refuse(*_: Any) -> None:
        raise TrainingError("Nothing is dropped in the parts that learn.")

    monkeypatch.setattr("core.training.loop.Loop._loss", refuse)
    with pytest.raises(TrainingError, match="Nothing is dropped"):
        fit(make_context("refused"), epochs=1)
    assert np.isnan(told[-1][0])


def loss_of(weighting: Weighting, logits: torch.Tensor, wanted: torch.Tensor, task: str = "classification") -> float:
    return float(head_for(task, LABELS).loss(Targets(wanted), weighting, "cpu")(logits, wanted))


def test_losses_are_those_of_the_papers() -> None:
    torch.manual_seed(0)
    logits, wanted = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 0, 1])
    plain = functional.cross_entropy(logits, wanted)
    assert loss_of(Weighting(), logits, wanted) == pytest.approx(float(plain))
    smooth = functional.cross_entropy(logits, wanted, label_smoothing=0.2)
    assert loss_of(Weighting(smoothing=0.2), logits, wanted) == pytest.approx(float(smooth))
    p = logits.softmax(-1)[torch.arange(6), wanted]
    assert loss_of(Weighting(focal=2.0), logits, wanted) == pytest.approx(float(((1 - p) ** 2 * -p.log()).mean()))
    sets = torch.tensor([[1.0, 0, 1], [0, 0, 0]])
    q = torch.where(sets > 0.5, logits[:2].sigmoid(), 1 - logits[:2].sigmoid())
    expected = ((1 - q) ** 2 * -q.log()).mean()
    assert loss_of(Weighting(focal=2.0), logits[:2], sets, "multilabel") == pytest.approx(float(expected), rel=1e-5)


def test_two_equal_answers_are_not_apart_and_padding_does_not_count() -> None:
    head = head_for("classification", LABELS)
    one, other = torch.randn(4, 3), torch.randn(4, 3)
    nobody = torch.zeros(4, dtype=torch.int64)
    assert float(head.divergence(one, one, nobody)) == 0
    p, q = one.softmax(-1), other.softmax(-1)
    both = ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean() / 2
    assert float(head.divergence(one, other, nobody)) == pytest.approx(float(both), rel=1e-4)
    tags = head_for("tagging", LABELS)
    first, second = torch.zeros(1, 2, 7), torch.zeros(1, 2, 7)
    second[0, 1, 0] = 9.0
    assert float(tags.divergence(first, second, torch.tensor([[1, -100]]))) == 0


@pytest.mark.parametrize("kind", ["fgm", "freelb"])
def test_texts_are_moved_uphill_and_no_further_than_asked(tiny_bases: Path, kind: Any) -> None:
    from core.methods.encoders import new_model

    head = head_for("classification", LABELS)
    model = new_model(tiny_bases / "tiny", head, 0.0).train()
    inputs = {"input_ids": torch.tensor([[2, 7, 9, 3], [2, 8, 6, 3]])}
    wanted = torch.tensor([0, 2])
    moves: list[torch.Tensor | None] = []
    losses: list[float] = []

    def loss() -> torch.Tensor:
        value = functional.cross_entropy(model(**inputs).logits, wanted)
        moves.append(None if adversary.move is None else adversary.move.clone())
        losses.append(float(value))
        return value

    with Adversary(model, kind, 0.5) as adversary:
        told = adversary.backward(loss)
    assert told == losses[0] and losses[-1] > losses[0]
    assert moves[0] is None and len(moves) == (2 if kind == "fgm" else 3)
    for move in moves[1:]:
        assert move is not None and move.flatten(1).norm(dim=1).max() <= 0.5 + 1e-5
    with torch.no_grad():
        assert float(functional.cross_entropy(model(**inputs).logits, wanted)) == pytest.approx(losses[0], abs=1e-6)


def test_rare_classes_are_shown_as_often_as_the_largest() -> None:
    keys = ["often"] * 60 + ["rare"] * 6 + ["once"]
    rows = balanced_rows(keys, seed=1)
    shown = Counter(keys[row] for row in rows)
    assert shown == {"often": 60, "rare": 60, "once": MOST_REPEATS}
    assert set(rows.tolist()) == set(range(67)) and rows.tolist() == balanced_rows(keys, seed=1).tolist()


def test_layers_are_counted_from_the_top() -> None:
    names = ["bert.embeddings.word.weight", "bert.encoder.layer.0.a", "bert.encoder.layer.1.a", "classifier.weight"]
    assert layer_depths(names) == {names[0]: 2, names[1]: 1, names[2]: 0, names[3]: 2}
    assert layer_depths(["weight"]) == {"weight": 0}
