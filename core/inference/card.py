"""The model card: what a model is, what it was made of and how good it is, as Markdown with the YAML head that the
Hugging Face Hub reads (https://huggingface.co/docs/hub/model-cards)."""

from __future__ import annotations

import json
from typing import Any

_MERGED = "merged; the adapter alone is in adapter/"
_PLAIN = {
    "full": "",
    "top_layers": "",
    "bitfit": "",
    "lora": _MERGED,
    "adalora": _MERGED,
    "ia3": _MERGED,
    "cross_encoder": "reads both texts at once",
}
"""Methods whose models transformers loads, and what to know of them."""
_ADAPTERS = ("prefix_tuning", "prompt_tuning", "p_tuning")
"""In adapter/, for peft, with their base model in base/."""

_ARCHITECTURES = {
    "tagging": "AutoModelForTokenClassification",
    "question_answering": "AutoModelForQuestionAnswering",
}
"""By task, where it is not the one of whole texts."""
_SENTENCES = ("bi_encoder", "few_shot")
"""Their folders open with sentence-transformers."""


_WRITING_LIMITS = (
    "What it writes sounds sure and may be wrong: names, numbers and promises must be checked by a person. The figures",
    "hold for prompts like those of the data version.",
)
_WRITING = (
    "from transformers import AutoModelForCausalLM, AutoTokenizer  # a T5: AutoModelForSeq2SeqLM",
    "model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)",
    "chat = [{'role': 'user', 'content': prompt}]",
    "inputs = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors='pt', return_dict=True)",
    "tokenizer.decode(model.generate(**inputs)[0], skip_special_tokens=True)",
)


def card(facts: dict[str, Any], result: dict[str, Any], name: str) -> str:
    """Markdown from the manifest of a model folder (``facts``) and the ``result.json`` of its run.

    Names of labels and projects are a user's: they appear inside JSON only, where Markdown reads nothing.
    """
    base, licence = facts.get("base"), facts.get("base_licence", "")
    head = {"library_name": _library(facts["method"]), "tags": ["whetstone"]}
    rows = result.get("rows", {})
    lines = [
        "---",
        *(f"{key}: {json.dumps(value)}" for key, value in head.items()),
        "---",
        f"# {facts['method']} model {facts['run']}",
        "| | |",
        "| --- | --- |",
        f"| Task | {facts['task']} |",
        f"| Method | {facts['method']} |",
        f"| Base model | {base or 'none'} {f'({licence})' if licence else ''} |",
        *(f"| Tuned before | {_ancestor(one)} |" for one in facts.get("lineage", [])),
        f"| Base weights, sha256 | `{facts.get('base_sha256') or 'none'}` |",
        f"| Data version, sha256 | `{facts['version_hash']}` |",
        f"| Rows | {rows.get('train', 0):,} train, {rows.get('dev', 0):,} dev, {rows.get('test', 0):,} test |",
        *([f"| Texts without a label, learned from too | {more:,} |"] if (more := rows.get("unlabelled", 0)) else []),
        f"| Trained | {facts['created_at'][:19]}Z, {result.get('seconds', 0):,.0f} s on {result.get('device', '')} |",
        f"| Texts cut off at the longest length | {100 * result.get('truncated', 0.0):.1f} % |",
        "",
        "## Figures",
        "The test split was read once, after training.",
        "",
        "| | dev | test |",
        "| --- | --- | --- |",
        *_figures(result.get("metrics", {})),
        "",
        "## Labels and options",
        *_block({"project": name, "labels": facts["labels"], "options": facts["options"]}),
        "",
        "## Loading it",
        *_loading(facts["method"], facts["task"]),
        "",
        "## Limits",
        *_limits(facts),
        "",
        f"Made with {', '.join(f'{library} {number}' for library, number in result.get('versions', {}).items())}.",
    ]
    return "\n".join(lines) + "\n"


def _limits(facts: dict[str, Any]) -> list[str]:
    if facts["task"] == "generation":
        return list(_WRITING_LIMITS)
    if facts["task"] == "question_answering":
        return [
            "It finds words in the text it is given and knows nothing else. It answers from the probability on that",
            "had the highest F1 on dev; below it says that there is no answer. The figures hold for texts and",
            "questions like those of the data version.",
            "",
            *_block(facts.get("decision", {})),
        ]
    if "decision" in facts:
        return [
            "It knows the labels above and nothing else; a text may get none of them. A label is given from the",
            "probability on that had a high F1 on dev. The figures hold for texts like those of the data version.",
            "",
            *_block(facts["decision"]),
        ]
    return [
        "It knows the labels above and nothing else: a text that fits none of them gets one of them all the same. The",
        "figures hold for texts like those of the data version.",
    ]


def _ancestor(model: dict[str, str]) -> str:
    """A model that this one went on from."""
    base = f" on {model['base']}" if model["base"] else ""
    return f"{model['run']}: {model['task']} by {model['method']}{base}, data `{model['version_hash'][:12]}`"


def _figures(metrics: dict[str, dict[str, float]]) -> list[str]:
    dev, test = metrics.get("dev", {}), metrics.get("test", {})
    names = list(dict.fromkeys([*dev, *test]))
    return [f"| {name.replace('_', ' ')} | {_show(name, dev)} | {_show(name, test)} |" for name in names]


def _show(name: str, metrics: dict[str, float]) -> str:
    """A figure as people read it; perplexity is no share of anything."""
    value = metrics.get(name)
    return f"{value:.2f}" if value is not None and name == "perplexity" else _percent(value)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def _block(value: dict[str, Any]) -> list[str]:
    return ["```json", json.dumps(value, ensure_ascii=False, indent=2).replace("`", "\\u0060"), "```"]


def _library(method: str) -> str:
    if method in _SENTENCES:
        return "sentence-transformers"
    if method in _ADAPTERS:
        return "peft"
    return "transformers" if method in (*_PLAIN, "zero_shot", "adapter") else "scikit-learn"


def _loading(method: str, task: str) -> list[str]:
    if task == "generation" and method in _PLAIN:
        return ["```python", *_WRITING, "```"]
    if method in _SENTENCES:
        lines = ["from sentence_transformers import SentenceTransformer", "SentenceTransformer(folder).encode(texts)"]
        return ["```python", *lines, "```"]
    if method in _PLAIN:
        kind, note = _ARCHITECTURES.get(task, "AutoModelForSequenceClassification"), _PLAIN[method]
        loading = f"{kind}.from_pretrained(folder){f'  # {note}' if note else ''}"
        return ["```python", f"from transformers import {kind}", loading, "```"]
    return ["```python", "from core.inference.predictor import load_predictor", "load_predictor(folder)", "```"]
