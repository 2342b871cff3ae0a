"""The search of a collection: masks inside it, and of `k` images that there are, `k`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from index.records import Floats, Ids
from index.vectors.index import VisibleImages, best_of
from index.vectors.milvus.collection import Collection
from index.vectors.milvus.conditions import (
    AskLimits,
    MilvusMask,
    Part,
    none_of,
    not_among,
    parts_of,
)
from index.vectors.milvus.kinds import KINDS, masked_effort
from index.vectors.milvus.stamp import Stamp

# Vectors that are read from the catalog at a time.
READ = 2048


class CollectionSearch:
    """Searches of what a collection holds and nothing lies over.

    Parameters
    ----------
    collection, stamp
        What is asked, and by which kind of index.
    hidden
        Images whose rows do not count, ascending, int64.
    every
        Returns all images that can be found, ascending, int64; asked where a mask needs it.
    images
        Those of the catalog, whose vectors are compared where an approximate index finds too few.
    limits
        How much is asked at once.
    """

    def __init__(
        self,
        collection: Collection,
        stamp: Stamp,
        hidden: Ids,
        every: Callable[[], Ids],
        images: VisibleImages,
        limits: AskLimits,
    ) -> None:
        self._collection = collection
        self._kind = KINDS[stamp.kind]
        self._effort = stamp.effort
        self._hidden = hidden
        self._every = every
        self._images = images
        self._limits = limits

    def nearest(self, queries: Floats, k: int, mask: MilvusMask | None) -> tuple[Floats, Ids]:
        """Return scores and ids `[n, k]` of the nearest images, -1 where there are no more."""
        if mask is not None and (picked := self._picked(queries, k, mask)):
            return picked
        scores, ids = nothing(len(queries), k)
        for part in self._parts(k, mask):
            found = self._asked(queries, min(k, part.most or k), part.condition, part.most)
            scores, ids = best_of(k, (scores, found[0]), (ids, found[1]))
        # A graph that is walked within a mask may end before it has found as many as there are.
        if self._kind.effort and (ids < 0).any():
            return self._completed(queries, k, mask, (scores, ids))
        return scores, ids

    def _parts(self, k: int, mask: MilvusMask | None) -> list[Part]:
        """Return searches that find what a mask allows, each image once."""
        limits = self._limits
        if mask is None and k <= limits.hits:
            return [Part(not_among(self._hidden))]
        allowed = none_of(self._every() if mask is None else mask.ids, self._hidden)
        if k > limits.hits:
            # Of so many all are asked for, some at a time.
            return list(parts_of(allowed, None, min(limits.named, limits.hits)))
        others = np.union1d(none_of(self._every(), allowed), self._hidden)
        return list(parts_of(allowed, others, limits.named))

    def _picked(self, queries: Floats, k: int, mask: MilvusMask) -> tuple[Floats, Ids] | None:
        """Return the best of a mask out of the best of all; None where too few are among them."""
        if len(mask.ids) <= self._limits.named:
            return None
        count = len(self._every())
        most = self._limits.per_hit * k * count // len(mask.ids) + k
        if most > self._limits.picked:
            return None
        scores, ids = self._asked(queries, min(most, count), not_among(self._hidden))
        allowed = np.isin(ids, mask.ids) & (ids >= 0)
        if allowed.sum(axis=1).min(initial=k) < k:
            return None
        order = np.argsort(~allowed, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def _completed(
        self, queries: Floats, k: int, mask: MilvusMask | None, found: tuple[Floats, Ids]
    ) -> tuple[Floats, Ids]:
        """Return the nearest by the catalog's vectors, for queries that lack some."""
        scores, ids = found
        every = none_of(self._every(), self._hidden)
        allowed = every if mask is None else np.intersect1d(every, mask.ids)
        lacking = np.flatnonzero((ids >= 0).sum(axis=1) < min(k, len(allowed)))
        if not len(lacking):
            return found
        best = nothing(len(lacking), k)
        for start in range(0, len(allowed), READ):
            some, unit = self._images.vectors(allowed[start : start + READ])
            products = (queries[lacking] @ unit.T).astype(np.float32)
            named = np.broadcast_to(some, products.shape)
            best = best_of(k, (best[0], products), (best[1], named))
        scores[lacking], ids[lacking] = best
        return scores, ids

    def _asked(
        self, queries: Floats, k: int, condition: str, fitting: int | None = None
    ) -> tuple[Floats, Ids]:
        """Search within a condition that so many images fit; None where nearly all do."""
        effort = self._effort
        if self._kind.effort and fitting:
            effort = masked_effort(effort, len(self._every()), fitting)
        params = self._kind.searched(effort, k)
        return self._collection.search(queries, k, condition, params)


def nothing(queries: int, k: int) -> tuple[Floats, Ids]:
    """Return scores and ids `[queries, k]` of an answer without hits."""
    return np.full((queries, k), -1, np.float32), np.full((queries, k), -1, np.int64)
