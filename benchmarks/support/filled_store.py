"""A store with many images: a few photographs, and rows made up around their embeddings."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.support.synthetic import Synthetic
from engine import Engine
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import FileState, Floats, ImageFacts, Named, Vectors
from index.store import find_store

BATCH = 5_000
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
        _, real = catalog.embeddings.all()
        source, rng = Synthetic(real.raw), np.random.default_rng(0)
        for start in range(len(real), count, BATCH):
            unit = source.draw(min(BATCH, count - start), rng)
            catalog.images.store(made_up_batch(unit, source.length, start))
    with Engine.open(filled.store, cache=cache) as engine:
        engine.export(filled.vectors)
    with filled.vectors.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    filled.paths.write_text("\n".join(paths) + "\n", encoding="utf-8")
    return filled


def made_up_batch(unit: Floats, length: float, first: int) -> Batch:
    """Return images that lie nowhere, numbered from `first`, with these unit vectors."""
    count = len(unit)
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
    rng = np.random.default_rng(first)
    named = Named(
        [("imagenet", name) for name in CATEGORIES],
        rng.integers(0, len(CATEGORIES), count),
        rng.uniform(0.3, 1.0, count).astype(np.float32),
        np.zeros(count, np.bool_),
    )
    norms = np.full(count, length, np.float32)
    return Batch([None] * count, facts, Vectors(unit, norms), named)
