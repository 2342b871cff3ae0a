"""An approximate index that finds too few within a mask is helped by the catalog's vectors."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.records import Floats, Ids
from index.vectors.index import VisibleImages
from index.vectors.milvus.collection import Collection
from index.vectors.milvus.conditions import AskLimits, MilvusMask
from index.vectors.milvus.search import CollectionSearch
from index.vectors.milvus.stamp import Stamp

COUNT, DIM = 60, 4
LIMITS = AskLimits(named=9, hits=40, picked=30)
subsets = st.sets(st.integers(1, COUNT)).map(lambda some: np.array(sorted(some), np.int64))


class Lossy:
    """Images that a search for within a condition finds in part, and the catalog has."""

    def __init__(self, lost: Ids) -> None:
        self._ids = np.arange(1, COUNT + 1)
        drawn = np.random.default_rng(0).normal(size=(COUNT, DIM))
        self.unit: Floats = (drawn / np.linalg.norm(drawn, axis=1)[:, None]).astype(np.float32)
        self._lost = lost

    def vectors(self, ids: Ids) -> tuple[Ids, Floats]:
        return ids, self.unit[ids - 1]

    def search(
        self, queries: Floats, k: int, condition: str, params: dict[str, Any]
    ) -> tuple[Floats, Ids]:
        fits = [
            not condition or (eval(condition, {"id": int(each)}) and each not in self._lost)
            for each in self._ids
        ]
        scores = np.full((len(queries), k), -1, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        products = queries @ self.unit[fits].T
        order = np.argsort(-products, axis=1)[:, :k]
        found = order.shape[1]
        scores[:, :found] = np.take_along_axis(products, order, axis=1)
        ids[:, :found] = self._ids[fits][order]
        return scores, ids


@given(lost=subsets, mask=subsets, hidden=subsets, k=st.integers(1, COUNT + 5))
def test_of_k_images_that_there_are_k_are_found(
    lost: np.ndarray, mask: np.ndarray, hidden: np.ndarray, k: int
) -> None:
    images = Lossy(lost)
    every = np.arange(1, COUNT + 1)
    asked = CollectionSearch(
        cast(Collection, images),
        Stamp(None, kind="HNSW", effort=64),
        hidden,
        lambda: every,
        cast(VisibleImages, images),
        LIMITS,
    )
    named = MilvusMask(np.append(mask, 10**6), len(mask) + 1)
    _, [found] = asked.nearest(images.unit[:1], k, named)
    allowed = np.setdiff1d(mask, hidden)
    there = found[found >= 0]
    assert len(there) == min(k, len(allowed)) == len({*there.tolist()})
    assert np.isin(there, allowed).all()


@pytest.mark.parametrize("effort", [64, 1000])
def test_a_search_looks_at_as_many_as_are_asked_for(effort: int) -> None:
    images, every = Lossy(np.zeros(0, np.int64)), np.arange(1, COUNT + 1)
    asked_with: list[dict[str, Any]] = []
    plain = images.search

    def search(
        queries: Floats, k: int, condition: str, params: dict[str, Any]
    ) -> tuple[Floats, Ids]:
        asked_with.append(params)
        return plain(queries, k, condition, params)

    images.search = search  # type: ignore[method-assign]
    stamp, none = Stamp(None, kind="HNSW", effort=effort), np.zeros(0, np.int64)
    parts = cast(Collection, images), stamp, none, lambda: every, cast(VisibleImages, images)
    CollectionSearch(*parts, AskLimits()).nearest(images.unit[:1], 350, None)
    assert asked_with == [{"ef": max(effort, 350)}]
