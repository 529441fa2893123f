"""A causal language model as a classifier: how probable is each label as the continuation of a prompt?

The prompt is a template with the labels, some labelled examples and the text. Examples are those most alike to the
text, the closest one last (Liu et al. 2022, "What Makes Good In-Context Examples for GPT-3?"; Brown et al. 2020).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json
from core.errors import TrainingError
from core.methods.base import Stopped

TEMPLATE = """Sort each text into one of these labels:
{labels}

{examples}Text: {text}
Label:"""
EXAMPLE = "Text: {text}\nLabel: {label}\n\n"
PLACES = ("{labels}", "{examples}", "{text}")
LABELS_AT_ONCE = 16
"""Continuations scored in one pass; each keeps a copy of what the model remembers of the prompt."""
PLACE = re.compile("|".join(re.escape(place) for place in (*PLACES, "{label}")))


def is_language_model(folder: Path) -> bool:
    """True when config.json says that the model was made to write on: a causal language model."""
    made = (read_json(folder / "config.json") or {}).get("architectures") or [""]
    return str(made[0]).endswith(("ForCausalLM", "LMHeadModel"))


def language_model(folder: Path) -> Any:
    """The causal language model in a folder, in 32-bit floats on the CPU, ready to read. Raises ModelError."""
    from core.methods.encoders import _load

    return _load(folder, "AutoModelForCausalLM", ("lm_head",)).eval()


def words(label: str) -> str:
    """A label's name as one would say it: ``card_arrival`` is card arrival."""
    return " ".join(label.replace("_", " ").split())


@dataclass
class PromptScorer:
    """What a language model thinks of each label for a text."""

    base: Path
    labels: list[str]
    descriptions: dict[str, str]
    """By label, for those that have one."""
    template: str
    pool: list[tuple[str, str]]
    """(text, label) from which examples are picked."""
    examples: int
    max_length: int
    """Tokens of a text that are read, in the prompt and in an example."""
    device: str = "cpu"

    def values(self, texts: Sequence[str], should_stop: Callable[[], bool] | None = None) -> np.ndarray:
        """Log probability of each label's name after the prompt, (len(texts), labels) float64. Raises Stopped."""
        found = np.zeros((len(texts), len(self.labels)))
        nearest = self._nearest(texts)
        for row, text in enumerate(texts):
            if should_stop is not None and should_stop():
                raise Stopped
            found[row] = self._continuations(self._prompt(text, nearest[row]))
        return found

    def _prompt(self, text: str, nearest: Sequence[int]) -> list[int]:
        """Token ids of the filled-in template; the least alike examples go first when it is too long for the model."""
        room = self._positions - max(len(ids) for ids in self._answers)
        for left in range(len(nearest), -1, -1):
            ids = self._ids(self.fill(text, [self.pool[i] for i in nearest[:left]]))
            if len(ids) <= room:
                return ids
        raise TrainingError(
            f"The prompt alone takes {len(ids)} tokens; the language model reads at most {room}.",
            "Shorten the prompt or the descriptions of the labels, or read fewer tokens of each text (max length).",
        )

    def fill(self, text: str, shown: Sequence[tuple[str, str]]) -> str:
        """The template with its places filled; ``shown`` are (text, label) examples, the most alike first."""
        said = {
            "{labels}": "\n".join(self._line(label) for label in self.labels),
            "{examples}": "".join(
                EXAMPLE.replace("{label}", words(label)).replace("{text}", self._cut(own))
                for own, label in reversed(shown)
            ),
            "{text}": self._cut(text),
        }
        return PLACE.sub(lambda place: said.get(place.group(), place.group()), self.template)

    def _line(self, label: str) -> str:
        said = self.descriptions.get(label, "")
        return f"- {words(label)}: {said}" if said else f"- {words(label)}"

    def _cut(self, text: str) -> str:
        """One line of the first ``max_length`` tokens of a text."""
        line = " ".join(text.split())
        if len(line) <= self.max_length:  # a token is a character at least
            return line
        ends = self._tokenizer(line, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return line if len(ends) <= self.max_length else line[: ends[self.max_length - 1][1]]

    # -------------------------------------------------------------- the model

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from core.methods.encoders import load_tokenizer

        return language_model(self.base).to(self.device), load_tokenizer(self.base)

    @property
    def _tokenizer(self) -> Any:
        return self._loaded[1]

    @cached_property
    def _positions(self) -> int:
        return int(getattr(self._loaded[0].config, "max_position_embeddings", 2048) or 2048)

    @cached_property
    def _answers(self) -> list[list[int]]:
        """Token ids of each label's name, as it follows a colon."""
        return [self._tokenizer(" " + words(label), add_special_tokens=False)["input_ids"] for label in self.labels]

    def _ids(self, prompt: str) -> list[int]:
        ids: list[int] = self._tokenizer(prompt)["input_ids"]
        eos = self._tokenizer.eos_token_id
        return ids[:-1] if ids and ids[-1] == eos and eos is not None else ids

    def _continuations(self, prompt: list[int]) -> np.ndarray:
        """(labels,) log probabilities; the prompt is read once and remembered for all of them."""
        import torch

        model = self._loaded[0]
        with torch.inference_mode():
            read = model(input_ids=torch.tensor([prompt], device=self.device), use_cache=True)
            first = read.logits[0, -1].float().log_softmax(-1).cpu().numpy()  # (V,)
            values = np.array([first[ids[0]] for ids in self._answers], np.float64)
            longer = [i for i, ids in enumerate(self._answers) if len(ids) > 1]
            for start in range(0, len(longer), LABELS_AT_ONCE):
                chosen = longer[start : start + LABELS_AT_ONCE]
                values[chosen] += self._rest(copy.deepcopy(read.past_key_values), len(prompt), chosen)
        return values

    def _rest(self, memory: Any, before: int, chosen: list[int]) -> np.ndarray:
        """(len(chosen),) log probability of every token of these labels but the first; ``memory`` is used up."""
        import torch

        memory.batch_repeat_interleave(len(chosen))
        width = max(len(self._answers[i]) for i in chosen)
        ids = torch.zeros(len(chosen), width, dtype=torch.long, device=self.device)
        seen = torch.zeros_like(ids)
        for row, i in enumerate(chosen):
            ids[row, : len(self._answers[i])] = torch.tensor(self._answers[i])
            seen[row, : len(self._answers[i])] = 1
        mask = torch.cat([seen.new_ones(len(chosen), before), seen[:, :-1]], dim=1)  # (L, prompt + A - 1)
        logits = self._loaded[0](input_ids=ids[:, :-1], attention_mask=mask, past_key_values=memory).logits
        logs = logits.float().log_softmax(-1).gather(2, ids[:, 1:, None])[:, :, 0]  # (L, A - 1)
        return np.asarray((logs * seen[:, 1:]).sum(1).cpu().numpy(), np.float64)

    # -------------------------------------------------------------- which examples

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest(self.pool, self.examples)


class Nearest:
    """The examples most alike to a text (TF-IDF cosine)."""

    def __init__(self, pool: list[tuple[str, str]], count: int) -> None:
        self.pool = pool
        """(text, what it is answered with)."""
        self.count = count

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's examples as indices into the pool, the most alike first; never itself."""
        if not self.count or not self.pool:
            return [[] for _ in texts]
        vectorizers, known = self._known
        found = []
        for text in texts:
            alike = sum(
                (vectorizer.transform([text]) @ matrix.T).toarray()[0]
                for vectorizer, matrix in zip(vectorizers, known, strict=True)
            )
            order = np.argsort(-np.asarray(alike), kind="stable")[: self.count + 1]
            found.append([int(i) for i in order if self.pool[i][0] != text][: self.count])
        return found

    @cached_property
    def _known(self) -> tuple[list[Any], list[Any]]:
        from core.methods.linear import tfidf_vectorizers

        vectorizers = tfidf_vectorizers(1, 3)
        return vectorizers, [vectorizer.fit_transform([text for text, _ in self.pool]) for vectorizer in vectorizers]
