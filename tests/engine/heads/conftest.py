"""What tests of heads share: small heads at random, and the drawn pictures as embeddings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch

from engine.backbones.table import backbone_named
from engine.heads.classifier import BuiltIn
from engine.heads.head import Dense, Head
from engine.pictures.preprocess import Pixels
from engine.runtimes import open_runtime
from engine.runtimes.openvino_export import ExportedModel
from index.records import Vectors

DIM = 12


def dense(rng: np.random.Generator, outputs: int, inputs: int) -> Dense:
    """Return a layer at random."""
    return Dense(
        rng.normal(size=(outputs, inputs)).astype(np.float32),
        rng.normal(size=outputs).astype(np.float32),
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Keep torch on one core: for so few numbers handing out the work costs more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_head() -> Callable[..., Head]:
    """A function that makes a head at random, the same for the same seed."""

    def make(
        seed: int = 0, *, name: str = "furniture", outputs: int = 3, hidden: tuple[int, ...] = ()
    ) -> Head:
        rng = np.random.default_rng(seed)
        widths = (DIM, *hidden, outputs)
        return Head(
            name=name,
            categories=tuple(f"{name} {number}" for number in range(outputs)),
            backbone="fake",
            fingerprint="f" * 64,
            layers=tuple(dense(rng, after, before) for before, after in pairwise(widths)),
            scale=2.5,
            temperature=1.5,
            gate=dense(rng, outputs, DIM),
            accept=0.25,
            created_at="2026-01-01T00:00:00+00:00",
            metrics={"images": 30.0, "validation_accuracy": 0.9},
        )

    return make


@pytest.fixture(scope="session")
def heads(make_head: Callable[..., Head]) -> list[Head]:
    """Three heads at random."""
    return [
        make_head(1, name="furniture"),
        make_head(2, name="vehicles", hidden=(6,), outputs=2),
        make_head(3, name="flowers", outputs=1),
    ]


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
    layer = dense(np.random.default_rng(99), 7, DIM)
    return BuiltIn(layer, tuple(f"thing {number}" for number in range(7)))


@pytest.fixture(scope="session")
def imagenet(exported: ExportedModel) -> BuiltIn:
    """The embedded backbone's thousand categories."""
    return BuiltIn.read(exported.classifier)


@pytest.fixture(scope="session")
def drawn_vectors(exported: ExportedModel, renders: Pixels) -> Vectors:
    """Embeddings of the drawn pictures: 12 each of bed, chair, lamp, sofa and table."""
    runtime = open_runtime("openvino", backbone_named("efficientnet_lite0"), exported, "fp32")
    return Vectors.of(runtime.embed(renders))
