"""The fine-tuning loop that all neural methods share. Knows a model, token ids and targets; nothing of tasks or runs.

What makes it quick on a CPU: no padding to a fixed length, batches of similar length, tokens made once, frozen word
embeddings kept out of the optimiser, a fused optimiser, quick dropout, 16 bits where the processor has units for it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from core.errors import TrainingError
from core.methods.base import RunContext, Stopped
from core.methods.neural_options import epochs_for
from core.methods.tokens import shuffled_buckets
from core.training import checkpoints
from core.training.adversarial import Adversary
from core.training.dropout import Masks, quick_dropout
from core.training.memory import is_out_of_memory, peak_memory
from core.training.optimizers import new_optimizer, rate
from core.training.precision import attention_in_32_bits, frozen_weights_in_half, half_precision
from core.training.recomputing import recomputed_layers
from core.training.team import Team

if TYPE_CHECKING:
    from core.methods.heads import Targets
    from core.methods.heads.base import PickedTargets
    from core.methods.neural_options import LoopOptions
    from core.methods.tokens import Batches

SAVING_COSTS = 10.0
"""Longer than a save took is trained before the next one, however short the options want the pause."""
EVENTS = 400
"""Most points of a loss curve."""
Metrics = dict[str, float]
Tensors = dict[str, torch.Tensor]


class Companion(Protocol):
    """What takes part in every step beside the optimiser; its tensors are kept in the checkpoints."""

    def penalty(self) -> torch.Tensor:
        """Scalar that is added to the loss."""

    def after_step(self, step: int) -> None:
        """Called when the weights have moved, while their gradients are still there; steps count from 1."""

    def tensors(self) -> Tensors:
        """State, for a checkpoint."""

    def put(self, tensors: Tensors) -> None:
        """Go on from the state of a checkpoint."""


@dataclass
class State:
    """Where a loop is; with weights, optimiser and random state this is all a resume needs."""

    step: int = 0
    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches done in the current epoch."""
    best: tuple[float, float] | None = None
    """(dev headline metric, minus dev loss) of the best epoch."""
    best_step: int = 0
    stale: int = 0
    """Epochs since the best."""
    loss_sum: float = 0.0
    """Sum of the losses of the current epoch."""
    parts: int = 1
    """Parts in which a batch is worked through."""


@dataclass
class Loop:
    """One training, from the first step or from the newest checkpoint."""

    model: torch.nn.Module
    data: Batches
    targets: Targets | PickedTargets
    """Row i belongs to row i of the data."""
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """From logits and targets to a scalar."""
    evaluate: Callable[[], Metrics] | None
    """Dev metrics, headline first, with ``loss``; None without dev rows."""
    options: LoopOptions
    context: RunContext
    head_names: tuple[str, ...] = ()
    """Parameters whose name contains one of these are new and learn faster."""
    companion: Companion | None = None
    logits: Callable[[Any], torch.Tensor] = attrgetter("logits")
    """From what the model returns to what the loss takes."""
    divergence: Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor] | None = None
    """How far two answers are apart, given the targets; for R-Drop."""
    state: State = field(default_factory=State)
    best_weights: Tensors | None = None

    def __post_init__(self) -> None:
        self.device = torch.device(self.context.device)
        self.model.to(self.device)
        self.trainable = {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        self.steps_per_epoch = math.ceil(len(self.data) / self.options.batch_size)
        self.epochs = epochs_for(self.options.epochs, self.steps_per_epoch)
        self.total = self.steps_per_epoch * self.epochs
        self.optimizer = new_optimizer(self.trainable, self.options, self.head_names, self.device)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, partial(rate, self.options, self.total))
        self.checkpoints = self.context.directory / "checkpoints"
        self.team = Team.present(self.device)
        self.stop = False
        """The first process of a team was asked to stop."""
        half = self.options.half_precision and self.team.rank == 0 and half_precision(self.context) is not None
        self.half = torch.bfloat16 if self.team.same(half) else None
        self.masks = Masks(self.options.seed)
        self.recomputed: list[torch.nn.Module] = []
        self.state.parts = max(self.state.parts, self.options.accumulation)
        kind: Any = getattr(self.options, "adversarial", "none")
        size = getattr(self.options, "adversarial_size", 0.0)
        self.adversary = None if kind == "none" else Adversary(self.model, kind, size)

    def run(self) -> None:
        """Train to the end and leave the best weights in the model. Raises TrainingError, Stopped, StorageError."""
        torch.set_flush_denormal(True)
        if self.half is not None:
            self.context.report(
                "note", message="Computing in 16 bits (bfloat16), which this machine was measured to do faster"
            )
        with ExitStack() as stack:
            if self.adversary is not None:
                stack.enter_context(self.adversary)
            if self.options.gradient_checkpointing:
                self.recomputed = stack.enter_context(recomputed_layers(self.model, self.masks))
            if self.device.type == "cpu":
                stack.enter_context(quick_dropout(self.model, self.masks))
                if self.half is not None:
                    stack.enter_context(attention_in_32_bits(self.model))
            if self.half is not None:
                stack.enter_context(frozen_weights_in_half(self.model, self.half))
            self._run()
        if self.team.size > 1:
            own = peak_memory()
            self.context.report("memory", others=int(self.team.total(own)[0]) - own)
        if self.team.rank:
            raise Stopped  # what comes after the loop is done by the first process
        if self.best_weights is not None:
            self._put(self.best_weights)

    def _run(self) -> None:
        self.context.report("weights", trainable=sum(p.numel() for p in self.trainable.values()))
        self.team.begin_alike(dict(self.model.named_parameters()))
        if not self._restore():
            self._measure()
        saved, pause = time.monotonic(), self.options.checkpoint_seconds
        while self.state.epoch < self.epochs and not self._exhausted:
            batches = shuffled_buckets(
                self.data.lengths, self.options.batch_size, (self.options.seed, self.state.epoch)
            )
            self._train_mode()
            begun, first = time.monotonic(), self.state.batch
            for rows in batches[self.state.batch :]:
                if self.stop or (self.team.size == 1 and self.context.should_stop()):
                    self._save()
                    raise Stopped
                self._step(rows)
                if (now := time.monotonic()) - saved > pause:
                    self._save()
                    saved = time.monotonic()
                    pause = pause and max(self.options.checkpoint_seconds, SAVING_COSTS * (saved - now))
            done = sum(len(rows) for rows in batches[first:])
            self.context.report("speed", samples_per_s=round(done / (time.monotonic() - begun), 1))
            self.state.epoch += 1
            self.state.batch = 0
            self._measure()
            self.state.loss_sum = 0.0
        if self._exhausted:
            self.context.report("note", message=f"Stopped early: no gain for {self.state.stale} epochs")

    @property
    def _exhausted(self) -> bool:
        """Whether so many epochs brought nothing that no more are tried."""
        return 0 < self.options.patience <= self.state.stale

    def keep(self) -> None:
        """Save what ``run`` came to, where the work that follows is long and may be stopped."""
        self._save()

    # -------------------------------------------------------------- one step

    def _step(self, rows: np.ndarray) -> None:
        self.masks.start(self.state.step, self.team.rank)
        if self.team.size > 1:
            torch.manual_seed((self.options.seed * 1_000_003 + self.state.step) * self.team.size + self.team.rank)
        self.optimizer.zero_grad(set_to_none=True)
        value = self._gradients(rows)
        size = torch.nn.utils.clip_grad_norm_(self.trainable.values(), self.options.gradient_clip or math.inf)
        if not math.isfinite(float(size)):  # a step with it would spoil the weights, and the checkpoint behind it
            raise self._diverged(float(size))
        self.optimizer.step()
        self.schedule.step()
        self.state.step += 1
        self.state.batch += 1
        if self.companion is not None:
            self.companion.after_step(self.state.step)
        self.state.loss_sum += value
        step, every = self.state.step, max(1, self.total // EVENTS)
        if step % every == 0 or step == 1:
            self.context.report("step", step=step, loss=round(value, 5), lr=self.schedule.get_last_lr()[0])
        self.context.progress(step, self.total, f"epoch {self.state.epoch + 1} of {self.epochs}")

    def _gradients(self, rows: np.ndarray) -> float:
        """Add up the gradients of a batch, part by part; returns its mean loss.

        When memory runs out the parts are halved, and the rest of the run goes on with them. Raises TrainingError.
        """
        own, whole = self.team.part(rows), _weight(self.targets.take(rows))
        while True:
            value, short = 0.0, False
            refused: TrainingError | None = None
            try:
                value = self._part_by_part(own, whole)
            except TrainingError as error:
                refused, value = error, math.nan
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.state.parts >= len(own):
                    raise
                short = True
            # All have to know before anybody waits for gradients that will not come.
            stop = self.team.size > 1 and self.context.should_stop()
            value, anyone_short, stops = self.team.total(value, short, stop)
            self.stop = stops > 0
            if refused is not None:
                raise refused
            if not math.isfinite(value):
                raise self._diverged(value)
            if not anyone_short:
                self.team.add_gradients(self.trainable)
                return value
            self._halve()

    def _part_by_part(self, rows: np.ndarray, whole: int) -> float:
        """Gradients of the rows of this process, in as many parts as there have to be; returns their share of the loss
        of a batch that weighs ``whole``."""
        return sum(self._backward(part, whole) for part in np.array_split(rows, self.state.parts) if len(part))

    def _halve(self) -> None:
        """Work through batches in smaller parts from here on, as memory ran out."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.state.parts *= 2
        size = math.ceil(self.options.batch_size / self.team.size / self.state.parts)
        self.context.report(
            "note",
            message=f"Memory ran out: batches of {self.options.batch_size} texts are worked through in parts of {size} "
            "from here on; what is learned stays the same",
        )

    def _backward(self, rows: np.ndarray, whole: int) -> float:
        """Gradients of some rows, by their share of the batch, which weighs ``whole``; returns their part of its
        loss."""
        inputs = {name: torch.from_numpy(array).to(self.device) for name, array in self.data.batch(rows).items()}
        targets = self.targets.take(rows)
        share = _weight(targets) / max(1, whole)  # a whole batch without a word to tag teaches nothing
        if not share:
            return 0.0
        targets = targets.to(self.device)

        def loss() -> torch.Tensor:
            return self._loss(inputs, targets) * share

        if self.adversary is not None:
            return self.adversary.backward(loss)
        value = loss()
        value.backward()
        return float(value.detach())

    def _loss(self, inputs: Tensors, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of some rows. Raises TrainingError when it is no number."""
        logits = self._forward(inputs)
        loss = self.loss(logits, targets)
        again = getattr(self.options, "r_drop", 0.0)
        if again and self.divergence is not None:
            other = self._forward(inputs)
            if self.state.step == 1 and torch.equal(logits, other):  # before the first step LoRA adds nothing to drop
                raise TrainingError(
                    "R-Drop compares two answers under dropout, and nothing is dropped in the parts that learn.",
                    "Start it again with more dropout, with another method, or without R-Drop.",
                )
            loss = (loss + self.loss(other, targets)) / 2 + again * self.divergence(logits, other, targets)
        if self.companion is not None:
            loss = loss + self.companion.penalty()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._diverged(value)
        return loss

    def _diverged(self, value: float) -> TrainingError:
        rate = self.options.learning_rate
        return TrainingError(
            f"The loss or its gradient became {value} in step {self.state.step + 1}: nothing is learned from there on.",
            f"Start it again with a lower learning rate, e.g. {rate / 4:g} (it was {rate:g}).",
        )

    def _forward(self, inputs: Tensors) -> torch.Tensor:
        """Outputs of the model for a batch, 32-bit floats."""
        with torch.autocast(self.device.type, dtype=self.half, enabled=self.half is not None):
            logits = self.logits(self.model(**inputs))
        return logits.float()

    def _measure(self) -> None:
        """Dev metrics after an epoch (and before the first step); remember the best weights."""
        state = self.state
        if self.team.rank:
            state.stale = int(self.team.same(0))
            return
        metrics = self.evaluate() if self.evaluate else {}
        values: dict[str, Any] = {"dev": {name: round(value, 5) for name, value in metrics.items()}}
        if state.step:
            values["train_loss"] = round(state.loss_sum / self.steps_per_epoch, 5)
        self.context.report("epoch", epoch=state.epoch, step=state.step, **values)
        if metrics and state.step:
            self._compare((next(iter(metrics.values())), -metrics.get("loss", 0.0)))
        self.team.same(state.stale)

    def _compare(self, score: tuple[float, float]) -> None:
        """Remember the weights when they are the best so far, else how long nothing was better."""
        state = self.state
        if state.best is None or score > state.best:
            state.best, state.best_step, state.stale = score, state.step, 0
            self.best_weights = {name: p.detach().to("cpu", copy=True) for name, p in self.trainable.items()}
        else:
            state.stale += 1

    def _train_mode(self) -> None:
        """Training mode where something learns; frozen parts stay exact, and quick, without dropout."""
        self.model.train()
        for module in self.model.modules():
            parameters = list(module.parameters())
            if parameters and not any(p.requires_grad for p in parameters):
                module.eval()
        for layer in self.recomputed:
            layer.training = True  # layers recompute in training mode only; what is inside of frozen ones stays exact

    # -------------------------------------------------------------- checkpoints

    def _save(self) -> None:
        if self.team.rank:
            return

        def write(folder: Path) -> None:
            save_file(self._weights(), folder / "weights.safetensors")
            save_file(self._optimizer_tensors(), folder / "optimizer.safetensors")
            if self.companion is not None:
                save_file(self.companion.tensors(), folder / "companion.safetensors")
            if self.best_weights is not None:
                save_file(self.best_weights, folder / "best.safetensors")
            (folder / "state.json").write_text(json.dumps(vars(self.state)))

        checkpoints.save(self.checkpoints, self.state.step, write)
        self.context.report("checkpoint", step=self.state.step)

    def _restore(self) -> bool:
        """Go on from the newest whole checkpoint; False when there is none."""
        folder = checkpoints.latest(self.checkpoints)
        if folder is None:
            return False
        state = json.loads((folder / "state.json").read_text())
        state["best"] = tuple(state["best"]) if state["best"] else None
        self.state = State(**state)
        self._put(load_file(folder / "weights.safetensors"))
        best = folder / "best.safetensors"
        self.best_weights = load_file(best) if best.exists() else None
        if self.companion is not None:
            self.companion.put(load_file(folder / "companion.safetensors"))
        tensors = load_file(folder / "optimizer.safetensors")
        torch.set_rng_state(tensors.pop("rng"))
        if "rng_device" in tensors:
            torch.cuda.set_rng_state(tensors.pop("rng_device"), self.device)
        slots: dict[int, Tensors] = {}
        for key, tensor in tensors.items():
            index, _, name = key.partition(".")
            slots.setdefault(int(index), {})[name] = tensor
        self.optimizer.load_state_dict({"state": slots, "param_groups": self.optimizer.state_dict()["param_groups"]})
        self.schedule.last_epoch = self.state.step
        for group, start in zip(self.optimizer.param_groups, self.schedule.base_lrs, strict=True):
            group["lr"] = start * rate(self.options, self.total, self.state.step)
        self.context.report("resumed", step=self.state.step)
        return True

    def _weights(self) -> Tensors:
        return {name: p.detach().to("cpu").contiguous() for name, p in self.trainable.items()}

    def _put(self, weights: Tensors) -> None:
        if weights.keys() != self.trainable.keys():
            raise TrainingError("The checkpoint belongs to another set of weights.", "Start a new run.")
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(weights[name])

    def _optimizer_tensors(self) -> Tensors:
        tensors = {
            f"{index}.{name}": value.detach().to("cpu").contiguous()
            for index, slots in self.optimizer.state_dict()["state"].items()
            for name, value in slots.items()
            if isinstance(value, torch.Tensor)
        }
        tensors["rng"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["rng_device"] = torch.cuda.get_rng_state(self.device)
        return tensors


def _weight(targets: torch.Tensor) -> int:
    """What a mean loss over these targets is divided by: rows, or tokens that count where rows have several."""
    several = targets.ndim > 1 and not torch.is_floating_point(targets)
    return int((targets >= 0).sum()) if several else len(targets)
