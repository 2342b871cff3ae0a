"""Which positions of the arranged vectors may be found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from index.records import Ids

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss


@dataclass(frozen=True, slots=True)
class ByList:
    """Positions, those of one list beside each other.

    Attributes
    ----------
    places
        int64 `[count]`.
    starts
        Where each list's positions start, and where the last one's end, int64 `[lists + 1]`.
    """

    places: Ids
    starts: Ids

    def places_in(self, lists: Ids) -> Ids:
        """Return the positions that lie in any of these lists, int64."""
        starts = self.starts[lists]
        counts = self.starts[lists + 1] - starts
        before = np.cumsum(counts) - counts
        return np.asarray(self.places[np.arange(counts.sum()) + np.repeat(starts - before, counts)])


@dataclass(frozen=True, slots=True)
class Within:
    """Positions that may be found.

    Attributes
    ----------
    mask
        bool `[total]`.
    count
        How many are allowed.
    selector
        The same for FAISS, None where all are allowed.
    bits
        The bytes behind the selector, which FAISS does not keep alive.
    by_list
        The same positions list by list, where they are few enough to be compared one by one.
    """

    mask: npt.NDArray[np.bool_]
    count: int
    selector: _faiss.IDSelectorBitmap | None
    bits: npt.NDArray[np.uint8] | None
    by_list: ByList | None = None

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> Within:
        """Return it for a mask."""
        count = int(mask.sum())
        if count == len(mask):
            return cls(mask, count, None, None)
        bits = np.packbits(mask, bitorder="little")
        return cls(mask, count, faiss.IDSelectorBitmap(bits), bits)

    def arranged(self, list_of: Ids, lists: int) -> Within:
        """Return it with its positions list by list.

        Parameters
        ----------
        list_of
            The list that each position lies in, int64 `[total]`.
        lists
            How many lists there are.
        """
        places = np.flatnonzero(self.mask)
        inside = list_of[places]
        starts = np.concatenate([[0], np.cumsum(np.bincount(inside, minlength=lists))])
        return replace(self, by_list=ByList(places[np.argsort(inside, kind="stable")], starts))
