"""How a model is made: a registry of methods by name.

A method's module is imported when it is first asked for, and itself imports torch or scikit-learn inside functions
only: listing the methods costs nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from core.errors import NotFoundError
from core.methods.base import Method

_METHODS: dict[str, str] = {
    "baseline": "core.methods.baseline:Baseline",
    "features": "core.methods.features:Features",
    "hybrid": "core.methods.hybrid:Hybrid",
    "full": "core.methods.full:FullFineTuning",
    "top_layers": "core.methods.top_layers:TopLayers",
    "lora": "core.methods.lora:LoRA",
}
"""Registry name -> ``module:class``, in the order in which the form lists them."""


@cache
def get_method(name: str) -> Method:
    """Return the method registered under ``name``; raises NotFoundError with the known names."""
    if name not in _METHODS:
        raise NotFoundError(f"There is no method '{name}'.", f"Known methods: {', '.join(_METHODS)}.")
    module, _, cls = _METHODS[name].partition(":")
    method: Method = getattr(import_module(module), cls)()
    return method


def method_names() -> list[str]:
    """Names of all methods in the order in which the form lists them."""
    return list(_METHODS)


def all_methods() -> list[Method]:
    """Every registered method in the order in which the form lists them."""
    return [get_method(name) for name in _METHODS]
