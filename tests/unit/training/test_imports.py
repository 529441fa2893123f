"""The worker's imports, in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.training.run_folder import RunFolder

RUN = """
import json, sys
from pathlib import Path
import psutil
from core.training import worker
from core.training.imports import import_ahead
import_ahead()
before, memory = set(sys.modules), psutil.Process().memory_info().rss
folder = worker.RunFolder(Path(sys.argv[1]))
config = folder.config()
code = worker._outcome(folder, config, worker.WorkerContext(folder, config, "cpu"))
loaded = sorted(set(sys.modules) - before)
print(json.dumps([code, memory, "torch" in before, "sklearn.linear_model" in before, loaded]))
"""
START = "import sys; from core.training.imports import import_without_pandas; import_without_pandas();"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sklearn.linear_model, core.training.worker; print('pandas' in sys.modules)", "False"),
        ("import pandas; print(pandas.DataFrame({'a': [1]}).shape)", "(1, 1)"),
    ],
    ids=["scikit-learn does without pandas", "others still find it"],
)
def test_pandas_is_left_out_and_can_be_had(code: str, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.stderr) == (said, "")


def test_a_spare_worker_has_loaded_what_a_run_needs_and_no_torch(
    tmp_path: Path, toy_version: Callable[..., Path], make_config: Callable[..., Any]
) -> None:
    config = make_config(id="run", method="baseline", base=None, options={}, cache=str(tmp_path / "cache"))
    folder = RunFolder.create(tmp_path / "runs", config, toy_version())
    arguments = [sys.executable, "-c", RUN, str(folder.path)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    code, memory, torch, linear_model, loaded = json.loads(done.stdout.splitlines()[-1])
    assert (code, torch, linear_model) == (0, False, True)
    assert memory < 220 * 2**20
    heavy = ("core", "numpy", "pyarrow", "scipy", "skops", "sklearn", "torch")
    assert [name for name in loaded if name.split(".")[0] in heavy] == []
