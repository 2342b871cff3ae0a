"""The second comparison: a query with codes of 8 bits a number, or of fewer.

A code of 8 bits stands for `least + width * (code + 0.5) / 255` in each of its numbers, so a
query is scaled by the widths once, and multiplied with the codes as they are.
"""

from __future__ import annotations

from threading import local
from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.vectors.inner_product import inner_products

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss

STEPS = 255
PAGE = 4096
# So many rows are unpacked at once: they stay in the processor's cache until they are multiplied.
BLOCK = 256


class Codes:
    """Vectors as codes of a scalar quantizer, at the positions they were added at.

    Parameters
    ----------
    stored
        FAISS's scalar quantizer and the codes in it; it may be mapped from a file.
    inverse
        One over the length of what each code stands for, float32 `[total]`.
    """

    def __init__(self, stored: Any, inverse: Floats) -> None:
        self._stored = stored
        self._inverse = inverse
        least, width = np.split(faiss.vector_to_array(stored.sq.trained), 2)
        self._step = (width / STEPS).astype(np.float32)
        self._first = (least + self._step / 2).astype(np.float32)
        # New memory for every query would have to be cleared by the system first.
        self._of_thread = local()

    @property
    def bits(self) -> int:
        """Bits a number."""
        return int(8 * self._stored.code_size // self._stored.d)

    def cosines(self, queries: Floats, places: Ids) -> Floats:
        """Compare each query with the vectors at its positions.

        Parameters
        ----------
        queries
            Rotated, float32 `[n, dim]`.
        places
            int64 `[n, m]`; what stands for a negative one means nothing.

        Returns
        -------
        Floats
            float32 `[n, m]`.
        """
        cosines = np.empty(places.shape, np.float32)
        scaled, start = self._scaled(queries)
        codes = self._bytes()
        for row, query in enumerate(scaled):
            for first in range(0, places.shape[1], BLOCK):
                block = slice(first, first + BLOCK)
                rows = self._rows(codes, places[row, block])
                cosines[row, block] = inner_products(rows, query)
        cosines += start[:, None]
        cosines *= np.take(self._inverse, places, mode="clip")
        return cosines

    def touch(self) -> None:
        """Read a number of every page, so that no comparison waits for the system to map it."""
        self._bytes().reshape(-1)[::PAGE].max(initial=0)

    def _scaled(self, queries: Floats) -> tuple[Floats, Floats]:
        if self.bits != 8:
            return queries, np.zeros(len(queries), np.float32)
        return self._step * queries, queries @ self._first

    def _rows(self, codes: npt.NDArray[np.uint8], places: Ids) -> Floats:
        """Return the codes at these positions as numbers, until the next call of this thread."""
        if not hasattr(self._of_thread, "rows"):
            self._of_thread.codes = np.empty((BLOCK, codes.shape[1]), np.uint8)
            self._of_thread.rows = np.empty((BLOCK, self._stored.d), np.float32)
        taken: npt.NDArray[np.uint8] = self._of_thread.codes[: len(places)]
        # The positions are known to exist; being told so, NumPy writes where it should at once.
        np.take(codes, places, axis=0, out=taken, mode="clip")
        if self.bits != 8:
            decoded: Floats = self._stored.sa_decode(taken)
            return decoded
        rows: Floats = self._of_thread.rows[: len(places)]
        rows[:] = taken
        return rows

    def _bytes(self) -> npt.NDArray[np.uint8]:
        # Asked for anew each time: adding vectors moves them.
        stored = self._stored
        size = stored.ntotal * stored.code_size
        pointed: npt.NDArray[np.uint8] = faiss.rev_swig_ptr(stored.codes.data(), size)
        return pointed.reshape(stored.ntotal, stored.code_size)
