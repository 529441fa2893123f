"""What this machine can do: processor, memory, accelerators, and what was measured on them.

Never loads torch: speed is measured in a short-lived process (``core.training.probe``) or by a worker that has torch
in memory anyway, and kept in a file.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from pydantic import Field

from core.durable import read_json, write_json
from core.errors import InputError, RefusedError, TrainingError
from core.records import Record

FILE = "hardware.json"
PAYS_OFF = 1.5
"""Half precision counts as useful from this ratio to the speed in 32 bits on."""
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")


class Gpu(Record):
    """One accelerator."""

    device: str = Field(description="cuda:0, cuda:1 ...")
    name: str
    memory_bytes: int
    driver: str
    bf16: bool | None = Field(default=None, description="bfloat16 was measured to be faster; None: not measured.")
    fp16: bool | None = Field(default=None, description="float16 was measured to be faster; None: not measured.")


class Hardware(Record):
    """This machine."""

    cpu: str = Field(description="Name of the processor.")
    cores: int = Field(description="Physical cores.")
    memory_bytes: int
    available_bytes: int = Field(description="Memory that is free now.")
    gpus: list[Gpu] = Field(default_factory=list)
    mps: bool = Field(default=False, description="Apple's GPU is there.")
    speeds: dict[str, dict[str, float]] = Field(
        default_factory=dict,
        description="By device and number type: measured 10^9 operations a second of a matrix product.",
    )


def hardware(cache: Path) -> Hardware:
    """What is known without measuring anything; takes milliseconds after the first call."""
    speeds = measured(cache)
    memory = psutil.virtual_memory()
    return Hardware(
        cpu=_cpu_name(),
        cores=psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        memory_bytes=memory.total,
        available_bytes=memory.available,
        gpus=[
            gpu.model_copy(
                update={
                    "bf16": pays_off(speeds, gpu.device, "bfloat16"),
                    "fp16": pays_off(speeds, gpu.device, "float16"),
                }
            )
            for gpu in _gpus()
        ],
        mps=_has_mps(),
        speeds=speeds,
    )


def measure(cache: Path, seconds: float = 120.0) -> Hardware:
    """Measure every device in a process of its own, at most ``seconds`` long. Raises TrainingError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "core.training.probe"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise TrainingError(
            f"This machine cannot be measured: {said[-1] if said else type(error).__name__}",
            "Training works without it.",
        ) from error
    for line in done.stdout.splitlines():
        device, _, speeds = line.partition(" ")
        remember(cache, device, {name: float(value) for name, value in (pair.split("=") for pair in speeds.split())})
    return hardware(cache)


def measured(cache: Path) -> dict[str, dict[str, float]]:
    """Speeds by device and number type that were measured on this very machine; empty before the first time."""
    known = read_json(cache / FILE)
    if not isinstance(known, dict) or known.get("machine") != machine():
        return {}
    speeds: dict[str, dict[str, float]] = known["speeds"]
    return speeds


def remember(cache: Path, device: str, speeds: dict[str, float]) -> None:
    """Keep the speeds of one device."""
    cache.mkdir(parents=True, exist_ok=True)
    known: dict[str, Any] = {"machine": machine(), "speeds": {**measured(cache), device: speeds}}
    write_json(cache / FILE, known, sync=False)


def pays_off(speeds: dict[str, dict[str, float]], device: str, kind: str) -> bool | None:
    """Whether ``kind`` is clearly faster than 32-bit floats on a device; None where it was not measured."""
    known = speeds.get(device)
    if known is None or "float32" not in known:
        return None
    return known.get(kind, 0.0) >= PAYS_OFF * known["float32"]


@lru_cache(maxsize=1)
def has_half_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor says that it has units for matrices of bfloat16 (Intel's AMX); only Linux tells."""
    with suppress(OSError):
        return "amx_bf16" in cpuinfo.read_text(encoding="utf-8", errors="replace")
    return False


def threads_for_training() -> int:
    """Threads of a worker: the physical cores this process may use, or what OMP_NUM_THREADS says."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def choose_device(setting: str = "auto") -> str:
    """The device a setting means here: cpu, cuda:0, mps.

    Raises InputError for a name that is none and RefusedError for a device this machine does not have.
    """
    if not _DEVICE.fullmatch(setting):
        raise InputError(f"'{setting[:40]}' is not a device.", "Choose auto, cpu, cuda, cuda:1 or mps.")
    gpus = usable_gpus()
    if setting == "auto":
        return gpus[0] if gpus else "mps" if _has_mps() else "cpu"
    wanted = "cuda:0" if setting == "cuda" else setting
    if wanted != "cpu" and wanted not in [*gpus, *(["mps"] if _has_mps() else [])]:
        why = "the installed torch is built without CUDA" if _gpus() and not gpus else "this machine does not have it"
        raise RefusedError(f"The device '{setting}' cannot be used: {why}.", "Choose the device 'auto' or 'cpu'.")
    return wanted


def usable_gpus() -> list[str]:
    """The GPUs that training can use: cuda:0, cuda:1 ..."""
    return [gpu.device for gpu in _gpus()] if _torch_has_cuda() else []


@lru_cache(maxsize=1)
def _gpus() -> tuple[Gpu, ...]:
    """NVIDIA GPUs as the driver lists them, numbered as torch numbers those that it may see."""
    query = ["nvidia-smi", "--query-gpu=index,name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(visible(read_gpus(done.stdout), os.environ.get("CUDA_VISIBLE_DEVICES")))


def read_gpus(text: str) -> list[Gpu]:
    """GPUs from the lines of nvidia-smi: index, name, memory in MiB, driver."""
    found = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.split(",")]
        with suppress(ValueError):
            index, name, memory, driver = parts
            found.append(Gpu(device=f"cuda:{int(index)}", name=name, memory_bytes=int(memory) * 2**20, driver=driver))
    return found


def visible(gpus: Sequence[Gpu], setting: str | None) -> list[Gpu]:
    """Those of the GPUs that CUDA_VISIBLE_DEVICES leaves, in its order and numbered anew; all of them without it.

    Names that are no numbers (GPU-..., MIG-...) count, and stand for the first ones: the driver's list has no names.
    """
    if setting is None:
        return list(gpus)
    named = [name.strip() for name in setting.split(",") if name.strip()]
    if not all(name.isdigit() for name in named):
        chosen = list(gpus[: sum(not name.startswith("-") for name in named)])
    else:
        chosen = [gpus[int(name)] for name in named if int(name) < len(gpus)]
    return [gpu.model_copy(update={"device": f"cuda:{number}"}) for number, gpu in enumerate(chosen)]


@lru_cache(maxsize=1)
def _torch_has_cuda() -> bool:
    """Whether the installed torch is a CUDA build, read from its version file instead of loading it."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    with suppress(OSError):
        return (
            re.search(r"^cuda\b[^=]*=\s*['\"]", (Path(spec.origin).parent / "version.py").read_text(), re.M) is not None
        )
    return False


def _has_mps() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


@lru_cache(maxsize=1)
def _cpu_name() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    with suppress(OSError, subprocess.SubprocessError):
        ask = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(ask, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """What a measurement holds for: another machine, GPU or thread count needs another one."""
    return f"{_cpu_name()} x {threads_for_training()}, {', '.join(gpu.name + ' ' + gpu.driver for gpu in _gpus())}"
