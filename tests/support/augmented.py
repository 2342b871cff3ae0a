"""Rankings by surroundings, written out with NumPy as the papers have them."""

from __future__ import annotations

import numpy as np

from index.records import Floats, Ids


def unit(vectors: Floats) -> Floats:
    """Return vectors at length 1, float32."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Floats = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def augmented(vectors: Floats, neighbours: int = 5, power: float = 3.0) -> Floats:
    """Return the vectors that database augmentation makes of unit vectors `[n, dim]`."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -2)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :neighbours]
    weights = np.maximum(np.take_along_axis(cosines, near, axis=1), 0) ** power
    return unit(vectors + np.einsum("ij,ijd->id", weights, vectors[near]))


def fused(query: Floats, vectors: Floats, neighbours: int = 5, power: float = 3.0) -> Floats:
    """Return the fused rank of every unit vector for a unit query `[dim]`, float32 `[n]`."""
    others = augmented(vectors, neighbours, power)
    scores = others @ query
    best = np.argsort(-scores, kind="stable")[:neighbours]
    weights = np.maximum(scores[best], 0) ** power
    expanded = unit(query + weights @ others[best])
    ranks: Floats = (0.3 * (vectors @ query) + 0.7 * (others @ expanded)).astype(np.float32)
    return ranks


def best(ranks: Floats, ids: Ids, k: int) -> list[int]:
    """Return the ids of the `k` highest ranks, best first."""
    order = np.lexsort((ids, -ranks))[:k]
    found: list[int] = ids[order].tolist()
    return found
