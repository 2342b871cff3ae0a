"""How much of an approximate index a search has to look at: measured against all vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from index.records import Floats, Ids
from index.vectors.index import Source

# So many images are asked for so many neighbours each; the recall that is promised, and a reserve.
QUERIES, NEIGHBOURS = 200, 10
RECALL, RESERVE = 0.99, 0.003
EFFORTS = (64, 128, 256, 512, 1024, 2048, 4096)

# Within a mask of a tenth of all images, and of so many at most, it is to find as much.
SHARE, MASKED = 10, 5000
# Returns the ids `[n, k]` that an index finds by an effort, within a mask if one is given.
Found = Callable[[Floats, int, int, Ids | None], Ids]


def measured(source: Source, found: Found) -> tuple[int, float]:
    """Return the least effort by which the index finds what is promised, and what it finds.

    Parameters
    ----------
    source
        What the index holds; it is read twice, a piece at a time.
    found
        Asks the index with queries `[n, dim]`, for `k` images, by an effort, within a mask.
    """
    count = source.count
    some, vectors = source.sample(max(QUERIES, min(count // SHARE, MASKED)))
    queries, mask = vectors[:QUERIES], np.sort(some)
    nearest = [(each, exact_neighbours(queries, source, NEIGHBOURS, each)) for each in (None, mask)]
    effort, recall = EFFORTS[0], 0.0
    for effort in EFFORTS:
        recall = min(
            share_found(ids, found(queries, NEIGHBOURS, effort, each)) for each, ids in nearest
        )
        if recall >= RECALL + RESERVE:
            break
    return effort, recall


def exact_neighbours(queries: Floats, source: Source, k: int, mask: Ids | None = None) -> Ids:
    """Return the `k` nearest images of each query, int64 `[n, k]`, -1 where there are fewer."""
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    for chunk, vectors in source.chunks():
        fits = np.ones(len(chunk), np.bool_) if mask is None else np.isin(chunk, mask)
        some, unit = chunk[fits], vectors[fits]
        products = np.concatenate([scores, queries @ unit.T], axis=1)
        named = np.concatenate([ids, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        best = np.argsort(-products, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(products, best, axis=1)
        ids = np.take_along_axis(named, best, axis=1)
    return ids


def share_found(nearest: Ids, found: Ids) -> float:
    """Return the share of the nearest images that were found."""
    there = nearest >= 0
    hits = (nearest[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / there.sum()) if there.any() else 1.0
