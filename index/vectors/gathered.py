"""The vectors of some images, found once in an index for several products with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import inner_products
from index.vectors.flat import Flat
from index.vectors.ivf.segment import Segment


@dataclass(frozen=True, slots=True)
class _Exact:
    """What the delta holds of them.

    Attributes
    ----------
    where
        Which of the images these are, int64 `[m]`.
    positions
        Of their vectors in the delta, int64 `[m]`.
    """

    where: Ids
    positions: Ids


@dataclass(frozen=True, slots=True)
class _Coded:
    """What the segment holds of them.

    Attributes
    ----------
    where
        Which of the images these are, int64 `[m]`.
    rows
        Their codes, float32 `[m, dim]`.
    scale
        Of each code, float32 `[m]`.
    """

    where: Ids
    rows: Floats
    scale: Floats


class GatheredVectors:
    """A `Gathered` from a delta, and a segment where there is one.

    Attributes
    ----------
    known
        As in `Gathered`.
    """

    def __init__(self, delta: Flat, segment: Segment | None) -> None:
        self._delta = delta
        self._segment = segment
        self._parts: list[_Exact | _Coded] = []
        self.known = np.zeros(0, np.bool_)
        # The query asked about last, rotated: it is asked about again when more were taken in.
        self._query: Floats | None = None
        self._rotated: Floats | None = None

    def take_in(self, ids: Ids) -> None:
        """Read the vectors of more images."""
        start, segment = len(self.known), self._segment
        known = np.zeros(len(ids), np.bool_)
        if segment is not None:
            positions = segment.positions_of(ids)
            there = np.flatnonzero(positions >= 0)
            known[there] = True
            rows, scale = segment.codes.rows(positions[there])
            self._parts.append(_Coded(start + there, rows, scale))
        if len(self._delta):
            positions = self._delta.positions_of(ids)
            there = np.flatnonzero(positions >= 0)
            known[there] = True
            self._parts.append(_Exact(start + there, positions[there]))
        self.known = np.concatenate([self.known, known])

    def products(self, query: Floats, start: int = 0) -> Floats:
        """Return products with a query `[dim]`, those from `start` on, float32 `[n - start]`."""
        products = np.zeros(len(self.known) - start, np.float32)
        for part in self._parts:
            if len(part.where) and part.where[0] >= start:
                products[part.where - start] = self._of_part(part, query)
        return products

    def combined(self, weights: Floats) -> Floats:
        """Return the sum of all vectors, each times its weight of float32 `[n]`, `[dim]`."""
        total, segment = np.zeros(self._delta.dim, np.float32), self._segment
        coded = np.zeros(0 if segment is None else len(segment.codes.step), np.float32)
        for part in self._parts:
            own = weights[part.where]
            used = np.flatnonzero(own)
            if isinstance(part, _Exact):
                total += own[used] @ self._delta.vectors(part.positions[used])
            elif segment is not None:
                shares = own[used] * part.scale[used]
                coded += segment.codes.step * (shares @ part.rows[used])
                coded += shares.sum() * segment.codes.first
        return total if segment is None else total + segment.transform.back(coded[None])[0]

    def _of_part(self, part: _Exact | _Coded, query: Floats) -> Floats:
        segment = self._segment
        if isinstance(part, _Exact):
            return self._delta.products(part.positions, query)
        assert segment is not None
        if self._rotated is None or self._query is not query:
            self._query, self._rotated = query, segment.transform(query[None])[0]
        codes, rotated = segment.codes, self._rotated
        # The query is scaled, not all of the codes.
        products = inner_products(part.rows, codes.step * rotated)
        products += codes.first @ rotated
        products *= part.scale
        return products
