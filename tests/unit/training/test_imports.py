"""The worker's imports, in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
