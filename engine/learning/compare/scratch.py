"""A small convolutional network trained from nothing, as tutorials do it. Imports torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from engine.heads.sgd import AdamW
from engine.pictures.preprocess import Pixels
from index.records import Ids

SIDE = 128
CHANNELS = (32, 64, 128, 128)
DENSE = 512
ASKED_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class ScratchOptions:
    """How the network is trained.

    Attributes
    ----------
    dropout
        Share of values dropped before each dense layer; 0 for the plain network.
    epochs, batch, lr
        Passes, pictures in one step, and the size of a step.
    seed
        The same seed and pictures give the same network.
    """

    dropout: float = 0.0
    epochs: int = 20
    batch: int = 20
    lr: float = 1e-3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a training.

    Attributes
    ----------
    accuracy
        On pictures that were held out.
    history
        One row per pass.
    seconds
        What it took.
    parameters
        How many numbers were trained.
    """

    accuracy: float
    history: list[dict[str, float]]
    seconds: float
    parameters: int


def scratch_network(outputs: int, dropout: float) -> nn.Sequential:
    """Return four convolutions, each halved by pooling, and two dense layers."""
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


def train_scratch(
    pixels: Pixels,
    labels: Ids,
    kept: Ids,
    held: Ids,
    options: ScratchOptions,
    *,
    deadline: float = float("inf"),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Learned:
    """Train from random weights, each picture mirrored in every other pass or so.

    Parameters
    ----------
    pixels
        uint8 `[n, SIDE, SIDE, 3]`.
    labels
        int64 `[n]`.
    kept, held
        Which pictures are learned from, and which are asked about at the end of each pass.
    deadline
        By `time.monotonic`; the pass that goes beyond it is the last.
    """
    started = time.monotonic()
    outputs = int(labels.max()) + 1
    rng = np.random.default_rng(options.seed)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(options.seed)
        network = scratch_network(outputs, options.dropout)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        parameters = list(network.parameters())
        optimizer = AdamW(parameters, options.lr)
        history: list[dict[str, float]] = []
        for epoch in range(1, options.epochs + 1):
            network.train()
            order = rng.permutation(kept)
            losses, right = 0.0, 0
            for start in range(0, len(order), options.batch):
                part = order[start : start + options.batch]
                logits = network(_planes(pixels[part], rng.random(len(part)) < 0.5))
                wanted = torch.from_numpy(labels[part])
                loss = nn.functional.cross_entropy(logits, wanted)
                torch.autograd.backward(loss)
                optimizer.step()
                losses += loss.item() * len(part)
                right += int((logits.argmax(1) == wanted).sum())
            row = {"epoch": float(epoch), "lr": options.lr}
            row |= {"loss": losses / len(order), "accuracy": right / len(order)}
            history.append(row | _validate(network, pixels, labels, held))
            progress(epoch, options.epochs)
            if time.monotonic() > deadline:
                break
    return Learned(
        history[-1]["validation_accuracy"],
        history,
        time.monotonic() - started,
        sum(each.numel() for each in parameters),
    )


def _planes(
    pixels: Pixels, mirrored: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
) -> torch.Tensor:
    """Return numbers around zero, float32 `[n, 3, side, side]`."""
    turned = np.where(mirrored[:, None, None, None], pixels[:, :, ::-1], pixels)
    planes = torch.from_numpy(turned).permute(0, 3, 1, 2).float()
    return planes.div_(127.5).sub_(1)


@torch.no_grad()
def _validate(network: nn.Sequential, pixels: Pixels, labels: Ids, held: Ids) -> dict[str, float]:
    network.eval()
    losses, right = 0.0, 0
    for start in range(0, len(held), ASKED_AT_ONCE):
        part = held[start : start + ASKED_AT_ONCE]
        logits = network(_planes(pixels[part], np.zeros(len(part), np.bool_)))
        wanted = torch.from_numpy(labels[part])
        losses += float(nn.functional.cross_entropy(logits, wanted, reduction="sum"))
        right += int((logits.argmax(1) == wanted).sum())
    count = max(1, len(held))
    return {"validation_loss": losses / count, "validation_accuracy": right / count}
