"""Which devices a run takes, and who may begin beside whom."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import InputError, RefusedError
from core.methods import get_method
from core.training import hardware
from core.training.placement import devices_for, may_begin

SMI = "\n".join(f"{number}, NVIDIA A100, 81559, 570.10" for number in range(4))


def full(**changes: Any) -> dict[str, Any]:
    return get_method("full").Options(**changes).model_dump()


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_gpus", lambda: tuple(hardware.read_gpus(SMI)))
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: True)


def test_a_processor_is_one_device_however_many_processes_share_it():
    assert devices_for("cpu", full()) == ("cpu",)
    assert devices_for("cpu", full(processes=3)) == ("cpu",) * 3
    assert devices_for("auto", full(processes=3), "mps") == ("mps",)


@pytest.mark.usefixtures("four_gpus")
def test_a_run_left_alone_takes_every_gpu_and_a_chosen_one_stays_the_only_one():
    every = ("cuda:0", "cuda:1", "cuda:2", "cuda:3")
    assert devices_for("auto", full()) == every
    assert devices_for("cuda:2", full()) == ("cuda:2",) and devices_for("cuda", full()) == ("cuda:0",)
    assert devices_for("cuda:2", full(processes=3)) == ("cuda:2", "cuda:0", "cuda:1"), "no two on one"
    for alone in ("features", "bi_encoder", "few_shot"):
        assert devices_for("auto", get_method(alone).Options().model_dump()) == ("cuda:0",)
    with pytest.raises(RefusedError, match="8 processes were asked for, and this machine has 4 GPUs"):
        devices_for("auto", full(processes=8))
    with pytest.raises(InputError):
        devices_for("gpu", full())


def test_the_queue_keeps_devices_for_who_waits_for_them():
    assert may_begin([{"cuda:0"}, {"cuda:1"}, {"cuda:0"}], ()) == [0, 1]
    every = ("cuda:0", "cuda:1")
    assert may_begin([every, {"cuda:1"}, {"cpu"}], {"cuda:0"}) == [2], "who wants all of them is not overtaken"
    assert may_begin([every, {"cuda:1"}], ()) == [0]


def test_gpus_are_numbered_as_torch_sees_them():
    gpus = hardware.read_gpus("0, A, 1, 5\n1, B, 1, 5\n2, C, 1, 5\n")

    def seen(setting: str | None) -> str:
        return " ".join(f"{gpu.name}={gpu.device}" for gpu in hardware.visible(gpus, setting))

    assert seen(None) == "A=cuda:0 B=cuda:1 C=cuda:2"
    assert seen("2,0") == "C=cuda:0 A=cuda:1" and seen("") == "" and seen("-1") == ""
    assert seen("GPU-5af1, GPU-77b0") == "A=cuda:0 B=cuda:1"
