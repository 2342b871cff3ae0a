"""Very many vectors: inverted lists of short codes, whose best candidates are compared again.

A query is rotated, projected onto the main directions and compared with the centroids of the
lists; in the lists near to it every vector's short code is compared (`ivf_probe.py`), and the
best of these by codes of 8 bits a number (`rerank.py`). How far to look and how many to
compare again, was measured when it was built (`autotune.py`).

What is built never changes, so the file can be mapped; images that were removed are masked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import faiss as _faiss
import numpy as np

from index.records import Floats, Ids
from index.vectors.autotune import Tuning
from index.vectors.faiss_api import in_parts
from index.vectors.ivf_probe import EVERYTHING, InvertedLists
from index.vectors.mask import Within
from index.vectors.rerank import Codes
from index.vectors.rotation import Rotation

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss

# So few are compared one by one: sooner done than looking into lists.
FEW = 1000
# Where only one of so many may be found, those in the near lists are compared one by one: that
# takes some 0.4 us each, and looking through the short codes of all others 0.013 us each.
SPARSE = 32
# However many are asked for, so many times more have their first, coarse comparison checked.
CANDIDATES_PER_RESULT = 8
# So many queries at a time: what is known of their lists and candidates takes memory.
QUERIES_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far a search looks.

    Attributes
    ----------
    gap
        How much less similar than the nearest list those that are looked into may be.
    lists
        How many of them at most.
    candidates
        How many positions have their first comparison checked.
    """

    gap: float
    lists: int
    candidates: int


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
        It keeps and stores the numbers; its own search, which looks into a fixed number of
        lists, is not used.
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
        self._lists = InvertedLists(faiss.downcast_index(inner.base_index))
        self._codes = Codes(faiss.downcast_index(inner.refine_index), inverse)
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
        return len(self._lists)

    @property
    def refine(self) -> str:
        """How the vectors for the second comparison are kept: `SQ8`, ..."""
        return f"SQ{self._codes.bits}"

    @property
    def kind(self) -> str:
        """What arrangement it is, for people."""
        return f"{self._lists.name}, {self.refine}"

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
        within = Within.of(mask)
        if FEW < within.count <= self.total // SPARSE:
            return within.arranged(self._lists.list_of, len(self._lists))
        return within

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
        gap: float | None = None,
        candidates: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Return scores and positions instead of ids; the way of looking can be dictated."""
        scores = np.full((len(queries), k), -1, np.float32)
        places = np.full((len(queries), k), -1, np.int64)
        wanted = min(k, within.count)
        if not wanted:
            return scores, places
        rotated = self._rotate(queries)
        few = np.flatnonzero(within.mask) if within.count <= FEW and gap is None else None
        # Of every image only some are allowed: the nearest of those lie as deep as this.
        depth = wanted * self.total / within.count
        gap = gap or self.tuning.gap(depth)
        candidates = candidates or self.tuning.candidates_among(within.count / self.total)
        extra = max(CANDIDATES_PER_RESULT * wanted, candidates)
        reach = _Reach(gap, self._lists.most(depth), min(wanted + extra, within.count))

        for start in range(0, len(queries), QUERIES_AT_ONCE):
            some = slice(start, start + QUERIES_AT_ONCE)
            answer = scores[some, :wanted], places[some, :wanted]
            if few is not None:
                all_few = np.broadcast_to(few, (len(rotated[some]), len(few)))
                answer[0][:], answer[1][:] = self._choose(rotated[some], all_few, wanted)
            else:
                self._look_deeper(rotated[some], within, reach, answer)
        return scores, places

    def lists_within(self, queries: Floats, gap: float) -> float:
        """Return how many lists each of these queries would look into, on average."""
        near = self._lists.near(self._lists.project(self._rotate(queries)), gap)
        return int((near.lists >= 0).sum()) / max(1, len(queries))

    def touch(self) -> None:
        """Read all of it that searches will, so that none of them waits for the disk."""
        self._codes.touch()
        np.asarray(self.inverse).max(initial=0)

    def gaps_needed(self, queries: Floats, places: Ids) -> Floats:
        """Return the gap with which a query looks into the list of each position, `[n, depth]`."""
        projected = self._lists.project(self._rotate(queries))
        return self._lists.gaps_needed(projected, places)

    def _look_deeper(
        self, rotated: Floats, within: Within, reach: _Reach, answer: tuple[Floats, Ids]
    ) -> None:
        """Fill `answer`; where lists hold too few that are allowed, look into more of them."""
        scores, places = answer
        short = np.arange(len(rotated))
        while len(short):
            self._look_once(rotated, within, reach, answer, short)
            short = short[places[short, -1] < 0]
            if reach.gap >= EVERYTHING:
                break
            reach = replace(reach, gap=min(2 * reach.gap, EVERYTHING), lists=len(self._lists))
        for row in short:
            # Without any direction: FAISS cannot scale such a query's tables, and finds nothing.
            allowed = np.flatnonzero(within.mask)
            best = self._best(rotated[row][None], allowed[None], scores.shape[1])
            scores[row], places[row] = best[0][0], best[1][0]

    def _look_once(
        self,
        rotated: Floats,
        within: Within,
        reach: _Reach,
        answer: tuple[Floats, Ids],
        rows: Ids,
    ) -> None:
        """Fill these rows of `answer` with what the lists within reach hold."""
        scores, places = answer
        queries = rotated[rows]
        projected = self._lists.project(queries)
        near = self._lists.near(projected, reach.gap, reach.lists)
        found: Ids | list[Ids]
        if within.by_list is None:
            found = self._lists.scan(projected, near, reach.candidates, within.selector)
        else:
            found = [within.by_list.places_in(near.of(number)) for number in range(len(rows))]
        scores[rows], places[rows] = self._choose(queries, found, scores.shape[1])

    def _choose(self, queries: Floats, candidates: Ids | list[Ids], k: int) -> tuple[Floats, Ids]:
        """Return scores and positions `[n, k]` of each query's nearest candidates, best first.

        Parameters
        ----------
        candidates
            int64 `[n, m]`, -1 for none, or as many as there are of each.
        """
        scores = np.empty((len(queries), k), np.float32)
        places = np.empty((len(queries), k), np.int64)

        def choose(part: slice) -> None:
            if isinstance(candidates, np.ndarray):
                scores[part], places[part] = self._best(queries[part], candidates[part], k)
                return
            for row in range(part.start, part.stop):
                one = slice(row, row + 1)
                scores[one], places[one] = self._best(queries[one], candidates[row][None], k)

        in_parts(choose, len(queries))
        return scores, places

    def _best(self, queries: Floats, candidates: Ids, k: int) -> tuple[Floats, Ids]:
        """Return scores and positions `[n, k]` of the nearest candidates, best first.

        Parameters
        ----------
        candidates
            int64 `[n, m]`, -1 for none.
        """
        there = candidates >= 0
        cosines = np.where(there, self._codes.cosines(queries, candidates), -np.inf)
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        there = np.take_along_axis(there, best, axis=1)
        scores = np.where(there, np.take_along_axis(cosines, best, axis=1), -1)
        places = np.where(there, np.take_along_axis(candidates, best, axis=1), -1)
        missing = ((0, 0), (0, k - best.shape[1]))
        return (
            np.pad(scores, missing, constant_values=-1).astype(np.float32),
            np.pad(places, missing, constant_values=-1),
        )

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
