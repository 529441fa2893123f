"""How a model is made: a registry of methods by name. Reading it loads no numerical library."""

from collections.abc import Callable
from importlib import import_module

from core.errors import NotFoundError
from core.methods.base import Method
from core.tasks import get_task

_METHODS: dict[str, str] = {
    "baseline": "core.methods.baseline:Baseline",
    "features": "core.methods.features:Features",
    "hybrid": "core.methods.hybrid:Hybrid",
    "full": "core.methods.full:FullFineTuning",
    "top_layers": "core.methods.top_layers:TopLayers",
    "lora": "core.methods.lora:Lora",
    "adalora": "core.methods.adalora:AdaLora",
    "ia3": "core.methods.ia3:Ia3",
    "bitfit": "core.methods.bitfit:BitFit",
    "adapter": "core.methods.adapter:Adapter",
    "prefix_tuning": "core.methods.prompts:PrefixTuning",
    "prompt_tuning": "core.methods.prompts:PromptTuning",
    "p_tuning": "core.methods.prompts:PTuning",
    "few_shot": "core.methods.few_shot:FewShot",
    "zero_shot": "core.methods.zero_shot:ZeroShot",
    "bi_encoder": "core.methods.bi_encoder:BiEncoder",
    "cross_encoder": "core.methods.cross_encoder:CrossEncoder",
    "ensemble": "core.methods.ensemble:Ensemble",
}
"""Name -> ``module:class``, in the order in which the form lists them."""
USUAL = frozenset({"baseline", "features", "hybrid", "full", "top_layers", "lora", "bi_encoder", "cross_encoder"})
"""What most people want; the form keeps the others folded."""

COMPOSED = frozenset({"ensemble"})
"""These are made of models that others trained; their option ``members`` names the runs."""

FROZEN = frozenset({"features", "hybrid", "zero_shot"})
"""These leave the base model as it is: there is no 'before tuning' to stand beside them."""


def get_method(name: str) -> Method:
    """Return the method registered under ``name``; raises NotFoundError with the known names."""
    try:
        module, _, attribute = _METHODS[name].partition(":")
    except KeyError:
        raise NotFoundError(f"There is no method '{name}'.", f"Known methods: {', '.join(_METHODS)}.") from None
    method: Method = getattr(import_module(module), attribute)()
    return method


def excuse(method: Method, task: str, kind: str = "") -> str | None:
    """A method's own reason against a task, or against base models of the type ``kind`` (empty: not known)."""
    said: Callable[[str, str], str | None] | None = getattr(method, "unsuited", None)
    return said(task, kind) if said else None


def unsuited(method: Method, task: str, kind: str = "") -> str | None:
    """Why a method cannot do a task with base models of the type ``kind``; None where nothing speaks against it."""
    if reason := excuse(method, task, kind):
        return reason
    return None if task in method.tasks else f"'{method.title}' cannot do the task '{get_task(task).title}'."


def all_methods(task: str | None = None) -> list[Method]:
    """Every registered method that can do ``task`` (all of them without one), in the order of the form."""
    methods = [get_method(name) for name in _METHODS]
    return [method for method in methods if task is None or task in method.tasks]
