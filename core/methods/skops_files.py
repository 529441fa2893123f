"""scikit-learn objects in files that cannot run code: skops, with a closed list of what may be inside."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import BadZipFile, ZipFile

from core.errors import ModelError

_importing = threading.Lock()
TRUSTED = frozenset(
    {
        "sklearn.feature_extraction.text.TfidfVectorizer",
        "sklearn.feature_extraction.text.TfidfTransformer",
        "sklearn.svm._classes.LinearSVC",
        "sklearn.linear_model._logistic.LogisticRegression",
        "numpy.ndarray",
        "numpy.dtype",
        "numpy.float32",
        "numpy.float64",
        "numpy.int32",
        "numpy.int64",
        "scipy.sparse._csr.csr_matrix",
        "scipy.sparse._dia.dia_matrix",
        "builtins.dict",
        "builtins.list",
        "builtins.tuple",
        "builtins.set",
        "builtins.str",
        "builtins.int",
        "builtins.float",
        "builtins.bool",
        "builtins.type",
        "collections.defaultdict",
    }
)
"""Every type that our own models contain."""


def save_estimators(estimators: list[Any], path: Path) -> None:
    """Write fitted estimators. Raises ModelError when they contain a type that could not be loaded again."""
    import_skops().dump(estimators, path)
    check_types(path)


def load_estimators(path: Path) -> list[Any]:
    """Read what ``save_estimators`` wrote. Raises ModelError for a damaged file or an unexpected type inside."""
    check_types(path)
    skops = import_skops()
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        loaded = skops.load(path, trusted=sorted(TRUSTED))
    except (UntrustedTypesFoundException, TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path.name} is damaged or not one of our models.", "Train the model again.") from error
    if not isinstance(loaded, list) or not loaded:
        raise ModelError(f"{path.name} is not one of our models.", "Train the model again.")
    return loaded


def import_skops() -> Any:
    """``skops.io``, imported with an empty list of types that it trusts of its own accord.

    To make that list skops walks through all of scikit-learn and scipy: that takes seconds, loads torch, and trusts far
    more than our models contain. An empty one leaves our closed list as the only one.
    """
    with _importing:
        if "skops.io" not in sys.modules:
            nothing = ModuleType("skops.io._trusted_types")
            vars(nothing)["__getattr__"] = _no_names
            sys.modules[nothing.__name__] = nothing
        return import_module("skops.io")


def _no_names(name: str) -> list[str]:
    """An empty list in the place of each of skops' lists of type names."""
    if not name.endswith("_NAMES"):
        raise AttributeError(name)
    return []


def check_types(path: Path) -> None:
    """Raise ModelError unless every type named in a skops file is one that our models contain."""
    try:
        with ZipFile(path) as archive:
            schema = json.loads(archive.read("schema.json"))
    except (OSError, BadZipFile, KeyError, ValueError) as error:
        raise ModelError(f"{path.name} is missing or damaged.", "Train the model again.") from error
    strange = sorted({name for name in _types(schema) if name not in TRUSTED})
    if strange:
        raise ModelError(
            f"{path.name} contains {', '.join(strange[:3])}, which no model of this studio contains.",
            "Do not use this file; train the model again.",
        )


def _types(node: Any) -> Iterator[str]:
    """Full names of all types and functions in a skops schema."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "__module__" in node and "__class__" in node:
                yield f"{node['__module__']}.{node['__class__']}"
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
