from __future__ import annotations

import pytest
import torch

from core.training.dropout import Dropout, Masks, quick_dropout


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_it_drops_the_share_and_keeps_the_mean(share):
    values = torch.ones(400, 1000)
    dropped = Dropout(share, Masks(0))(values)
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - share)])


def test_gradients_pass_where_values_passed_and_evaluation_changes_nothing():
    values = torch.ones(50, requires_grad=True)
    module = Dropout(0.5, Masks(1))
    out = module(values)
    out.sum().backward()
    assert values.grad is not None and torch.equal(values.grad, out.detach())
    assert module.eval()(values) is values


def test_masks_are_a_matter_of_seed_and_step():
    values = torch.ones(1000)
    masks, other = Masks(3), Masks(4)
    masks.start(7)
    first, second = masks.draw(values, 0.5), masks.draw(values, 0.5)
    masks.start(7)
    assert torch.equal(masks.draw(values, 0.5), first) and not torch.equal(first, second)
    for source, step in ((masks, 8), (other, 7)):
        source.start(step)
        assert not torch.equal(source.draw(values, 0.5), first)


def test_a_model_has_its_own_dropout_again_after_training():
    usual = torch.nn.Dropout(0.3)
    inner = torch.nn.Sequential(usual).eval()
    model = torch.nn.Sequential(torch.nn.Linear(4, 4), inner)
    with pytest.raises(RuntimeError), quick_dropout(model, Masks(0)):
        quick = inner[0]
        assert isinstance(quick, Dropout) and quick.p == 0.3 and not quick.training
        raise RuntimeError
    assert inner[0] is usual
