"""The tiny base model and texts of the unit tests, for measurements that need a model and not its quality."""

from __future__ import annotations

import importlib.util
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location("tiny_models", Path(__file__).parents[1] / "unit" / "conftest.py")
if _SPEC is None or _SPEC.loader is None:
    raise ImportError("tests/unit/conftest.py is missing")
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
save_tiny_bert = _MODULE.save_tiny_bert
toy_texts = _MODULE.toy_texts
save_tiny_llama = _MODULE.save_tiny_llama
