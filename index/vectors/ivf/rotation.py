"""A rotation that spreads what a vector says evenly over all its components.

Codes of few bits a component are exact where all components vary alike; an embedding's do not.
Signs drawn once, then a cosine transform along each side of the vector laid out as a rectangle:
every component of the result depends on every component before, at a cost of `p + q`
multiplications a component instead of `p * q`. (The randomised Hadamard transform of Ailon and
Chazelle, "The Fast Johnson-Lindenstrauss Transform", 2009, with cosines, because dims are seldom
powers of two.)
"""

from __future__ import annotations

import numpy as np

from index.records import Floats

SEED = 20_260_101


class Rotation:
    """An orthogonal map of vectors of one dim; always the same one for the same dim."""

    def __init__(self, dim: int) -> None:
        sides = [side for side in range(1, dim + 1) if dim % side == 0]
        columns = min(sides, key=lambda side: abs(side - dim**0.5))
        self._shape = (dim // columns, columns)
        # The raw stream of this generator is promised never to change.
        bits = np.random.PCG64(SEED).random_raw(dim) >> np.uint64(63)
        self._signs = (1.0 - 2.0 * bits.astype(np.float32)).astype(np.float32)
        self._left, self._right = map(_cosines, self._shape)

    def __call__(self, vectors: Floats) -> Floats:
        """Return the rotated vectors, float32 `[n, dim]`; lengths and products stay the same."""
        rows = (vectors * self._signs).reshape(-1, *self._shape)
        turned = self._left @ (rows @ self._right.T)
        return np.ascontiguousarray(turned.reshape(vectors.shape), np.float32)

    def back(self, rotated: Floats) -> Floats:
        """Return what was rotated, float32 `[n, dim]`."""
        rows = self._left.T @ (rotated.reshape(-1, *self._shape) @ self._right)
        return np.ascontiguousarray(rows.reshape(rotated.shape) * self._signs, np.float32)


def _cosines(size: int) -> Floats:
    """Return the orthonormal matrix of the discrete cosine transform, `[size, size]`."""
    step = np.arange(size)
    table = np.cos(np.pi * step[:, None] * (2 * step[None] + 1) / (2 * size))
    table *= np.sqrt(2 / size)
    table[0] /= np.sqrt(2)
    return table.astype(np.float32)
