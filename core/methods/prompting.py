"""A causal language model as a classifier: how probable is each label as the continuation of a prompt?

The prompt is a template with the labels, some labelled examples and the text; the example most alike to the text comes
last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from core.errors import InputError, TrainingError
from core.methods.base import Stopped
from core.methods.language_model import LanguageModel, Nearest, fill

TEMPLATE = """Sort each text into one of these labels:
{labels}

{examples}Text: {text}
Label:"""
EXAMPLE = "Text: {text}\nLabel: {label}\n\n"
PLACES = {
    "generation": (("{text}",), ("{examples}",)),
    "question_answering": (("{context}", "{question}"), ("{examples}",)),
}
"""By task the places that a prompt must have, and those that it may have; others are of ``LABEL_PLACES``."""
LABEL_PLACES = (("{text}",), ("{labels}", "{examples}"))


def check_places(prompt: str, task: str) -> None:
    """Raises InputError when a prompt would not show what a task asks about."""
    needed, further = PLACES.get(task, LABEL_PLACES)
    if missing := [place for place in needed if place not in prompt]:
        raise InputError(
            f"The prompt lacks the place {missing[0]}.", f"Places for this task: {', '.join([*needed, *further])}."
        )


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
            found[row] = self._reader.chances(self._reader.read(self._prompt(text, nearest[row])), self._answers)
        return found

    def _prompt(self, text: str, nearest: Sequence[int]) -> list[int]:
        """Token ids of the filled-in template; the least alike examples go first when it is too long for the model."""
        room = self._reader.positions - max(len(ids) for ids in self._answers)
        for left in range(len(nearest), -1, -1):
            ids = self._reader.ids(self.fill(text, [self.pool[i] for i in nearest[:left]]))
            if len(ids) <= room:
                return ids
        raise TrainingError(
            f"The prompt alone takes {len(ids)} tokens; the language model reads at most {room}.",
            "Shorten the prompt or the descriptions of the labels, or read fewer tokens of each text (max length).",
        )

    def fill(self, text: str, shown: Sequence[tuple[str, str]]) -> str:
        """The template with its places filled; ``shown`` are (text, label) examples, the most alike first."""
        examples = [
            fill(EXAMPLE, {"text": self._reader.cut(own, self.max_length), "label": words(label)})
            for own, label in reversed(shown)
        ]
        said = {
            "labels": "\n".join(self._line(label) for label in self.labels),
            "examples": "".join(examples),
            "text": self._reader.cut(text, self.max_length),
        }
        return fill(self.template, said)

    def _line(self, label: str) -> str:
        said = self.descriptions.get(label, "")
        return f"- {words(label)}: {said}" if said else f"- {words(label)}"

    @cached_property
    def _reader(self) -> LanguageModel:
        return LanguageModel(self.base, self.device)

    @cached_property
    def _answers(self) -> list[list[int]]:
        """Token ids of each label's name, as it follows a colon."""
        return [self._reader.next_ids(words(label)) for label in self.labels]

    @cached_property
    def _nearest(self) -> Nearest:
        return Nearest([text for text, _ in self.pool], self.examples)
