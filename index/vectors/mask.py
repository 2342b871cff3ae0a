"""Masks: which images a search may find, made ready for FAISS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from index.records import Ids
from index.vectors.faiss_api import faiss


@dataclass(frozen=True, slots=True)
class ByList:
    """Positions, those of one IVF list beside each other.

    Attributes
    ----------
    positions
        int64 `[count]`.
    starts
        Where each list's positions start, and where the last one's end, int64 `[lists + 1]`.
    """

    positions: Ids
    starts: Ids

    def positions_in(self, lists: Ids) -> Ids:
        """Return the positions that lie in any of these lists, int64."""
        starts = self.starts[lists]
        counts = self.starts[lists + 1] - starts
        before = np.cumsum(counts) - counts
        rows = np.arange(counts.sum()) + np.repeat(starts - before, counts)
        return np.asarray(self.positions[rows])


@dataclass(frozen=True, slots=True)
class SegmentMask:
    """Which positions of a segment may be found.

    Attributes
    ----------
    allowed
        bool `[total]`.
    count
        How many are allowed.
    selector
        `faiss.IDSelectorBitmap` over `bits`, None where all are allowed.
    bits
        uint8 `[total / 8]`. Keep a reference while searches run: FAISS does not own it.
    by_list
        The same positions list by list, where they are few enough to be compared one by one.
    """

    allowed: npt.NDArray[np.bool_]
    count: int
    selector: Any | None
    bits: npt.NDArray[np.uint8] | None
    by_list: ByList | None = None

    @classmethod
    def of(cls, allowed: npt.NDArray[np.bool_]) -> SegmentMask:
        """Return the mask of the positions where `allowed` is true."""
        count = int(allowed.sum())
        if count == len(allowed):
            return cls(allowed, count, None, None)
        bits = np.packbits(allowed, bitorder="little")
        return cls(allowed, count, faiss.IDSelectorBitmap(bits), bits)

    def grouped(self, list_of: Ids, lists: int) -> SegmentMask:
        """Return the mask with its positions grouped by IVF list.

        Parameters
        ----------
        list_of
            The list that each position lies in, int64 `[total]`.
        lists
            How many lists there are.
        """
        positions = np.flatnonzero(self.allowed)
        inside = list_of[positions]
        starts = np.concatenate([[0], np.cumsum(np.bincount(inside, minlength=lists))])
        by_list = ByList(positions[np.argsort(inside, kind="stable")], starts)
        return replace(self, by_list=by_list)


@dataclass(frozen=True, slots=True)
class FaissMask:
    """A mask for one index; valid until images are added to it or hidden.

    Attributes
    ----------
    count
        How many ids were named.
    selector
        `faiss.IDSelectorBatch` over the ids, for the delta. Keep a reference while searches
        run: FAISS does not own it.
    segment
        The positions of these ids in the segment, None where there is no segment.
    """

    count: int
    selector: Any
    segment: SegmentMask | None
