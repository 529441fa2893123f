"""What methods share that tune an encoder of sentences on pairs of texts: the way from rows to a tuned encoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from core.errors import TrainingError
from core.methods.base import MethodOptions, Predictor, RunContext, TrainingData
from core.methods.embeddings import Encoder, read_encoder
from core.methods.encoders import freeze_word_embeddings
from core.methods.heads import Targets
from core.methods.neural_options import LoopOptions
from core.methods.pairs import PairBatches
from core.methods.portions import telling

if TYPE_CHECKING:
    import torch

Loss = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


class SentenceTuning(ABC):
    """Base of the methods; a new one says what the pairs are and what is put on the tuned encoder."""

    needs_base: ClassVar[bool] = True
    resumable: ClassVar[bool] = True
    Options: ClassVar[type[MethodOptions]]

    @abstractmethod
    def supervision(
        self, data: TrainingData, options: Any, base: Path, encoder: Encoder, context: RunContext
    ) -> tuple[PairBatches, Loss]:
        """Batches of pairs and the loss on them. Raises TrainingError when there is nothing to learn from."""

    @abstractmethod
    def dev_metrics(
        self, encoder: Encoder, data: TrainingData, options: Any, context: RunContext
    ) -> Callable[[], dict[str, float]]:
        """Figures of the encoder as it is at the time, the headline first."""

    @abstractmethod
    def finish(self, encoder: Encoder, data: TrainingData, options: Any, context: RunContext) -> Predictor:
        """The model, from the tuned encoder."""

    def suited(self, data: TrainingData, options: Any, base: Path, context: RunContext) -> TrainingData:
        """The data as far as they are learned from, which are none without a label for most. Raises Stopped."""
        return replace(data, unlabelled=())

    def tuned(self, encoder: Encoder, options: Any, base: Path, context: RunContext) -> None:
        """What is done to the weights before they are used: nothing for most."""
        return

    def fit(self, data: TrainingData, options: MethodOptions, base: Path | None, context: RunContext) -> Any:
        """Tune on data.train, keep the best epoch on data.dev, calibrate there. Raises TrainingError, Stopped."""
        import torch

        from core.training.contrastive import PairLoop, TwoTexts

        checked: Any = self.Options.model_validate(options.model_dump())
        if base is None:
            raise TrainingError("This method needs a base model.", "Choose a base model.")
        context.progress(0, 1, "reading texts")
        data = self.suited(data, checked, base, context)
        torch.manual_seed(checked.seed)
        encoder = trainable_encoder(base, checked, context.device)
        batches, loss = self.supervision(data, checked, base, encoder, context)
        report_pairs(context, batches, encoder.longest)
        model: Any = TwoTexts(encoder.model, encoder.pooling)
        loop = PairLoop(
            model=model,
            data=batches,
            targets=Targets(torch.arange(len(batches))),
            loss=loss,
            evaluate=telling(self.dev_metrics(encoder, data, checked, context), encoder.portions, context)
            if len(data.dev)
            else None,
            options=checked,
            context=context,
        )
        loop.run()
        encoder.model.eval()
        if data.unlabelled:  # they are read now: a stop there must not cost the training
            loop.keep()
        self.tuned(encoder, checked, base, context)
        return self.finish(encoder, data, checked, context)


def trainable_encoder(base: Path, options: LoopOptions, device: str) -> Encoder:
    """A copy of the base model's encoder, ready to learn vectors of at most ``options.max_length`` tokens."""
    encoder = read_encoder(base, device, options.dropout)
    encoder.longest = encoder.tokenizer.model_max_length = min(encoder.longest, options.max_length)
    if not options.train_word_embeddings:
        freeze_word_embeddings(encoder.model)
    if getattr(encoder.model, "pooler", None) is not None:
        encoder.model.pooler.requires_grad_(False)  # not part of the vector
    return encoder


def report_pairs(context: RunContext, batches: PairBatches, limit: int) -> None:
    """Say how long the texts are and how many were cut."""
    texts = len(batches.firsts) + len(batches.seconds)
    mean = float(batches.lengths.mean()) / 2
    context.report("data", rows=len(batches), mean_tokens=round(mean, 1), truncated=round(batches.truncated / texts, 4))
    if batches.truncated:
        share = batches.truncated / texts
        context.report("note", message=f"{share:.1%} of the texts are longer than {limit} tokens and were cut")
