"""A small convolutional network trained from random weights, as tutorials do it. Imports torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import torch
from torch import nn

from engine.config import Config
from engine.heads.fitting.epochs import Batch, answers, run_epochs
from engine.heads.fitting.sgd import AdamW
from engine.learning.compare.method import Learned, Method
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split
from engine.learning.metrics import accuracy
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels, Preprocessing
from engine.pictures.read import read_file
from engine.pictures.threads.memory import ImageMemory, Reserve
from engine.pictures.threads.prefetch import prefetch
from engine.progress import Reporter
from index.records import Ids

SIDE = 128
PREPROCESSING = Preprocessing(SIDE, SIDE, "bilinear", (0.5,) * 3, (0.5,) * 3)
# Outputs of the convolutions, and of the first dense layer.
CHANNELS = (32, 64, 128, 128)
DENSE = 512
# Share of images that are mirrored in an epoch.
MIRRORED = 0.5
# Images asked at a time, where nothing is trained; and decoded ahead of need.
ASKED_AT_ONCE = WINDOW = 64


@dataclass(frozen=True, slots=True)
class ScratchOptions:
    """How the network is trained.

    Attributes
    ----------
    dropout
        Share of values dropped before each dense layer; 0 for the plain network.
    epochs, batch, lr
        Epochs over the train images, images in one step, and AdamW's learning rate.
    seed
        The same seed and images give the same network.
    """

    dropout: float = 0.0
    epochs: int = 20
    batch: int = 20
    lr: float = 1e-3
    seed: int = 0


def scratch_methods(
    examples: Examples, epochs: int, config: Config, reporter: Reporter
) -> list[Method]:
    """Return the methods that train the network, plain and with dropout."""

    @cache
    def pixels() -> Pixels:
        return small_pixels(examples.paths, config)

    def progress(done: int, total: int) -> None:
        reporter.progress("training from scratch", done, total, "epochs")

    def method(name: str, options: ScratchOptions) -> Method:
        def learn(split: Split, seed: int, deadline: float) -> Learned:
            seeded = replace(options, seed=seed)
            return train_scratch(
                pixels(), examples.labels, split, seeded, deadline=deadline, progress=progress
            )

        return Method(name, "scratch", learn)

    return [
        method("four-layer CNN from scratch", ScratchOptions(epochs=epochs)),
        method("four-layer CNN from scratch, dropout", ScratchOptions(0.5, epochs)),
    ]


def small_pixels(paths: Sequence[str], config: Config) -> Pixels:
    """Return all images as the network takes them, uint8 `[n, SIDE, SIDE, 3]`.

    Raises
    ------
    ImageError
        A file cannot be read any more.
    """

    memory = ImageMemory.of(config)

    def opened(path: str, reserve: Reserve) -> Pixels:
        data = read_file(path, config.max_file_bytes, reserve, urls=config.urls)
        image = decode(data, path, config.max_pixels, 2 * SIDE, reserve)
        return PREPROCESSING.pixels(image.pixels)

    def in_turn(path: str) -> Pixels:
        return memory.turn(path, partial(opened, path))

    return np.stack(list(prefetch(in_turn, paths, workers=config.decoders, window=WINDOW)))


def train_scratch(
    pixels: Pixels,
    labels: Ids,
    split: Split,
    options: ScratchOptions,
    *,
    deadline: float = float("inf"),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Learned:
    """Train from random weights; keep those of the epoch with the least validation loss.

    Parameters
    ----------
    pixels
        uint8 `[n, SIDE, SIDE, 3]`.
    labels
        int64 `[n]`.
    split
        Which images are learned from, choose the epoch, and are measured on at the very end.
    deadline
        By `time.monotonic`; the epoch that goes beyond it is the last.
    progress
        Is told how many epochs are done, and of how many at most.

    Raises
    ------
    TrainingError
        The loss is NaN in the first epoch.
    """
    started = time.monotonic()
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        learner = ScratchLearner(pixels, labels, split, options)
        for training in run_epochs(learner, options.epochs, deadline=deadline):
            progress(training.epoch, options.epochs)
    learner.network.load_state_dict(training.best)
    seconds = time.monotonic() - started
    logits, asked = answers(learner.network, learner.images(split.test))
    right = accuracy(asked.numpy(), logits.argmax(1).numpy())
    parameters = sum(each.numel() for each in learner.network.parameters())
    return Learned(right, training.history, seconds, parameters)


def scratch_network(outputs: int, dropout: float) -> nn.Sequential:
    """Return four convolutions, each followed by pooling to half the side, and two dense layers."""
    parts: list[nn.Module] = []
    before = 3
    for channels in CHANNELS:
        parts += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        before = channels
    side = SIDE // 2 ** len(CHANNELS)
    return nn.Sequential(
        *parts,
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(before * side * side, DENSE),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(DENSE, outputs),
    )


class ScratchLearner:
    """The network on the pixels of images, for `run_epochs`.

    Its weights and dropout come from torch's global generator, order and mirroring from
    `options.seed`.

    Parameters
    ----------
    pixels, labels, split, options
        As of `train_scratch`.
    """

    def __init__(self, pixels: Pixels, labels: Ids, split: Split, options: ScratchOptions) -> None:
        self.network = scratch_network(int(labels.max()) + 1, options.dropout)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.lr = self.peak_lr = options.lr
        self.loss = nn.functional.cross_entropy
        self.step = AdamW(list(self.network.parameters()), options.lr).step
        self._pixels, self._labels, self._split = pixels, labels, split
        self._batch = options.batch
        self._rng = np.random.default_rng(options.seed)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the train images once, in another order, some of them mirrored."""
        order = self._rng.permutation(self._split.train)
        for start in range(0, len(order), self._batch):
            part = order[start : start + self._batch]
            mirrored = self._rng.random(len(part)) < MIRRORED
            pixels = self._pixels[part]
            pixels = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
            yield _planes(pixels), torch.from_numpy(self._labels[part])

    def validation(self) -> Iterator[Batch]:
        """Yield the validation images."""
        return self.images(self._split.validation)

    def images(self, positions: Ids) -> Iterator[Batch]:
        """Yield images as they are."""
        for start in range(0, len(positions), ASKED_AT_ONCE):
            part = positions[start : start + ASKED_AT_ONCE]
            yield _planes(self._pixels[part]), torch.from_numpy(self._labels[part])

    def weights(self) -> Mapping[str, torch.Tensor]:
        """Return all of the network's."""
        state: Mapping[str, torch.Tensor] = self.network.state_dict()
        return state


def _planes(pixels: Pixels) -> torch.Tensor:
    """Return values from -1 to 1, float32 `[n, 3, SIDE, SIDE]`."""
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float()
    return planes.div_(127.5).sub_(1)
