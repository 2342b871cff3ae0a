"""The vectors of some images, read from the catalog for several products with them."""

from __future__ import annotations

import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import inner_products
from index.vectors.index import VisibleImages


class CatalogVectors:
    """A `Gathered` from a catalog.

    Attributes
    ----------
    known
        As in `Gathered`.
    """

    def __init__(self, images: VisibleImages, dim: int) -> None:
        self._images = images
        self._rows = np.zeros((0, dim), np.float32)
        self.known = np.zeros(0, np.bool_)

    def take_in(self, ids: Ids) -> None:
        """Read the vectors of more images."""
        rows, known = vectors_of(self._images, ids, self._rows.shape[1])
        self._rows = np.concatenate([self._rows, rows])
        self.known = np.concatenate([self.known, known])

    def products(self, query: Floats, start: int = 0) -> Floats:
        """Return products with a query `[dim]`, those from `start` on, float32 `[n - start]`."""
        return inner_products(self._rows[start:], np.ascontiguousarray(query, np.float32))

    def combined(self, weights: Floats) -> Floats:
        """Return the sum of all vectors, each times its weight of float32 `[n]`, `[dim]`."""
        used = np.flatnonzero(weights)
        total: Floats = weights[used] @ self._rows[used]
        return total


def vectors_of(images: VisibleImages, ids: Ids, dim: int) -> tuple[Floats, np.ndarray]:
    """Return the vectors of images float32 `[n, dim]`, zeros for unknown ones, and which are not.

    Parameters
    ----------
    ids
        In any order, int64 `[n]`.
    """
    found, unit = images.vectors(ids)
    rows = np.zeros((len(ids), dim), np.float32)
    if not len(found):
        return rows, np.zeros(len(ids), np.bool_)
    at = np.minimum(np.searchsorted(found, ids), len(found) - 1)
    known = found[at] == ids
    rows[known] = unit[at[known]]
    return rows, known
