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

# Returns the ids `[n, k]` that an index finds by an effort.
Found = Callable[[Floats, int, int], Ids]


def measured(source: Source, found: Found) -> tuple[int, float]:
    """Return the least effort by which the index finds what is promised, and what it finds.

    Parameters
    ----------
    source
        What the index holds; it is read once, a piece at a time.
    found
        Asks the index with queries `[n, dim]`, for `k` images, by an effort.
    """
    _, queries = source.sample(QUERIES)
    nearest = exact_neighbours(queries, source, NEIGHBOURS)
    effort, recall = EFFORTS[0], 0.0
    for effort in EFFORTS:
        recall = share_found(nearest, found(queries, NEIGHBOURS, effort))
        if recall >= RECALL + RESERVE:
            break
    return effort, recall


def exact_neighbours(queries: Floats, source: Source, k: int) -> Ids:
    """Return the `k` nearest images of each query, int64 `[n, k]`, -1 where there are fewer."""
    scores = np.full((len(queries), k), -np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    for some, unit in source.chunks():
        every = np.concatenate([scores, queries @ unit.T], axis=1)
        named = np.concatenate([ids, np.broadcast_to(some, (len(queries), len(some)))], axis=1)
        best = np.argsort(-every, axis=1, kind="stable")[:, :k]
        scores = np.take_along_axis(every, best, axis=1)
        ids = np.take_along_axis(named, best, axis=1)
    return ids


def share_found(nearest: Ids, found: Ids) -> float:
    """Return the share of the nearest images that were found."""
    there = nearest >= 0
    hits = (nearest[:, :, None] == found[:, None, :]).any(axis=2) & there
    return float(hits.sum() / max(1, there.sum()))
