"""Learned tokens before the text: prefix tuning, prompt tuning and P-tuning, through the peft library.

Li and Liang 2021, "Prefix-Tuning"; Lester et al. 2021, "The Power of Scale for Parameter-Efficient Prompt Tuning";
Liu et al. 2021, "GPT Understands, Too". They shine with large models; beside a small encoder they show what it knows
already.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field, field_validator

from core.methods.neural_options import WRITING_DEFAULTS, NeuralOptions
from core.methods.peft_method import PeftMethod

BERT_LIKE = frozenset({"bert", "roberta", "xlm-roberta", "electra"})
WRITERS = frozenset({"gpt2", "llama", "mistral", "qwen2", "qwen3", "t5", "mt5"})


class PromptOptions(NeuralOptions):
    """Options of learned tokens."""

    learning_rate: float = Field(
        default=1e-2,
        gt=0,
        le=1,
        description="How far each step moves the learned tokens. They want fifty times more than full fine-tuning.",
    )
    head_factor: float = Field(
        default=0.3, gt=0, le=100, description="How many times faster the new head learns than the tokens."
    )
    tokens: int = Field(
        default=16,
        ge=1,
        le=128,
        description="Number of learned tokens. More can say more, and make every text that much longer.",
    )


class _LearnedTokens(PeftMethod):
    merges: ClassVar[bool] = False
    only: ClassVar[frozenset[str] | None] = BERT_LIKE | WRITERS
    Options: ClassVar[type[NeuralOptions]] = PromptOptions
    fixed: ClassVar[frozenset[str]] = PeftMethod.fixed | {"layer_decay"}
    """What learns lies in no layer."""

    def idle(self, task: str) -> frozenset[str]:
        """Where nothing is put on the base, no part that learns drops signals."""
        return super().idle(task) | (frozenset({"dropout", "r_drop"}) if task == "generation" else frozenset())

    def reserved(self, options: Any) -> int:
        """Positions of the learned tokens."""
        count: int = options.tokens
        return count


class PrefixOptions(PromptOptions):
    """Options of prefix tuning."""

    @field_validator("gradient_checkpointing")
    @classmethod
    def _reads_its_prefix_once(cls, value: bool) -> bool:
        """A layer that is worked out twice would lose the keys and values that stand before the text."""
        if value:
            raise ValueError("prefix tuning cannot do it; prompt tuning can")
        return value


class PrefixTuning(_LearnedTokens):
    """Train keys and values that every layer attends to."""

    name: ClassVar[str] = "prefix_tuning"
    title: ClassVar[str] = "Prefix tuning"
    summary: ClassVar[str] = (
        "Learns keys and values that every layer reads before the text, for labels, tags, answers and writing; the "
        "base model stays untouched. One base can serve many small prefixes."
    )

    Options: ClassVar[type[NeuralOptions]] = PrefixOptions

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """Keys and values without a projection."""
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(num_virtual_tokens=options.tokens)


class PromptTuning(_LearnedTokens):
    """Train word vectors before the text."""

    name: ClassVar[str] = "prompt_tuning"
    title: ClassVar[str] = "Prompt tuning"
    summary: ClassVar[str] = (
        "Learns a few word vectors that stand before every text. The smallest adapter of all; small base models profit "
        "little."
    )

    task_defaults: ClassVar[dict[str, dict[str, Any]]] = {
        **PeftMethod.task_defaults,
        "generation": {**WRITING_DEFAULTS, "learning_rate": 0.2},
    }
    """SmolLM2-135M after 9 steps on 12 prompts: perplexity on dev from 44 to 6, to 25 with 0.01; Lester took 0.3."""

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """Word vectors drawn at random."""
        from peft import PromptTuningConfig

        return PromptTuningConfig(num_virtual_tokens=options.tokens)


class PTuningOptions(PromptOptions):
    """Options of P-tuning."""

    learning_rate: float = Field(
        default=3e-3,
        gt=0,
        le=1,
        description="How far each step moves the network that writes the tokens; fifteen times more than full "
        "fine-tuning.",
    )
    width: int = Field(default=128, ge=8, le=4096, description="Inner width of the network that writes the tokens.")


class PTuning(_LearnedTokens):
    """Train a small network that writes the word vectors."""

    name: ClassVar[str] = "p_tuning"
    title: ClassVar[str] = "P-tuning"
    summary: ClassVar[str] = (
        "Prompt tuning whose word vectors come from a small network, which learns more steadily. For comparison with "
        "prompt tuning and LoRA."
    )
    Options: ClassVar[type[NeuralOptions]] = PTuningOptions

    def config(self, model: Any, options: Any, steps: int) -> Any:
        """A network of three layers."""
        from peft import PromptEncoderConfig

        return PromptEncoderConfig(num_virtual_tokens=options.tokens, encoder_hidden_size=options.width)
