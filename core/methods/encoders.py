"""Pre-trained encoders, bare or with a head: loaded safely, with names for their parts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base_models import clean_config
from core.errors import ModelError

if TYPE_CHECKING:
    from core.methods.heads import Head

HEAD_NAMES = ("classifier", "pooler", "score", "pre_classifier", "head.", "out_proj", "sequence_summary", "qa_outputs")
"""Parts of parameter names that belong to the head in the architectures of transformers."""
LORA_TARGETS = {
    "bert": ["query", "value"],
    "roberta": ["query", "value"],
    "xlm-roberta": ["query", "value"],
    "electra": ["query", "value"],
    "mpnet": ["q", "v"],
    "distilbert": ["q_lin", "v_lin"],
    "modernbert": ["Wqkv"],
    "deberta-v2": ["query_proj", "value_proj"],
    "gpt2": ["c_attn"],
    "llama": ["q_proj", "v_proj"],
    "mistral": ["q_proj", "v_proj"],
    "qwen2": ["q_proj", "v_proj"],
    "qwen3": ["q_proj", "v_proj"],
    "gemma3_text": ["q_proj", "v_proj"],
    "t5": ["q", "v"],
    "mt5": ["q", "v"],
}
"""Attention projections by model type; other types get every linear layer."""


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a model folder. Raises ModelError when there is none."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"The tokenizer of {folder.name} cannot be read.", "Choose another base model.") from error
    tokenizer.init_kwargs.pop("local_files_only", None)  # would be saved with the tuned model
    if not tokenizer.is_fast:
        raise ModelError(f"{folder.name} has no fast tokenizer (tokenizer.json).", "Choose another base model.")
    return tokenizer


SIGNAL_DROPOUT = (
    "hidden_dropout_prob",
    "dropout",
    "mlp_dropout",
    "embedding_dropout",
    "hidden_dropout",
    "dropout_rate",
    "resid_pdrop",
    "embd_pdrop",
)
"""What configs of transformers call the share of the signals that is dropped ..."""
ATTENTION_DROPOUT = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")
"""... and of the attention."""


def new_encoder(folder: Path, dropout: float | None = None) -> Any:
    """The base model in ``folder`` without a head, in 32-bit floats on the CPU, ready to read.

    Raises ModelError when weights beside the pooler, which is not used, are missing from the file.
    """
    return _load(folder, "AutoModel", ("pooler",), dropout=dropout).eval()


def new_model(folder: Path, head: Head, dropout: float) -> Any:
    """The base model in ``folder`` with an untrained head, in 32-bit floats on the CPU.

    Raises ModelError when weights beside the head are missing from the file.
    """
    model = _load(folder, head.architecture_of(folder), head.fresh, head, dropout)
    if not head.by_token:
        _renew_pooler(model)
    return model


def saved_model(folder: Path, head: Head) -> Any:
    """A tuned model as it was saved. Raises ModelError when a single weight is missing."""
    return _load(folder, head.architecture_of(folder), ()).eval()


def layers(model: Any) -> list[Any]:
    """The transformer blocks of a model, first to last; those of an encoder come before those of its decoder."""
    if getattr(model.config, "is_encoder_decoder", False):
        return [*_blocks(model.get_encoder()), *_blocks(model.get_decoder())]
    return _blocks(model.base_model)


def _blocks(stack: Any) -> list[Any]:
    """The longest list of modules that is not inside of another."""
    from torch.nn import ModuleList

    found: dict[str, Any] = {}
    for name, module in stack.named_modules():
        if isinstance(module, ModuleList) and not any(name.startswith(f"{outer}.") for outer in found):
            found[name] = module
    return list(max(found.values(), key=len, default=[]))


def encoder_weights(base: Path | None) -> tuple[int, int]:
    """(all weights, weights without the embeddings) of a base model, from the headers of its files."""
    from safetensors import safe_open

    if base is None:
        return 22_700_000, 10_700_000
    every = working = 0
    for file in base.glob("*.safetensors"):
        with safe_open(file, "numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - this is no dictionary
                count = math.prod(tensors.get_slice(name).get_shape())
                every += count
                working += 0 if "embedding" in name else count
    return every, working


def freeze_word_embeddings(model: Any) -> None:
    """Keep the word vectors as they are: half of a small model's weights, of little use on small data."""
    model.get_input_embeddings().weight.requires_grad_(False)


def is_head(name: str) -> bool:
    """True for the name of a parameter that belongs to the head."""
    return any(part in name for part in HEAD_NAMES)


def head_modules(model: Any) -> list[str]:
    """Names of the modules that make up the head, as peft's ``modules_to_save`` wants them."""
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    return sorted(names & {"classifier", "pooler", "score", "pre_classifier", "head", "qa_outputs"})


def _config(folder: Path, head: Head | None, dropout: float | None) -> Any:
    from transformers import AutoConfig

    facts = clean_config(folder)
    kind = str(facts.pop("model_type"))
    if head is not None and head.outputs:
        facts["id2label"] = dict(enumerate(head.outputs))
        facts["label2id"] = {name: index for index, name in enumerate(head.outputs)}
        facts["problem_type"] = head.problem
        facts.pop("num_labels", None)
        facts.pop("architectures", None)
        if kind == "modernbert":
            facts["classifier_pooling"] = "mean"
    config = AutoConfig.for_model(kind, **facts)
    if dropout is not None:
        _set_dropout(config, dropout)
    return config


def _set_dropout(config: Any, share: float) -> None:
    """Drop this share of the signals in training; of the attention where a model (Llama) drops nothing else."""
    signals = [name for name in SIGNAL_DROPOUT if hasattr(config, name)]
    for name in signals:
        setattr(config, name, share)
    for name in ATTENTION_DROPOUT:
        if hasattr(config, name):
            # Where there is a choice none: a quarter of the time on a CPU, which has no fused kernel for it.
            setattr(config, name, 0.0 if signals else share)


def _load(folder: Path, kind: str, new: tuple[str, ...], head: Head | None = None, dropout: float | None = None) -> Any:
    """The model of the transformers class ``kind`` in a folder: safetensors only, no code, from this machine.

    Raises ModelError for a folder that is none, and when the file lacks weights without a part of ``new`` in their
    name.
    """
    import torch
    import transformers
    from transformers.models.auto.auto_factory import _get_model_class
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    family = getattr(transformers, kind)
    try:
        config = _config(folder, head, dropout)
        kept = _without_head(folder) if head is not None and new else None
        if kept is not None:
            made: Any = _get_model_class(config, family._model_mapping)
            model, info = made.from_pretrained(
                None, config=config, state_dict=kept, dtype=torch.float32, output_loading_info=True
            )
        else:
            model, info = family.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder.name} cannot be loaded as an encoder: {str(error)[:200]}", "Choose another base model."
        ) from error
    if info["mismatched_keys"]:
        raise ModelError(f"The weights of {folder.name} do not fit its config.json.", "Fetch the model again.")
    if strays := sorted(name for name in info["missing_keys"] if not any(part in name for part in new)):
        raise ModelError(
            f"{folder.name} lacks the weights {', '.join(strays[:3])}.",
            "Its files may be damaged: fetch it again, or repeat the run that made it.",
        )
    return model


def _without_head(folder: Path) -> dict[str, Any] | None:
    """Weights of a model that was tuned for something else, without its head; None where there is no such head.

    Without this a head with as many labels would be taken over, and one with others would not load.
    """
    from safetensors import safe_open
    from safetensors.torch import load_file

    files = sorted(folder.glob("*.safetensors"))
    names: set[str] = set()
    for file in files:
        with safe_open(file, "pt") as tensors:
            names.update(tensors.keys())
    if not any(is_head(name) and "pooler" not in name for name in names):
        return None
    return {name: tensor for file in files for name, tensor in load_file(file).items() if not is_head(name)}


def _renew_pooler(model: Any) -> None:
    """Start BERT's pooler anew: it was made for another purpose, or never trained (sentence-transformers).

    Measured on Banking77 with MiniLM, 4 epochs: 93.3 % with a new pooler and a five times higher learning rate of the
    head, 92.2 % with the pooler as it came.
    """
    import torch

    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None and hasattr(pooler, "dense"):
        torch.nn.init.normal_(pooler.dense.weight, std=model.config.initializer_range)
        torch.nn.init.zeros_(pooler.dense.bias)
