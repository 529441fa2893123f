"""Imports run one way, and importing core is cheap: the lint rule's second guard, at run time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIN_PROGRAMS = {"core.training.worker", "core.training.loop", "core.training.contrastive", "core.training.dropout",
                 "core.training.precision", "core.training.adversarial", "core.training.optimizers",
                 "core.training.recomputing", "core.training.team", "core.data.import_worker"}  # fmt: skip
"""Run in processes of their own, where the heavy imports belong."""
CODE = """
import importlib, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    before = set(sys.modules)
    importlib.import_module(name)
    loaded = {module.split(".")[0] for module in set(sys.modules) - before} & set(json.loads(sys.argv[2]))
    if loaded:
        found[name] = sorted(loaded)
print(json.dumps(found))
"""


def modules() -> list[str]:
    names = []
    for path in sorted((ROOT / "core").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if name not in MAIN_PROGRAMS]


@pytest.mark.parametrize(
    "forbidden",
    [
        ["streamlit", "fastapi", "starlette", "studio", "pages"],
        ["torch", "transformers", "peft", "sklearn", "datasets", "sentence_transformers", "lingua"],
    ],
    ids=["screens and web", "slow to import"],
)
def test_core_does_not_load(forbidden: list[str]) -> None:
    arguments = [sys.executable, "-c", CODE, json.dumps(modules()), json.dumps(forbidden)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {}


def test_sql_stays_in_storage() -> None:
    speaking = [
        str(path.relative_to(ROOT))
        for folder in ("core", "studio", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "import duckdb" in path.read_text(encoding="utf-8") and "storage" not in path.parts
    ]
    assert speaking == []


def test_cache_decorators_stay_in_services() -> None:
    keepers = [
        str(path.relative_to(ROOT))
        for folder in ("studio", "pages")
        for path in (ROOT / folder).rglob("*.py")
        if "@st.cache" in path.read_text(encoding="utf-8")
    ]
    assert keepers == ["studio/services.py"]
