"""A backbone as the epoch loop sees it: its batches, its steps, and what a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.backbones.networks import load
from engine.embedding.embedder import Embedder
from engine.heads.fitting.epochs import Batch, answers
from engine.heads.fitting.fit import fit_layers
from engine.heads.fitting.rows import Rows, class_weights, embedding_scale
from engine.heads.options import TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split
from engine.learning.finetune.images import PRIME, Draw, TrainingImages
from engine.learning.finetune.network import Network
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.metrics import accuracy
from index.records import Ids

# Features that enter the first trained block are cached where they take no more than so many bytes.
CACHE_BYTES = 1 << 30
# Images asked at a time, where nothing is trained.
ASKED_AT_ONCE = 64


def start_learner(
    embedder: Embedder,
    weights: Path,
    examples: Examples,
    split: Split,
    options: FinetuneOptions,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cache_bytes: int = CACHE_BYTES,
) -> BackboneLearner:
    """Return a backbone as it is, below a linear layer that was trained on its embeddings.

    Parameters
    ----------
    embedder
        The backbone at work; its embeddings are those of `examples`.
    weights
        The file it was made from.
    progress
        Is told after each step how many images were learned from, and of how many in all.
    cache_bytes
        See `BackboneLearner`.

    Raises
    ------
    UsageError
        The backbone has no such block.
    """
    backbone = embedder.backbone
    rows = Rows(
        examples.vectors.unit,
        examples.row_labels,
        examples.originals[split.train],
        embedding_scale(backbone.dim),
    )
    validation = Rows(rows.values, rows.labels, examples.originals[split.validation], rows.scale)
    top = fit_layers(
        rows,
        len(examples.categories),
        TrainOptions(seed=options.seed),
        validation=validation if len(split.validation) else None,
    ).layers[0]
    network = Network(backbone, load(backbone, weights).module, options, top, rows.scale)
    images = TrainingImages.of(examples, embedder)
    return BackboneLearner(network, images, split, options, progress, cache_bytes)


class BackboneLearner:
    """Trains a network's last blocks by AdamW in one cycle, for `run_epochs`.

    An epoch depends on the weights, the optimizer's state and the epoch's number alone, so that a
    resumed run ends where an uninterrupted one does. It seeds torch's global generator: its
    caller keeps that of others apart.

    Parameters
    ----------
    network
        What is trained.
    images
        What it learns from.
    split
        Which of them for what.
    options
        How.
    progress
        As of `start_learner`.
    cache_bytes
        Without augmentation features below the first trained block are computed once, where those
        of all images take no more.
    """

    def __init__(
        self,
        network: Network,
        images: TrainingImages,
        split: Split,
        options: FinetuneOptions,
        progress: Callable[[int, int], None] = lambda done, total: None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.network = network
        self.peak_lr = options.lr
        self._images, self._split, self._options = images, split, options
        self._progress, self._cache_bytes = progress, cache_bytes
        groups = network.groups(options)
        self._optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimizer,
            max_lr=[float(str(group["lr"])) for group in groups],
            # One more than are taken: in the last one the learning rate would be nothing.
            total_steps=-(-len(split.train) // options.batch) * options.epochs + 1,
        )
        weights = class_weights(images.labels[split.train], network.top.out_features)
        self.loss = nn.CrossEntropyLoss(
            torch.from_numpy(weights), label_smoothing=options.label_smoothing
        )

    @property
    def lr(self) -> float:
        """The learning rate of the top layer's next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the train images once, in an order and in views of the epoch's own."""
        options, train = self._options, self._split.train
        rng = np.random.default_rng([options.seed, epoch])
        torch.manual_seed(options.seed * PRIME + epoch)
        order = train[rng.permutation(len(train))]
        draw = Draw(self._images.preprocessing, options.seed, epoch) if options.augment else None
        done = (epoch - 1) * len(order)
        for features, labels in self._batches(order, options.batch, draw):
            # A BatchNorm cannot learn from a single image.
            if len(labels) > 1 or len(order) == 1:
                yield features, labels
            self._schedule.step()
            done += len(labels)
            self._progress(done, options.epochs * len(order))

    def validation(self) -> Iterator[Batch]:
        """Yield the validation images as they are embedded."""
        return self._batches(self._split.validation, ASKED_AT_ONCE, None)

    def test_accuracy(self) -> float:
        """Return the accuracy on the test images, NaN where there are none."""
        batches = self._batches(self._split.test, ASKED_AT_ONCE, None)
        logits, labels = answers(self.network, batches)
        return accuracy(labels.numpy(), logits.argmax(1).numpy()) if len(labels) else float("nan")

    def step(self) -> None:
        """Take a step, and clear the gradients."""
        self._optimizer.step()
        self._optimizer.zero_grad()

    def weights(self) -> Mapping[str, torch.Tensor]:
        """Return what training changes."""
        return dict(self.network.trained())

    def optimizer_state(self) -> dict[str, Any]:
        """Return the state of AdamW and of its schedule."""
        return {"adamw": self._optimizer.state_dict(), "schedule": self._schedule.state_dict()}

    def load(self, weights: Mapping[str, torch.Tensor], optimizer: Mapping[str, Any]) -> None:
        """Take on weights and an optimizer's state after an epoch of an earlier run."""
        self.network.load_trained(weights)
        self._optimizer.load_state_dict(optimizer["adamw"])
        self._schedule.load_state_dict(optimizer["schedule"])

    def _batches(self, order: Ids, size: int, draw: Draw | None) -> Iterator[Batch]:
        """Yield what enters the first trained block, and labels."""
        if draw is None and self._cached is not None:
            labels = torch.from_numpy(self._images.labels)
            for start in range(0, len(order), size):
                part = torch.from_numpy(order[start : start + size])
                yield self._cached[part], labels[part]
            return
        for pixels, labels in self._images.batches(order, size, draw):
            yield self.network.features(pixels), labels

    @cached_property
    def _cached(self) -> torch.Tensor | None:
        """What enters the first trained block of every image, where no views are drawn."""
        if self._options.augment:
            return None
        cached: torch.Tensor | None = None
        start, every = 0, np.arange(len(self._images))
        for pixels, _ in self._images.batches(every, ASKED_AT_ONCE, None):
            features = self.network.features(pixels)
            if cached is None:
                one = features[0]
                if one.numel() * one.element_size() * len(every) > self._cache_bytes:
                    return None
                cached = torch.empty((len(every), *one.shape), dtype=one.dtype)
            cached[start : start + len(features)] = features
            start += len(features)
        return cached
