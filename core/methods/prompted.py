"""A language model as it came, shown a few prompts with their responses: what writing costs nothing to train.

Brown et al. 2020, "Language Models are Few-Shot Learners"; the examples are those most alike to the prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.durable import read_json, write_json
from core.errors import ModelError
from core.methods.base import Answers, Rows, RunContext, TrainingData
from core.methods.encoders import load_tokenizer, saved_model
from core.methods.heads import head_for
from core.methods.language_model import Nearest, fill
from core.methods.linear import encoder_facts, encoder_folder
from core.methods.neural import EncoderPredictor

FILE = "prompted.json"
TEMPLATE = "{examples}Prompt: {text}\nResponse:"
EXAMPLE = "Prompt: {text}\nResponse: {label}\n\n"
MARGIN = 32
"""Tokens left for the template of a chat around the prompt."""


class PromptedWriter(EncoderPredictor):
    """A language model with its prompt and examples in memory."""

    def __init__(self, base: Path, facts: dict[str, Any], device: str = "cpu") -> None:
        head = head_for("generation", [])
        model, tokenizer = saved_model(base, head), load_tokenizer(base)
        head.settle(model, tokenizer)
        super().__init__(model, tokenizer, head, device)
        self.facts = facts
        if facts.get("max_new_tokens"):
            model.generation_config.max_new_tokens = int(facts["max_new_tokens"])
        self.pool: list[tuple[str, str]] = facts["pool"]
        """(prompt, response)."""
        self.nearest = Nearest([text for text, _ in self.pool], int(facts["examples"]))

    @classmethod
    def fit(
        cls, data: TrainingData, base: Path, facts: dict[str, Any], max_length: int, context: RunContext
    ) -> PromptedWriter:
        """Learn how long responses are from data.train; ``facts`` hold prompt, examples and their pool."""
        context.progress(0, 1, "reading texts")
        made = cls(base, {**facts, **encoder_facts(base, max_length, context.cache)}, context.device)
        answered = [row for row, value in enumerate(data.train.values) if value]
        rows = Rows(answered, [data.train.texts[i] for i in answered], [data.train.values[i] for i in answered])
        if len(rows):
            limit = int(made.tokenizer.model_max_length)
            made.head.settle(
                made.model,
                made.tokenizer,
                made.head.read_rows(made.model, made.tokenizer, rows, min(limit, 4 * max_length)),
            )
        made.facts["max_new_tokens"] = int(made.model.generation_config.max_new_tokens)
        return made

    def answers(self, texts: Sequence[str], texts_b: Sequence[str] | None = None, **how: Any) -> Answers:
        """The response to each prompt, after the examples most alike to it; ``how`` as ``Head.say`` takes it."""
        return super().answers(self.filled(texts), None, **how)

    def examine(self, rows: Rows) -> dict[str, np.ndarray]:
        """Loss and tokens of each row's own response, as ``WritingHead.examine`` gives them."""
        return super().examine(Rows(rows.ids, self.filled(rows.texts), rows.values))

    def filled(self, texts: Sequence[str]) -> list[str]:
        """Each text in the prompt, with as many examples as the model has room for."""
        positions = getattr(self.model.config, "max_position_embeddings", None) or 10**6
        room = min(int(self.tokenizer.model_max_length), int(positions)) - MARGIN
        if not self.model.config.is_encoder_decoder:
            room -= int(self.model.generation_config.max_new_tokens)
        return [self._filled(text, rows, room) for text, rows in zip(texts, self.nearest(texts), strict=True)]

    def _filled(self, text: str, rows: Sequence[int], room: int) -> str:
        """The least alike examples are left out first where there is no room."""
        for left in range(len(rows), -1, -1):
            shown = (self.pool[i] for i in reversed(rows[:left]))
            examples = "".join(fill(EXAMPLE, {"text": own, "label": said}) for own, said in shown)
            prompt = fill(self.facts["prompt"], {"text": text, "examples": examples, "labels": ""})
            if len(self.tokenizer(prompt, verbose=False)["input_ids"]) <= room:
                break
        return prompt

    def save(self, directory: Path) -> None:
        """Write one JSON file; the base model stays where it is and is known by its hash."""
        write_json(directory / FILE, self.facts)

    @classmethod
    def load(cls, directory: Path, device: str = "cpu") -> PromptedWriter:
        """Load what ``save`` wrote. Raises ModelError for damaged files or a missing base model."""
        facts = read_json(directory / FILE)
        if not isinstance(facts, dict):
            raise ModelError(f"{FILE} of this model is missing or damaged.", "Train it again.")
        return cls(encoder_folder(facts), facts, device)
