"""What tests of learning share."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine
from engine.heads.classifier import BuiltIn
from engine.heads.head import Dense
from index.records import Vectors
from index.store import Store
from tests.support.spread import SpreadEmbedder

DIM = 12

_watched: list[list[str]] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _watched and str(arguments[0]).endswith((".jpg", ".png")):
        _watched[-1].append(str(arguments[0]))


# An audit hook stays until the process ends; it notes only while a test watches.
sys.addaudithook(_note)


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The image files that were opened since the list was last cleared."""
    names: list[str] = []
    _watched.append(names)
    yield names
    _watched.pop()


@pytest.fixture
def fake_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine to which different pictures look different, on a store that nobody named."""
    config = Config(store=Store(tmp_path / "store"))
    with Engine(config, embedder=SpreadEmbedder(config)) as engine:
        yield engine


@pytest.fixture(scope="session")
def make_vectors() -> Callable[[int, int], Vectors]:
    """A function that makes embeddings at random: how many, and the seed."""

    def make(count: int, seed: int) -> Vectors:
        rng = np.random.default_rng(seed)
        return Vectors.of(rng.normal(0, 3, (count, DIM)).astype(np.float32))

    return make


@pytest.fixture(scope="session")
def small_built_in() -> BuiltIn:
    """Seven built-in categories that mean nothing."""
    rng = np.random.default_rng(99)
    layer = Dense(
        rng.normal(size=(7, DIM)).astype(np.float32), rng.normal(size=7).astype(np.float32)
    )
    return BuiltIn(layer, tuple(f"thing {number}" for number in range(7)))
