"""Methods of the peft library: the encoder stays as it is, what is put beside it learns, with a new head.

What can be folded into the weights is handed out as a plain model with the adapter beside it. What cannot (prefixes,
prompts) is handed out as the base model and the adapter, which peft puts together again.
"""

from __future__ import annotations

import shutil
import threading
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from core.errors import ModelError, TrainingError
from core.methods.encoders import head_modules, load_tokenizer, new_model
from core.methods.heads import Head, head_for
from core.methods.neural import EncoderPredictor
from core.methods.tuned import FROZEN_WORDS, TunedEncoder

ANSWERING = "QUESTION_ANS"
ADAPTER = "adapter"
BASE = "base"
BEGUN_WITH = "begun_with"
"""Attribute of a model whose first matrices were taken out of the base: these matrices."""


class PeftMethod(TunedEncoder, ABC):
    """Base of the methods; a new one says how peft is configured and whether the result can be merged."""

    merges: ClassVar[bool] = True
    only: ClassVar[frozenset[str] | None] = None
    """Model types that the method works with; None: all."""
    fixed: ClassVar[frozenset[str]] = FROZEN_WORDS

    @abstractmethod
    def config(self, model: Any, options: Any, steps: int) -> Any:
        """peft's config without task type and modules to save."""

    def idle(self, task: str) -> frozenset[str]:
        """Answers are read off the encoder itself: behind the matrices nothing is left that drops signals."""
        return super().idle(task) | (frozenset({"dropout"}) if task == "question_answering" else frozenset())

    def unsuited(self, task: str, kind: str) -> str | None:
        """Why it does not work with a base model of this type."""
        if self.only is None or not kind or kind in self.only:
            return super().unsuited(task, kind)
        return f"{self.title} does not work with base models of the type '{kind}', only {', '.join(sorted(self.only))}."

    def prepare(self, model: Any, options: Any, steps: int, head: Head) -> Any:
        """Wrap the model. Raises TrainingError for a type of model that the method does not work with."""
        from peft import TaskType, get_peft_model

        if reason := self.unsuited(head.task.name, model.config.model_type):
            raise TrainingError(reason, "Choose another base model, or LoRA.")
        config = self.config(model, options, steps)
        # For answers in a text peft's own class loses the token types, which tell the question from the text. What
        # needs nothing else of it is wrapped without a task; learned tokens do: see hide_learned_tokens.
        lost = head.peft_task == ANSWERING and not config.is_prompt_learning
        config.task_type = None if lost else getattr(TaskType, head.peft_task_of(model))
        config.modules_to_save = head_modules(model)
        adapted = get_peft_model(model, config)
        hide_learned_tokens(adapted)
        return adapted

    def shares(self, options: Any) -> tuple[float, float]:
        """Gradients pass through every layer; next to nothing learns."""
        return 1.0, 0.05

    def finish(self, predictor: EncoderPredictor, base: Path) -> EncoderPredictor:
        """Fold the adapter in where that is possible."""
        if self.merges:
            return merged(predictor)
        return AdaptedPredictor(predictor.model, predictor.tokenizer, predictor.head, predictor.device, base)

    def load(
        self, directory: Path, labels: list[str], device: str = "cpu", task: str = "classification"
    ) -> EncoderPredictor:
        """Load a saved model. Raises ModelError."""
        if self.merges:
            return super().load(directory, labels, device, task)
        return AdaptedPredictor.load(directory, head_for(task, labels), device)


class AdaptedPredictor(EncoderPredictor):
    """A base model with an adapter that cannot be folded into it."""

    def __init__(self, model: Any, tokenizer: Any, head: Head, device: str, base: Path) -> None:
        super().__init__(model, tokenizer, head, device)
        self.base = base

    def save(self, directory: Path) -> None:
        """Write the base model as it is, the adapter as peft reads it, and the tokenizer."""
        copy_base(self.base, directory / BASE, self.model)
        self.tokenizer.save_pretrained(directory)
        self.head.remember(directory)
        self.model.save_pretrained(directory / ADAPTER, save_embedding_layers=False)
        (directory / ADAPTER / "README.md").unlink(missing_ok=True)  # peft's empty card; ours comes with the download

    @classmethod
    def load(cls, directory: Path, head: Head, device: str = "cpu") -> AdaptedPredictor:
        """Put base and adapter together. Raises ModelError when a weight of the adapter is missing."""
        from peft import PeftModel, get_peft_model_state_dict
        from safetensors import safe_open

        head = head.recall(directory)
        model = PeftModel.from_pretrained(new_model(directory / BASE, head, 0.0), directory / ADAPTER)
        try:
            with safe_open(directory / ADAPTER / "adapter_model.safetensors", "pt") as tensors:
                missing = set(get_peft_model_state_dict(model)) - set(tensors.keys())
        except OSError as error:
            raise ModelError(f"The adapter of {directory.name} cannot be read.", "Repeat the run.") from error
        if missing:
            raise ModelError(f"The adapter lacks the weights {', '.join(sorted(missing)[:3])}.", "Repeat the run.")
        hide_learned_tokens(model)
        return cls(model, load_tokenizer(directory), head, device, directory / BASE)


def hide_learned_tokens(model: Any) -> None:
    """Let a model with learned word vectors before the text answer for the tokens of the text alone.

    peft leaves the outputs of the learned ones in front, where there is one for each token.
    """
    import torch

    config = model.peft_config["default"]
    if config.is_prompt_learning and config.task_type == ANSWERING:
        _hand_on_token_types(model)
    if not config.is_prompt_learning or config.peft_type == "PREFIX_TUNING":
        return
    outputs = {"CAUSAL_LM": ("logits",), "TOKEN_CLS": ("logits",), ANSWERING: ("start_logits", "end_logits")}
    if config.task_type not in outputs:
        return
    count = config.num_virtual_tokens

    def shift(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        places = kwargs.get("logits_to_keep")
        if isinstance(places, torch.Tensor):
            kwargs = {**kwargs, "logits_to_keep": places + count}
        return args, kwargs

    def cut(module: Any, args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        if "logits_to_keep" not in kwargs:
            for name in outputs[config.task_type]:
                output[name] = output[name][:, count:]
        return output

    model.get_base_model().register_forward_pre_hook(shift, with_kwargs=True)
    model.register_forward_hook(cut, with_kwargs=True)


def _hand_on_token_types(model: Any) -> None:
    """Give the encoder the token types that peft's model of answers takes and forgets; learned tokens have type 0."""
    import torch

    held = threading.local()

    def take(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        held.types = kwargs.get("token_type_ids")

    def give(module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        types, vectors = held.types, kwargs.get("inputs_embeds")
        if types is not None:
            before = 0 if vectors is None else vectors.shape[1] - types.shape[1]
            kwargs = {**kwargs, "token_type_ids": torch.nn.functional.pad(types, (before, 0))}
        return args, kwargs

    model.register_forward_pre_hook(take, with_kwargs=True)
    model.get_base_model().base_model.register_forward_pre_hook(give, with_kwargs=True)


def copy_base(base: Path, target: Path, tuned: Any) -> None:
    """Copy config, weights and tokenizer of a base model; how long it writes is as the ``tuned`` one was told."""
    target.mkdir(parents=True, exist_ok=True)
    for file in base.iterdir():
        if file.suffix in (".json", ".safetensors", ".txt", ".model") and file.is_file():
            shutil.copyfile(file, target / file.name)
    if tuned.can_generate():
        tuned.generation_config.save_pretrained(target)


def merged(predictor: EncoderPredictor) -> EncoderPredictor:
    """The same predictor with the adapter folded into plain weights; the adapter itself is kept for saving."""
    from peft import get_peft_model_state_dict

    adapter = predictor.model
    state = {name: tensor.detach().to("cpu").clone() for name, tensor in get_peft_model_state_dict(adapter).items()}
    config = adapter.peft_config["default"]
    _unwrap_heads(adapter.get_base_model())
    plain = EncoderPredictor(adapter.merge_and_unload(), predictor.tokenizer, predictor.head, predictor.device)
    if begun := getattr(adapter, BEGUN_WITH, None):
        state, config = _of_plain_base(state, begun, config)
    plain.adapter = SavedAdapter(state, config)
    return plain


def low_rank_matrices(model: Any) -> dict[str, Any]:
    """Copies of the matrices of LoRA as they are now, by their names in an adapter's file."""
    from peft import get_peft_model_state_dict

    state = get_peft_model_state_dict(model)
    return {name: tensor.detach().to("cpu").clone() for name, tensor in state.items() if ".lora_" in name}


def _of_plain_base(state: dict[str, Any], begun: dict[str, Any], config: Any) -> tuple[dict[str, Any], Any]:
    """PiSSA's matrices as those of LoRA, twice as wide, and their config.

    PiSSA takes its first matrices B0 A0 out of the base, so that B A belongs to another one; of the base as it came the
    change is B A - B0 A0 = [B, -B0] [A; A0] (Meng et al. 2024, appendix C; ``subtract_mutated_init`` of peft, which
    wants the first matrices from a folder).
    """
    import torch

    def together(name: str) -> Any:
        if ".lora_A." in name:
            return torch.cat([state[name], begun[name]], dim=0)
        return torch.cat([state[name], -begun[name]], dim=1)

    config = replace(config, r=2 * config.r, lora_alpha=2 * config.lora_alpha, init_lora_weights=True)
    return {name: together(name) if name in begun else tensor for name, tensor in state.items()}, config


def _unwrap_heads(model: Any) -> None:
    """Put the trained heads where peft's wrappers stand: for IA3 it fails to do so with heads of several layers."""
    from peft.utils import ModulesToSaveWrapper

    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ModulesToSaveWrapper):
                setattr(parent, name, child.modules_to_save["default"])


class SavedAdapter:
    """Adapter weights as they were before merging, in peft's own file format."""

    def __init__(self, state: dict[str, Any], config: Any) -> None:
        self.state = state
        self.config = config

    def save_pretrained(self, directory: Path) -> None:
        """Write adapter_model.safetensors and adapter_config.json."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True, exist_ok=True)
        save_file(self.state, directory / "adapter_model.safetensors", metadata={"format": "pt"})
        self.config.inference_mode = True
        self.config.save_pretrained(directory)
