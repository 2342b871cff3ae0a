"""The images around a query, and products with their augmented vectors.

A product with an augmented vector is a sum of products with plain ones. Those with the images
themselves are read at once; a neighbour that is not among them is read only where that decides.
"""

from __future__ import annotations

import numpy as np

from index.records import Floats, Ids
from index.vectors.graph import NeighbourGraph
from index.vectors.index import VectorIndex


class Surroundings:
    """The nearest to a query of some images, and what their augmented vectors are made of.

    Parameters
    ----------
    ids
        Ascending, int64 `[m]`.
    query
        A unit vector, float32 `[dim]`.
    count
        So many of the images count, those of the highest cosine.

    Attributes
    ----------
    ids
        These images, ascending, int64 `[n]`.
    cosines
        Theirs, float32 `[n]`.
    """

    def __init__(
        self, index: VectorIndex, graph: NeighbourGraph, ids: Ids, query: Floats, count: int
    ) -> None:
        self._query = query
        self._vectors = index.gathered(ids)
        self._products = self._vectors.products(query)
        known = np.flatnonzero(self._vectors.known)
        self._rows = np.sort(known[highest(self._products[known], count)])
        self.ids = ids[self._rows]
        self.cosines = np.clip(self._products[self._rows], -1, 1)
        self._neighbours, self._weights, self._lengths = graph.weighted(self.ids)
        # Where the vectors of neighbours are. One that is not there is taken to be as near to the
        # query as the image, times its cosine to that: the weight is its third power, of which
        # this is the tangent at 1. It is seldom too little, so what is not among the best by such
        # an estimate would hardly be if all were read.
        found = np.minimum(np.searchsorted(ids, self._neighbours), max(0, len(ids) - 1))
        self._there = ids[found] == self._neighbours
        self._others = np.where(self._there, found, self._rows[:, None])
        self._shares = self._weights * np.where(self._there, 1, (2 + self._weights) / 3)

    def expanded(self, count: int, power: float, among: int) -> Floats:
        """Return the query with the augmented vectors nearest to it taken up, float32 `[dim]`.

        Parameters
        ----------
        count
            So many are taken up.
        power
            Of the product that each of them is weighted by.
        among
            The best so many by estimate are summed whole to choose these.
        """
        some = highest(self._summed(self._products), among)
        self._products = self._taken_in(some, self._query, self._products)
        augmented = self._summed(self._products)[some]
        nearest = np.argsort(-augmented, kind="stable")[:count]
        best = some[nearest]
        weights = np.maximum(augmented[nearest], 0) ** power / self._lengths[best]
        shares = np.zeros(len(self._products), np.float32)
        shares[self._rows[best]] = weights
        np.add.at(shares, self._others[best], weights[:, None] * self._shares[best])
        total = self._query + self._vectors.combined(shares)
        unit: Floats = (total / max(float(np.linalg.norm(total)), 1e-12)).astype(np.float32)
        return unit

    def ranks(
        self, expanded: Floats, plain: float, least: float, count: int, same: float
    ) -> tuple[Ids, Floats]:
        """Return the images of the highest rank.

        Parameters
        ----------
        expanded
            The query as it was expanded, float32 `[dim]`.
        plain
            The share of the cosine in the rank; the rest is that of the product of the expanded
            query with the augmented vector.
        least
            Only images with such a cosine.
        count
            So many, where there are so many.
        same
            And those of such a cosine, which come first whatever their rank.

        Returns
        -------
        positions
            Of these images, int64 `[count]` or more, in no particular order.
        ranks
            Theirs, float32.
        """
        products = self._vectors.products(expanded)
        estimates = plain * self.cosines + (1 - plain) * self._summed(products)
        allowed = np.flatnonzero(self.cosines >= least)
        best = highest(estimates[allowed], count)
        some = allowed[np.union1d(best, np.flatnonzero(self.cosines[allowed] >= same))]
        augmented = self._summed(self._taken_in(some, expanded, products))[some]
        return some, (plain * self.cosines[some] + (1 - plain) * augmented).astype(np.float32)

    def _summed(self, products: Floats) -> Floats:
        """Return products with augmented vectors from those with all vectors that were read."""
        sums = products[self._rows] + (products[self._others] * self._shares).sum(axis=1)
        augmented: Floats = sums / self._lengths
        return augmented

    def _taken_in(self, some: Ids, query: Floats, products: Floats) -> Floats:
        """Read the neighbours of some images that were not; return products with these, too."""
        rows, columns = np.nonzero(~self._there[some] & (self._neighbours[some] >= 0))
        if not len(rows):
            return products
        rows, read = some[rows], len(products)
        ids, where = np.unique(self._neighbours[rows, columns], return_inverse=True)
        self._vectors.take_in(ids)
        self._others[rows, columns] = read + where
        self._there[rows, columns] = True
        self._shares[rows, columns] = self._weights[rows, columns]
        return np.concatenate([products, self._vectors.products(query, read)])


def highest(values: Floats, count: int) -> Ids:
    """Return the positions of the `count` highest values, in no particular order, int64."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(values, len(values) - count)[len(values) - count :]
