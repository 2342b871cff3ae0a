"""Reranking: a query compared with the finer codes, of 8 bits a component or fewer.

A code of 8 bits stands for `least + width * (code + 0.5) / 255` in each component, so a query is
scaled by the widths once, and multiplied with the codes as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import local
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.vectors.faiss_api import faiss, in_parts, inner_products

STEPS = 255
PAGE = 4096
# So many bytes are paged in before it is asked again whether to go on.
PAGED_BYTES = 1 << 26
# So many rows are unpacked at once: they stay in the processor's cache until they are multiplied.
BLOCK = 256


class Codes:
    """Vectors as codes of a scalar quantizer, at the positions they were added at.

    Parameters
    ----------
    stored
        `faiss.IndexScalarQuantizer` with the codes in it; it may be mapped from a file.
    inverse_lengths
        One over the length of what each code stands for, float32 `[total]`.

    Attributes
    ----------
    first, step
        What an unpacked code stands for: `first + step * code`, each float32 `[dim]`.
    """

    def __init__(self, stored: Any, inverse_lengths: Floats) -> None:
        self._stored = stored
        self._inverse_lengths = inverse_lengths
        self._bits = int(8 * stored.code_size // stored.d)
        least, width = np.split(faiss.vector_to_array(stored.sq.trained), 2)
        self.step: Floats = (width / STEPS).astype(np.float32)
        self.first: Floats = (least + self.step / 2).astype(np.float32)
        if self.bits != 8:
            # FAISS unpacks these.
            self.step, self.first = np.ones_like(self.step), np.zeros_like(self.first)
        self._pointed: npt.NDArray[np.uint8] = np.zeros((0, stored.code_size), np.uint8)
        # New memory for every query would have to be cleared by the system first.
        self._of_thread = local()

    @property
    def bits(self) -> int:
        """Bits a component."""
        return self._bits

    def cosines(self, queries: Floats, positions: Ids) -> Floats:
        """Compare each query with the vectors at its positions.

        Parameters
        ----------
        queries
            Rotated, float32 `[n, dim]`.
        positions
            int64 `[n, m]`; the result at a negative one has no meaning.

        Returns
        -------
        Floats
            float32 `[n, m]`.
        """
        cosines = np.empty(positions.shape, np.float32)
        scaled, start = self._scaled(queries)
        codes = self._bytes()
        for row, query in enumerate(scaled):
            for first in range(0, positions.shape[1], BLOCK):
                block = slice(first, first + BLOCK)
                rows = self._rows(codes, positions[row, block])
                cosines[row, block] = inner_products(rows, query)
        cosines += start[:, None]
        cosines *= np.take(self._inverse_lengths, positions, mode="clip")
        return cosines

    def rows(self, positions: Ids) -> tuple[Floats, Floats]:
        """Return the codes at positions int64 `[n]`, one by one, and what to multiply each with.

        A unit vector is `(first + step * row) * scale`, rotated.

        Returns
        -------
        rows
            float32 `[n, dim]`.
        scale
            float32 `[n]`.
        """
        codes, scale = self._bytes(), self._inverse_lengths[positions]
        rows = np.empty((len(positions), self._stored.d), np.float32)
        for start in range(0, len(positions), BLOCK):
            block = slice(start, start + BLOCK)
            taken = self._taken(codes, positions[block])
            rows[block] = taken if self.bits == 8 else self._stored.sa_decode(taken)
        return rows, scale

    def vectors(self, positions: Ids) -> Floats:
        """Return the rotated unit vectors that the codes at positions stand for, `[n, dim]`."""
        rows, scale = self.rows(positions)
        rows *= self.step
        rows += self.first
        rows *= scale[:, None]
        return rows

    def rerank(self, queries: Floats, candidates: Ids | list[Ids], k: int) -> tuple[Floats, Ids]:
        """Return scores and positions `[n, k]` of each query's nearest candidates, best first.

        Where there are fewer than `k`, the rest is -1.

        Parameters
        ----------
        queries
            Rotated, float32 `[n, dim]`.
        candidates
            int64 `[n, m]`, -1 for none, or a list of as many as there are of each query.
        """
        scores = np.empty((len(queries), k), np.float32)
        positions = np.empty((len(queries), k), np.int64)

        def rerank(part: slice) -> None:
            if isinstance(candidates, np.ndarray):
                found = self._rerank_part(queries[part], candidates[part], k)
                scores[part], positions[part] = found
                return
            for row in range(part.start, part.stop):
                one = slice(row, row + 1)
                found = self._rerank_part(queries[one], candidates[row][None], k)
                scores[one], positions[one] = found

        in_parts(rerank, len(queries))
        return scores, positions

    def warm_up(self, stopped: Callable[[], bool]) -> None:
        """Read a byte of every page, so that no comparison waits for the system to map it.

        Parameters
        ----------
        stopped
            Is asked from time to time whether to give up.
        """
        codes = self._bytes().reshape(-1)
        for start in range(0, len(codes), PAGED_BYTES):
            if stopped():
                return
            codes[start : start + PAGED_BYTES : PAGE].max(initial=0)

    def _rerank_part(self, queries: Floats, candidates: Ids, k: int) -> tuple[Floats, Ids]:
        """Return scores and positions `[n, k]` of the nearest candidates, best first.

        Parameters
        ----------
        candidates
            int64 `[n, m]`, -1 for none.
        """
        there = candidates >= 0
        cosines = np.where(there, self.cosines(queries, candidates), -np.inf)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        there = np.take_along_axis(there, best, axis=1)
        scores = np.where(there, np.take_along_axis(cosines, best, axis=1), -1)
        positions = np.where(there, np.take_along_axis(candidates, best, axis=1), -1)
        if best.shape[1] < k:
            missing = ((0, 0), (0, k - best.shape[1]))
            scores = np.pad(scores, missing, constant_values=-1)
            positions = np.pad(positions, missing, constant_values=-1)
        return scores.astype(np.float32), positions

    def _scaled(self, queries: Floats) -> tuple[Floats, Floats]:
        return self.step * queries, queries @ self.first

    def _rows(self, codes: npt.NDArray[np.uint8], positions: Ids) -> Floats:
        """Return the codes at these positions as float32, until the next call of this thread."""
        if not hasattr(self._of_thread, "rows"):
            self._of_thread.rows = np.empty((BLOCK, self._stored.d), np.float32)
        taken = self._taken(codes, positions)
        if self.bits != 8:
            decoded: Floats = self._stored.sa_decode(taken)
            return decoded
        rows: Floats = self._of_thread.rows[: len(positions)]
        rows[:] = taken
        return rows

    def _taken(self, codes: npt.NDArray[np.uint8], positions: Ids) -> npt.NDArray[np.uint8]:
        """Return the codes at these positions, until the next call of this thread."""
        if not hasattr(self._of_thread, "codes"):
            self._of_thread.codes = np.empty((BLOCK, codes.shape[1]), np.uint8)
        taken: npt.NDArray[np.uint8] = self._of_thread.codes[: len(positions)]
        # The positions are known to exist; being told so, NumPy writes where it should at once.
        np.take(codes, positions, axis=0, out=taken, mode="clip")
        return taken

    def _bytes(self) -> npt.NDArray[np.uint8]:
        stored, total = self._stored, int(self._stored.ntotal)
        pointed = self._pointed
        # Adding vectors moves them.
        if len(pointed) != total:
            pointed = faiss.rev_swig_ptr(stored.codes.data(), total * stored.code_size)
            pointed = self._pointed = pointed.reshape(total, stored.code_size)
        return pointed
