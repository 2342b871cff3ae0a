"""Very many vectors: inverted lists of 1-bit codes, whose best candidates are compared again.

A query is rotated, projected onto the main directions and compared with the centroids of the
lists; of the nearest lists every vector's 1-bit code is compared (RaBitQ: Gao and Long, "RaBitQ:
Quantizing High-Dimensional Vectors with a Theoretical Error Bound", 2024), and the best of these
by codes of 8 bits a number. How many lists and candidates, was measured when it was built.

What is built never changes, so the file can be mapped and costs no time to open; images that
were removed are masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids
from index.rotation import Rotation
from index.threads import threads_for
from index.tuning import Tuning

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss

# So few are compared one by one: sooner done than looking into lists.
FEW = 1000
# Results asked for beyond `k`, because the second comparison still errs by a vector's length.
SPARE = 8
# However many are asked for, so many times more have their first, coarse comparison checked.
CANDIDATES_PER_RESULT = 8


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
    """

    mask: npt.NDArray[np.bool_]
    count: int
    selector: _faiss.IDSelectorBitmap | None
    bits: npt.NDArray[np.uint8] | None

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> Within:
        """Return it for a mask."""
        count = int(mask.sum())
        if count == len(mask):
            return cls(mask, count, None, None)
        bits = np.packbits(mask, bitorder="little")
        return cls(mask, count, faiss.IDSelectorBitmap(bits), bits)


class CompressedVectors:
    """Vectors under the ids of their images, arranged once.

    Invariants, held by tests against exact search:

    1. of `k` allowed images that exist, `k` are found, whatever the lists hold;
    2. what is hidden or not allowed is never found;
    3. recall is what `tuning` says.

    Parameters
    ----------
    inner
        FAISS's index of rotated vectors: a refinement over a projection over inverted lists.
    ids
        The image at each position, int64 `[total]`. Of an id that stands there twice the later
        position counts.
    inverse
        What a vector's second comparison must be multiplied with to be a cosine: one over the
        length of the vector that its code stands for, float32 `[total]`.
    tuning
        How far to look.
    trained_on
        How many images there were when the centroids were chosen.
    hidden
        Positions of images that are gone, int64.
    key
        What tells this arrangement from every other; a new one is given where it is None.
    """

    def __init__(
        self,
        inner: _faiss.IndexRefine,
        ids: Ids,
        inverse: Floats,
        tuning: Tuning,
        trained_on: int,
        hidden: Ids | None = None,
        key: str | None = None,
    ) -> None:
        self.key = key or uuid4().hex
        self.inner = inner
        self.ids = ids
        self.inverse = inverse
        self.tuning = tuning
        self.trained_on = trained_on
        self._rotate = Rotation(int(inner.d))
        self._lists: Any = faiss.downcast_index(faiss.downcast_index(inner.base_index).index)
        self._codes: Any = faiss.downcast_index(inner.refine_index)
        self._ascending = bool(np.all(np.diff(ids) > 0))
        self._order: Ids | None = None
        self._mask = np.ones(len(ids), np.bool_)
        if hidden is not None:
            self._mask[hidden] = False
        self._visible = Within.of(self._mask)

    def __len__(self) -> int:
        return self._visible.count

    @property
    def total(self) -> int:
        """How many positions there are, hidden ones included."""
        return len(self.ids)

    @property
    def lists(self) -> int:
        """How many inverted lists there are."""
        return int(self._lists.nlist)

    @property
    def refine(self) -> str:
        """How the vectors for the second comparison are kept: `SQ8`, ..."""
        return f"SQ{round(8 * self._codes.code_size / self._codes.d)}"

    @property
    def kind(self) -> str:
        """What arrangement it is, for people."""
        return f"IVF{self.lists}, RaBitQ, {self.refine}"

    @property
    def hidden(self) -> Ids:
        """Positions that are masked, int64."""
        return np.flatnonzero(~self._mask).astype(np.int64)

    @property
    def visible_ids(self) -> Ids:
        """The ids that can be found, int64."""
        return np.asarray(self.ids[self._mask], np.int64)

    def hide(self, ids: Ids) -> None:
        """Mask images; those it does not hold are nothing to mask."""
        self.hide_places(self._places(ids))

    def hide_places(self, places: Ids) -> None:
        """Mask positions."""
        if len(places):
            self._mask[places] = False
            self._visible = Within.of(self._mask)

    def within(self, ids: Ids) -> Within:
        """Return the visible positions of these images."""
        mask = np.zeros(self.total, np.bool_)
        mask[self._places(ids)] = True
        return Within.of(mask)

    def search(self, queries: Floats, k: int, within: Within | None = None) -> tuple[Floats, Ids]:
        """Return scores float32 and ids int64 `[n, k]`, best first; -1 where there is nothing."""
        scores, places = self.look(queries, k, within or self._visible)
        ids = np.where(places >= 0, np.asarray(self.ids)[places], -1)
        return scores, ids

    def look(
        self,
        queries: Floats,
        k: int,
        within: Within,
        nprobe: int | None = None,
        candidates: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Return scores and positions instead of ids; the way of looking can be dictated."""
        wanted = min(k, within.count)
        if not wanted:
            return _padded(np.zeros((len(queries), 0), np.float32), k)
        rotated = self._rotate(queries)
        if within.count <= FEW and nprobe is None:
            return self._compare(rotated, k, np.flatnonzero(within.mask))
        # Of every image only some are allowed: the nearest of those lie as deep as this.
        depth = wanted * self.total / within.count
        probes = nprobe or self.tuning.nprobe(depth, self.lists)
        extra = max(CANDIDATES_PER_RESULT * wanted, candidates or self.tuning.candidates)
        scores, places = self._scan(rotated, wanted, within, probes, extra)
        while probes < self.lists:
            short = np.flatnonzero((places < 0).any(axis=1))
            if not len(short):
                break
            probes = min(4 * probes, self.lists)
            scores[short], places[short] = self._scan(rotated[short], wanted, within, probes, extra)
        return _padded(scores, k, places)

    def _scan(
        self, rotated: Floats, k: int, within: Within, nprobe: int, extra: int
    ) -> tuple[Floats, Ids]:
        asked = min(k + max(SPARE, k // 4), within.count)
        lists = faiss.SearchParametersIVF(nprobe=nprobe, sel=within.selector)
        projected = faiss.SearchParametersPreTransform(index_params=lists)
        factor = max(1.0, min(k + extra, within.count) / asked)
        parameters = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=projected)
        with threads_for(len(rotated)):
            scores, places = self.inner.search(rotated, asked, params=parameters)
        # FAISS says that there is nothing by a score which cannot be multiplied.
        there = places >= 0
        scores = np.where(there, scores, -1) * np.where(there, np.asarray(self.inverse)[places], 1)
        # What is there comes first, even if rounding made it less than nothing.
        order = np.argsort(np.where(there, -scores, np.inf), axis=1, kind="stable")[:, :k]
        return (
            np.take_along_axis(scores, order, axis=1).astype(np.float32),
            np.take_along_axis(places, order, axis=1),
        )

    def _compare(self, rotated: Floats, k: int, places: Ids) -> tuple[Floats, Ids]:
        with threads_for(len(rotated)):
            decoded = self._codes.reconstruct_batch(places)
        scores = (rotated @ decoded.T) * np.asarray(self.inverse)[places]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        return _padded(np.take_along_axis(scores, order, axis=1), k, places[order])

    def _places(self, ids: Ids) -> Ids:
        """Return the visible positions of images, in no particular order."""
        ordered = self._ordered()
        found = np.searchsorted(ordered, ids, side="right") - 1
        known = ordered[found] == ids if len(ordered) else np.zeros(len(ids), np.bool_)
        places = found[known] if self._order is None else self._order[found[known]]
        return np.asarray(places[self._mask[places]], np.int64)

    def _ordered(self) -> Ids:
        """Return the ids in ascending order; they stand so unless images were added later."""
        if self._ascending:
            return self.ids
        if self._order is None:
            self._order = np.argsort(self.ids, kind="stable")
        return np.asarray(self.ids[self._order])


def _padded(scores: Floats, k: int, places: Ids | None = None) -> tuple[Floats, Ids]:
    if places is None:
        places = np.zeros(scores.shape, np.int64)
    missing = k - scores.shape[1]
    if missing:
        scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-1)
        places = np.pad(places, ((0, 0), (0, missing)), constant_values=-1)
    return scores.astype(np.float32), places
