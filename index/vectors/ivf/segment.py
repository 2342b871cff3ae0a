"""The segment: very many vectors in IVF lists of short codes, whose best candidates are reranked.

A query is rotated, projected onto the main directions and compared with the centroids of the
lists; in the lists that it probes every vector's short code is scanned (`probe.py`), and the
best of these are reranked by codes of 8 bits a component (`rerank.py`). How many lists to probe
and how many candidates to rerank was measured when it was built (`autotune.py`).

What is built never changes, so the file can be mapped; images that were removed are masked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from secrets import token_hex
from typing import Any

import numpy as np

from index.records import Floats, Ids
from index.vectors.faiss_api import faiss
from index.vectors.graph import first_of_all
from index.vectors.ivf.autotune import Autotuned
from index.vectors.ivf.probe import MAX_MARGIN, InvertedLists
from index.vectors.ivf.projection import Projection
from index.vectors.ivf.rerank import Codes
from index.vectors.ivf.rotation import Rotation
from index.vectors.mask import SegmentMask


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """When a segment is searched in which way.

    Attributes
    ----------
    few
        So few allowed images are reranked one by one: sooner done than probing lists.
    sparse
        Where only one of so many is allowed, those in the probed lists are reranked one by one:
        that takes some 0.4 us each, and to scan the short codes of all others 0.013 us each.
    candidates_per_result
        However many are asked for, so many times more are reranked.
    queries_at_once
        So many queries at a time: their lists and candidates take memory.
    """

    few: int = 1000
    sparse: int = 32
    candidates_per_result: int = 8
    queries_at_once: int = 256


@dataclass(frozen=True, slots=True)
class _Effort:
    """What a search spends: its probe margin, and how many it probes and reranks at most."""

    margin: float
    lists: int
    candidates: int


class Segment:
    """Vectors under the ids of their images, in IVF lists built once.

    Invariants, held by tests against exact search:

    1. of `k` allowed images that exist, `k` are found, whatever the lists hold;
    2. what is hidden or not allowed is never found;
    3. recall is what `autotuned` says.

    Parameters
    ----------
    inner
        `faiss.IndexRefine` of rotated vectors: a refinement over a projection over IVF lists. Or
        `faiss.IndexPreTransform`: a projection over such an index of projected vectors. It keeps
        and stores the codes; its own search, which probes a fixed number of lists, is not used.
    ids
        The image at each position, int64 `[total]`. Of an id that stands there twice the later
        position counts.
    inverse_lengths
        What the product with a refined code must be multiplied with to be a cosine: one over the
        length of the vector that the code stands for, float32 `[total]`; times the length that a
        projection has left of it.
    autotuned
        How many lists to probe and candidates to rerank.
    trained_on
        How many images there were when the centroids were chosen.
    hidden
        Positions of images that are gone, int64.
    key
        128 bits as hex that tell this segment from every other; drawn where it is None.
    limits
        When it is searched in which way.

    Attributes
    ----------
    codes
        What candidates are reranked by.
    transform
        What vectors went through before they were coded.
    projected_dim
        How many directions that left of them, 0 for all.
    refined
        The `faiss.IndexRefine`.
    """

    def __init__(
        self,
        inner: Any,
        ids: Ids,
        inverse_lengths: Floats,
        autotuned: Autotuned,
        trained_on: int,
        hidden: Ids | None = None,
        key: str | None = None,
        limits: SearchLimits | None = None,
    ) -> None:
        self.key = key or token_hex(16)
        self.inner = inner
        self.ids = ids
        self.inverse_lengths = inverse_lengths
        self.autotuned = autotuned
        self.trained_on = trained_on
        self.limits = limits or SearchLimits()
        self.transform: Rotation | Projection = Rotation(int(inner.d))
        self.refined, self.projected_dim = inner, 0
        if isinstance(inner, faiss.IndexPreTransform):
            self.transform = Projection(faiss.downcast_VectorTransform(inner.chain.at(0)))
            self.refined, self.projected_dim = (
                faiss.downcast_index(inner.index),
                self.transform.projected_dim,
            )
        self._lists = InvertedLists(faiss.downcast_index(self.refined.base_index))
        self.codes = Codes(faiss.downcast_index(self.refined.refine_index), inverse_lengths)
        self._shown = np.ones(len(ids), np.bool_)
        if hidden is not None:
            self._shown[hidden] = False
        self._visible = SegmentMask.of(self._shown)

    def __len__(self) -> int:
        return self._visible.count

    @property
    def total(self) -> int:
        """How many positions there are, hidden ones included."""
        return len(self.ids)

    @property
    def refine(self) -> str:
        """The codes that candidates are reranked by: `SQ8`, ..."""
        return f"SQ{self.codes.bits}"

    @property
    def kind(self) -> str:
        """What it is, for people: `IVF2048, PQ256x4fs, SQ8`, or `PCA256, IVF2048, ...`."""
        projected = f"PCA{self.projected_dim}, " if self.projected_dim else ""
        return f"{projected}{self._lists.name}, {self.refine}"

    @property
    def hidden(self) -> Ids:
        """Positions that are masked, int64."""
        return np.flatnonzero(~self._shown).astype(np.int64)

    @property
    def visible_ids(self) -> Ids:
        """The ids that can be found, int64."""
        return np.asarray(self.ids[self._shown], np.int64)

    def hide(self, ids: Ids) -> None:
        """Mask images; those it does not hold are nothing to mask."""
        positions = self.positions_of(ids)
        self.hide_positions(positions[positions >= 0])

    def hide_positions(self, positions: Ids) -> None:
        """Mask positions, int64."""
        if len(positions):
            self._shown[positions] = False
            self._visible = SegmentMask.of(self._shown)

    def mask(self, ids: Ids) -> SegmentMask:
        """Return the mask that lets only these images be found, hidden ones left out."""
        allowed = np.zeros(self.total, np.bool_)
        positions = self.positions_of(ids)
        allowed[positions[positions >= 0]] = True
        mask = SegmentMask.of(allowed)
        if self.limits.few < mask.count <= self.total // self.limits.sparse:
            return mask.grouped(self._lists.list_of, len(self._lists))
        return mask

    def search(
        self, queries: Floats, k: int, mask: SegmentMask | None = None
    ) -> tuple[Floats, Ids]:
        """Return scores float32 and ids int64 `[n, k]`, best first; -1 where there is nothing.

        Parameters
        ----------
        queries
            Unit vectors, float32 `[n, dim]`.
        """
        scores, positions = self.search_positions(queries, k, mask or self._visible)
        ids = np.where(positions >= 0, np.asarray(self.ids)[positions], -1)
        return scores, ids

    def search_positions(
        self,
        queries: Floats,
        k: int,
        mask: SegmentMask,
        margin: float | None = None,
        candidates: int | None = None,
    ) -> tuple[Floats, Ids]:
        """Return scores and positions `[n, k]`; margin and candidates can be dictated."""
        scores = np.full((len(queries), k), -1, np.float32)
        positions = np.full((len(queries), k), -1, np.int64)
        wanted = min(k, mask.count)
        if not wanted:
            return scores, positions
        limits = self.limits
        rotated = self.transform(queries)
        one_by_one = mask.count <= limits.few and margin is None
        few = np.flatnonzero(mask.allowed) if one_by_one else None
        effort = self._effort(wanted, mask, margin, candidates)

        for start in range(0, len(queries), limits.queries_at_once):
            some = slice(start, start + limits.queries_at_once)
            answer = scores[some, :wanted], positions[some, :wanted]
            if few is not None:
                all_few = np.broadcast_to(few, (len(rotated[some]), len(few)))
                answer[0][:], answer[1][:] = self.codes.rerank(rotated[some], all_few, wanted)
            else:
                self._probe_until_found(rotated[some], mask, effort, answer)
        return scores, positions

    def candidates(
        self, query: Floats, count: int, promised: int, mask: SegmentMask | None = None
    ) -> Ids:
        """Return about the nearest images to a unit vector `[dim]`, by short codes, best first.

        What a search for the nearest `promised` reranks is among them. They are as many at least,
        and `count` where the lists that it probes hold so many.
        """
        mask = mask or self._visible
        wanted = min(count, mask.count)
        if mask.count > self.limits.few and mask.by_list is None:
            effort = self._effort(min(promised, wanted), mask)
            effort = replace(effort, candidates=min(max(count, effort.candidates), mask.count))
            projected = self._lists.project(self.transform(query[None]))
            probes = self._lists.probe(projected, effort.margin, effort.lists)
            found = self._lists.scan(projected, probes, effort.candidates, mask.selector)[0]
            found = found[found >= 0]
            if len(found) >= min(promised, wanted):
                return np.asarray(self.ids[found], np.int64)
        found = self.search(query[None], wanted, mask)[1][0]
        return np.asarray(found[found >= 0], np.int64)

    def lists_probed(self, queries: Floats, margin: float) -> float:
        """Return how many lists each of these queries would probe, on average."""
        probes = self._lists.probe(self._lists.project(self.transform(queries)), margin)
        return int((probes.lists >= 0).sum()) / max(1, len(queries))

    def margins_needed(self, queries: Floats, positions: Ids) -> Floats:
        """Return the margin with which a query probes the list of each position, `[n, depth]`."""
        projected = self._lists.project(self.transform(queries))
        return self._lists.margins_needed(projected, positions)

    def warm_up(self, stopped: Callable[[], bool]) -> None:
        """Read all that searches will, so that none of them waits for the disk.

        Parameters
        ----------
        stopped
            Is asked from time to time whether to give up.
        """
        self.codes.warm_up(stopped)
        if not stopped():
            np.asarray(self.inverse_lengths).max(initial=0)

    def _effort(
        self,
        wanted: int,
        mask: SegmentMask,
        margin: float | None = None,
        candidates: int | None = None,
    ) -> _Effort:
        """Return what a search for the nearest `wanted` spends; some of it can be dictated."""
        # Of every image only some are allowed: the nearest of those lie as deep as this.
        depth = wanted * self.total / mask.count
        margin = margin or self.autotuned.margin(depth)
        candidates = candidates or self.autotuned.candidates_among(mask.count / self.total)
        extra = max(self.limits.candidates_per_result * wanted, candidates)
        reranked = min(wanted + extra, mask.count)
        return _Effort(margin, self._lists.most_probes(depth), reranked)

    def _probe_until_found(
        self, rotated: Floats, mask: SegmentMask, effort: _Effort, answer: tuple[Floats, Ids]
    ) -> None:
        """Fill `answer`; where lists hold too few that are allowed, probe more of them."""
        scores, positions = answer
        short = np.arange(len(rotated))
        while len(short):
            self._probe(rotated, mask, effort, answer, short)
            short = short[positions[short, -1] < 0]
            if effort.margin >= MAX_MARGIN:
                break
            wider = min(2 * effort.margin, MAX_MARGIN)
            effort = replace(effort, margin=wider, lists=len(self._lists))
        for row in short:
            # Without any direction: FAISS cannot scale such a query's tables, and finds nothing.
            allowed = np.flatnonzero(mask.allowed)
            one = slice(row, row + 1)
            best = self.codes.rerank(rotated[one], allowed[None], scores.shape[1])
            scores[one], positions[one] = best

    def _probe(
        self,
        rotated: Floats,
        mask: SegmentMask,
        effort: _Effort,
        answer: tuple[Floats, Ids],
        rows: Ids,
    ) -> None:
        """Fill these rows of `answer` with what the lists that they probe hold."""
        scores, positions = answer
        queries = rotated[rows]
        projected = self._lists.project(queries)
        probes = self._lists.probe(projected, effort.margin, effort.lists)
        found: Ids | list[Ids]
        if mask.by_list is None:
            found = self._lists.scan(projected, probes, effort.candidates, mask.selector)
        else:
            found = [mask.by_list.positions_in(probes.of(query)) for query in range(len(rows))]
        scores[rows], positions[rows] = self.codes.rerank(queries, found, scores.shape[1])

    def positions_of(self, ids: Ids) -> Ids:
        """Return the visible position of each image, int64 `[n]`, -1 where it has none."""
        ascending, order, first = self._ordered
        if not len(ascending):
            return np.full(len(ids), -1, np.int64)
        if first is None:
            found = np.searchsorted(ascending, ids, side="right") - 1
        else:
            found = np.clip(ids - first, 0, len(ascending) - 1)
        positions = found if order is None else order[found]
        visible = (ascending[found] == ids) & self._shown[positions]
        return np.where(visible, positions, -1)

    def vectors(self, positions: Ids) -> Floats:
        """Return the unit vectors that the codes at positions stand for, float32 `[n, dim]`."""
        return self.transform.back(self.codes.vectors(positions))

    @cached_property
    def _ordered(self) -> tuple[Ids, Ids | None, int | None]:
        """The ids in ascending order, their positions where they do not stand so, and the first.

        The first is None where ids have gaps, or stand there twice.
        """
        if np.all(np.diff(self.ids) > 0):
            return self.ids, None, first_of_all(self.ids)
        # Images were added later.
        order = np.argsort(self.ids, kind="stable")
        return np.asarray(self.ids[order]), order, None
