from __future__ import annotations

import subprocess
import sys

import pytest

from core.errors import InputError, RefusedError
from core.training import hardware

SMI = "0, NVIDIA H100, 81559, 570.10\n1, NVIDIA RTX A2000, 6138, 570.10\nNVIDIA-SMI has failed\n"


def test_this_machine_is_described_without_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from core.training.hardware import choose_device, hardware;"
        "h = hardware(Path(sys.argv[1])); assert h.cpu and h.cores and h.memory_bytes > h.available_bytes > 0;"
        "choose_device(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)


def test_gpus_are_read_from_the_driver():
    gpus = hardware.read_gpus(SMI)
    assert [(gpu.device, gpu.name, gpu.driver) for gpu in gpus] == [
        ("cuda:0", "NVIDIA H100", "570.10"),
        ("cuda:1", "NVIDIA RTX A2000", "570.10"),
    ]
    assert gpus[0].memory_bytes == 81559 * 2**20


def test_half_precision_is_offered_only_where_it_was_measured_to_be_faster(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, "_gpus", lambda: tuple(hardware.read_gpus(SMI)))
    assert [gpu.bf16 for gpu in hardware.hardware(tmp_path).gpus] == [None, None]
    hardware.remember(tmp_path, "cuda:0", {"float32": 50_000.0, "float16": 60_000.0, "bfloat16": 400_000.0})
    hardware.remember(tmp_path, "cpu", {"float32": 183.0, "float16": 0.0, "bfloat16": 0.3})
    found = hardware.hardware(tmp_path)
    assert (found.gpus[0].bf16, found.gpus[0].fp16, found.gpus[1].bf16) == (True, False, None)
    assert hardware.pays_off(found.speeds, "cpu", "bfloat16") is False


def test_a_measurement_holds_for_its_machine_only(tmp_path, monkeypatch):
    hardware.remember(tmp_path, "cpu", {"float32": 183.0})
    assert hardware.measured(tmp_path) == {"cpu": {"float32": 183.0}}
    monkeypatch.setattr(hardware, "_cpu_name", lambda: "another processor")
    assert hardware.measured(tmp_path) == {}


def test_the_device_is_chosen_and_can_be_overridden(monkeypatch):
    monkeypatch.setattr(hardware, "_has_mps", lambda: False)
    monkeypatch.setattr(hardware, "_gpus", lambda: tuple(hardware.read_gpus(SMI)))
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: True)
    settings = ["auto", "cpu", "cuda", "cuda:1"]
    assert [hardware.choose_device(one) for one in settings] == ["cuda:0", "cpu", "cuda:0", "cuda:1"]
    with pytest.raises(RefusedError, match="cuda:7"):
        hardware.choose_device("cuda:7")
    monkeypatch.setattr(hardware, "_torch_has_cuda", lambda: False)
    assert hardware.choose_device("auto") == "cpu"
    with pytest.raises(RefusedError, match="without CUDA"):
        hardware.choose_device("cuda")
    with pytest.raises(InputError):
        hardware.choose_device("../gpu")


def test_the_probe_measures_every_number_type(monkeypatch):
    from core.training import probe

    monkeypatch.setattr(probe, "ENOUGH", 1e-4)
    speeds = probe.speeds("cpu")
    assert set(speeds) == {"float32", "float16", "bfloat16"} and speeds["float32"] > 0.1
