"""The small network from scratch: it learns, always the same, and stops when it is told to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.learning.compare.scratch import SIDE, ScratchOptions, scratch_network, train_scratch
from engine.learning.data.split import Split
from engine.pictures.preprocess import Pixels
from index.records import Ids

QUICK = ScratchOptions(epochs=4, batch=8)
SPLIT = Split(np.arange(20), np.arange(20, 24), np.arange(24, 32))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def coloured() -> tuple[Pixels, Ids]:
    """Red and blue images with noise on them."""
    rng = np.random.default_rng(0)
    labels = np.arange(32) % 2
    pixels = rng.integers(0, 120, (32, SIDE, SIDE, 3), dtype=np.uint8)
    pixels[labels == 0, :, :, 0] += 100
    pixels[labels == 1, :, :, 2] += 100
    return pixels, labels


def test_it_has_four_convolutions_and_two_dense_layers() -> None:
    network = scratch_network(5, 0.5)
    kinds = [type(part) for part in network]
    assert kinds.count(torch.nn.Conv2d) == 4
    assert kinds.count(torch.nn.Linear) == 2
    assert network(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_it_tells_colours_apart_after_a_few_epochs(
    coloured: tuple[Pixels, Ids], dropout: float
) -> None:
    options = ScratchOptions(dropout=dropout, epochs=6, batch=8)
    learned = train_scratch(*coloured, SPLIT, options)
    assert learned.accuracy == 1.0
    assert len(learned.history) == 6
    assert learned.history[-1]["loss"] < learned.history[0]["loss"]


def test_the_same_seed_gives_the_same_history(coloured: tuple[Pixels, Ids]) -> None:
    one, other = (train_scratch(*coloured, SPLIT, QUICK).history for _ in range(2))
    assert one == other


def test_a_deadline_ends_it_after_the_epoch_it_is_in(coloured: tuple[Pixels, Ids]) -> None:
    learned = train_scratch(*coloured, SPLIT, QUICK, deadline=0.0)
    assert len(learned.history) == 1


def test_it_is_measured_as_it_was_after_the_best_epoch(coloured: tuple[Pixels, Ids]) -> None:
    """With wrong labels to validate on the first epoch is the best, and is what is tested."""
    pixels, labels = coloured
    labels = labels.copy()
    labels[SPLIT.validation] = 1 - labels[SPLIT.validation]
    learned = train_scratch(pixels, labels, SPLIT, QUICK)
    losses = [row["validation_loss"] for row in learned.history]
    best = int(np.argmin(losses)) + 1
    assert best < len(losses) == 4
    short = train_scratch(pixels, labels, SPLIT, replace(QUICK, epochs=best))
    assert learned.accuracy == short.accuracy
    assert learned.history[:best] == short.history
