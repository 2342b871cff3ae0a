"""A projection onto the directions that hold most of all vectors, where memory is short.

Principal component analysis without the mean: inner products are to be preserved, and the mean is
part of them. What a vector has beside these directions is lost to the index, and with it some of
the nearest images; the catalog has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from index.records import Floats
from index.vectors.faiss_api import faiss, threads_for
from index.vectors.ivf.rotation import Rotation


class Projection:
    """A map of vectors onto orthonormal directions.

    Parameters
    ----------
    transform
        `faiss.LinearTransform` without a bias, whose rows are the directions.
    """

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.projected_dim = int(transform.d_out)
        self._matrix: Floats = faiss.vector_to_array(transform.A).reshape(self.projected_dim, -1)

    @classmethod
    def onto(cls, directions: Floats) -> Projection:
        """Return the projection onto orthonormal directions, float32 `[projected_dim, dim]`."""
        projected_dim, dim = directions.shape
        transform = faiss.LinearTransform(dim, projected_dim, False)
        faiss.copy_array_to_vector(np.ascontiguousarray(directions).ravel(), transform.A)
        transform.is_trained = True
        return cls(transform)

    def __call__(self, vectors: Floats) -> Floats:
        """Return projected vectors, float32 `[n, projected_dim]`, which are shorter."""
        with threads_for(len(vectors)):
            projected: Floats = self.transform.apply(np.ascontiguousarray(vectors, np.float32))
        return projected

    def back(self, projected: Floats) -> Floats:
        """Return what is left of the vectors that were projected, float32 `[n, dim]`."""
        vectors: Floats = projected @ self._matrix
        return vectors


def principal_directions(vectors: Floats, count: int) -> Floats:
    """Return an orthonormal basis of the directions that hold most, rotated, `[count, dim]`.

    Of the second moments, not of the covariance: inner products are to be preserved, and the mean
    is part of them.
    """
    moments = (vectors.T @ vectors).astype(np.float64)
    _, found = np.linalg.eigh(moments)
    basis = np.zeros((count, len(moments)), np.float32)
    # Directions go in pairs: where their number is odd, the last one is empty.
    basis[: len(moments)] = found[:, ::-1][:, :count].T
    # Rotated among themselves, lest the first directions outweigh the codes of all others.
    return np.ascontiguousarray(Rotation(count)(np.ascontiguousarray(basis.T)).T)
