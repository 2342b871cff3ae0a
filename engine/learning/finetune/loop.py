"""The passes over the pictures that fine-tune a backbone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.learning.finetune.images import Draw, TrainingImages
from engine.learning.finetune.network import Network
from engine.learning.finetune.options import FinetuneOptions
from index.records import Ids

History = list[dict[str, float]]
Progress = Callable[[int, int], None]
# What comes out below the cut is kept where it takes no more than so many bytes.
MOST_KEPT = 1 << 30
ASKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Split:
    """Which pictures are learned from, and which are held out, int64."""

    kept: Ids
    held: Ids


@dataclass(slots=True)
class State:
    """All that the next pass depends on, beside pictures and options.

    Attributes
    ----------
    epoch
        How many passes are done.
    tensors
        What training changed, after the last pass.
    optimizer
        The state of AdamW and of its schedule.
    best
        What training had changed when the held-out loss was least.
    best_epoch, best_loss
        When that was, and the loss.
    history
        One row per pass.
    """

    epoch: int
    tensors: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    best: dict[str, torch.Tensor]
    best_epoch: int
    best_loss: float
    history: History


class Loop:
    """Trains a network pass by pass; each pass depends on `State` and nothing before it.

    Parameters
    ----------
    network
        What is trained.
    pictures
        What it learns from.
    split
        Which of them are held out.
    options
        How.
    """

    def __init__(
        self, network: Network, images: TrainingImages, split: Split, options: FinetuneOptions
    ) -> None:
        self._network = network
        self._images = images
        self._split = split
        self._options = options
        steps = -(-len(split.kept) // options.batch) * options.epochs
        groups = network.groups(options)
        self._optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=[float(str(group["lr"])) for group in groups],
            # One more than are taken: the last step would have no size at all.
            total_steps=steps + 1,
        )
        counts = np.bincount(images.labels[split.kept], minlength=network.top.out_features)
        weight = len(split.kept) / (len(counts) * np.maximum(counts, 1))
        self._loss = nn.CrossEntropyLoss(
            torch.from_numpy(weight.astype(np.float32)), label_smoothing=options.label_smoothing
        )
        self._kept: torch.Tensor | None = None
        # Whether the passes ended because the loss was no number any more.
        self.diverged = False

    def start(self) -> State:
        """Return the state before the first pass: what the untouched backbone knows."""
        self._keep_below()
        row = {"epoch": 0.0} | self.validate()
        return self._state(0, [row], None)

    def resume(self, state: State) -> None:
        """Go on after the last pass of an earlier run."""
        self._keep_below()
        self._network.load_trained(state.tensors)
        self._optimizer.load_state_dict(state.optimizer["adamw"])
        self._schedule.load_state_dict(state.optimizer["schedule"])

    def passes(self, state: State, progress: Progress) -> Iterator[State]:
        """Take the passes that are left, and yield the state after each.

        They end early where the loss is no number any more: nothing better would come.
        """
        while state.epoch < self._options.epochs:
            epoch = state.epoch + 1
            started = time.monotonic()
            lr = self._optimizer.param_groups[0]["lr"]
            row = {"epoch": float(epoch), "lr": float(lr)} | self._learn(epoch, progress)
            row |= self.validate() | {"seconds": time.monotonic() - started}
            if not np.isfinite([row["loss"], row["validation_loss"]]).all():
                self.diverged = True
                return
            state = self._state(epoch, [*state.history, row], state)
            yield state

    def validate(self, places: Ids | None = None) -> dict[str, float]:
        """Return loss and accuracy on the pictures that are held out, or on others."""
        held = self._split.held if places is None else places
        self._network.eval()
        losses, right = 0.0, 0
        with torch.no_grad():
            for features, labels in self._features(held, ASKED_AT_ONCE, None):
                logits = self._network(features)
                losses += float(nn.functional.cross_entropy(logits, labels, reduction="sum"))
                right += int((logits.argmax(1) == labels).sum())
        count = max(1, len(held))
        return {"validation_loss": losses / count, "validation_accuracy": right / count}

    def _learn(self, epoch: int, progress: Progress) -> dict[str, float]:
        options = self._options
        # Each pass has a generator of its own, so that a resumed run draws what it would have.
        rng = np.random.default_rng([options.seed, epoch])
        order = self._split.kept[rng.permutation(len(self._split.kept))]
        draw = Draw(self._images.preprocessing, options.seed, epoch) if options.augment else None
        losses, right, done = 0.0, 0, 0
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(options.seed * 1_000_003 + epoch)
            self._network.train()
            for features, labels in self._features(order, options.batch, draw):
                # A BatchNorm cannot learn from a single picture.
                if len(labels) > 1 or len(order) == 1:
                    logits = self._network(features)
                    loss = self._loss(logits, labels)
                    torch.autograd.backward(loss)
                    self._optimizer.step()
                    self._optimizer.zero_grad()
                    losses += loss.item() * len(labels)
                    right += int((logits.argmax(1) == labels).sum())
                self._schedule.step()
                done += len(labels)
                progress((epoch - 1) * len(order) + done, options.epochs * len(order))
        return {"loss": losses / max(1, done), "accuracy": right / max(1, done)}

    def _features(
        self, order: Ids, size: int, draw: Draw | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield what enters the first trained block, and labels."""
        if self._kept is not None and draw is None:
            labels = torch.from_numpy(self._images.labels)
            for start in range(0, len(order), size):
                part = torch.from_numpy(order[start : start + size])
                yield self._kept[part], labels[part]
            return
        for pixels, labels in self._images.batches(order, size, draw):
            yield self._network.features(pixels), labels

    def _keep_below(self) -> None:
        """Compute what comes before the cut once, where no picture is shown in another view."""
        if self._options.augment or self._kept is not None:
            return
        self._network.eval()
        every = np.arange(len(self._images))
        kept: torch.Tensor | None = None
        start = 0
        for features, _ in self._features(every, ASKED_AT_ONCE, None):
            if kept is None:
                one = features[0]
                if one.numel() * one.element_size() * len(every) > MOST_KEPT:
                    return
                kept = torch.empty((len(every), *one.shape), dtype=one.dtype)
            kept[start : start + len(features)] = features
            start += len(features)
        self._kept = kept

    def _state(self, epoch: int, history: History, before: State | None) -> State:
        tensors = {name: tensor.detach().clone() for name, tensor in self._network.trained()}
        optimizer = {
            "adamw": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
        }
        loss = history[-1]["validation_loss"]
        state = State(epoch, tensors, optimizer, tensors, epoch, loss, history)
        if before is not None and before.best_loss <= loss:
            return replace(
                state,
                best=before.best,
                best_epoch=before.best_epoch,
                best_loss=before.best_loss,
            )
        return state
