"""A store with many images: a few photographs, and rows made up around their embeddings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine import Engine
from index.catalog import Catalog
from index.images import Batch
from index.records import FileState, ImageFacts, Named, Vectors
from index.store import find_store

BATCH = 5_000
# Two photographs mixed, and noise of this length: neighbours as near as those of real pictures.
NOISE = 0.6
CATEGORIES = ("chair", "bed", "sofa", "table", "lamp")


@dataclass(frozen=True, slots=True)
class FilledStore:
    """A store, and its embeddings once more in plain files for a script.

    Attributes
    ----------
    store
        The engine's folder.
    vectors
        A `.npy` file of unit vectors, float32 `[n, dim]`.
    paths
        A text file with the path of each row.
    """

    store: Path
    vectors: Path
    paths: Path


def fill_store(
    folder: Path, photos: Sequence[Path], count: int, backbone: str, cache: Path
) -> FilledStore:
    """Index photographs into a new store and add made-up images until there are `count`."""
    filled = FilledStore(folder / "store", folder / "vectors.npy", folder / "paths.txt")
    with Engine.open(filled.store, backbone=backbone, cache=cache) as engine:
        engine.index([str(photo) for photo in photos])
    with Catalog.open(find_store(filled.store).catalog) as catalog:
        _, real = catalog.images.vectors()
        rng = np.random.default_rng(0)
        for start in range(len(real), count, BATCH):
            catalog.images.store(_made_up(rng, real, start, min(BATCH, count - start)))
    with Engine.open(filled.store, cache=cache) as engine:
        engine.export(filled.vectors)
    with filled.vectors.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    filled.paths.write_text("\n".join(paths) + "\n", encoding="utf-8")
    return filled


def _made_up(rng: np.random.Generator, real: Vectors, first: int, count: int) -> Batch:
    """Return images that lie nowhere, numbered from `first`."""
    facts = [
        ImageFacts(
            FileState(f"/made-up/{number // 1000:04d}/{number:07d}.jpg", 40_000, number),
            number,
            f"{number:064x}",
            500,
            375,
            "JPEG",
            None,
        )
        for number in range(first, first + count)
    ]
    named = Named(
        [("imagenet", name) for name in CATEGORIES],
        rng.integers(0, len(CATEGORIES), count),
        rng.uniform(0.3, 1.0, count).astype(np.float32),
        np.zeros(count, np.bool_),
    )
    return Batch([None] * count, facts, _embeddings(rng, real, count), named)


def _embeddings(rng: np.random.Generator, real: Vectors, count: int) -> Vectors:
    one, other = rng.integers(0, len(real), (2, count))
    weight = rng.uniform(0.0, 1.0, (count, 1)).astype(np.float32)
    mixed = Vectors.of(real.unit[one] * weight + real.unit[other] * (1 - weight))
    dim = real.unit.shape[1]
    noise = rng.standard_normal((count, dim), np.float32) * np.float32(NOISE / dim**0.5)
    unit = Vectors.of(mixed.unit + noise).unit
    return Vectors(unit, real.norm[one])
