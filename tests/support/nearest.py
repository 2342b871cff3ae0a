"""Holding answers about what is nearest against NumPy."""

from __future__ import annotations

import numpy as np

from index.records import Floats, Ids


def nearest(queries: Floats, ids: Ids, unit: Floats, k: int) -> list[set[int]]:
    """Return the ids of each query's `k` nearest, compared with every vector."""
    order = np.argsort(-(queries @ unit.T), axis=1, kind="stable")[:, :k]
    return [set(row) for row in ids[order].tolist()]


def recall(found: Ids, wanted: list[set[int]]) -> float:
    """Return the share of what is wanted that was found, averaged over queries."""
    shares = [
        len(set(row) & right) / len(right)
        for row, right in zip(found.tolist(), wanted, strict=True)
    ]
    return float(np.mean(shares))


def check_whole(found: Ids, scores: Floats, k: int, allowed: set[int]) -> None:
    """Insist on as many results as there can be, each once, each allowed, best first."""
    there = min(k, len(allowed))
    assert found.shape == scores.shape == (len(found), k)
    for row, row_scores in zip(found.tolist(), scores, strict=True):
        assert len(set(row[:there])) == there
        assert set(row[:there]) <= allowed
        assert row[there:] == [-1] * (k - there)
        assert np.all(row_scores[there:] == -1)
        assert np.all(np.diff(row_scores[:there]) <= 0)
