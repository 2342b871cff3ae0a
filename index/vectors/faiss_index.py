"""The index as FAISS keeps it: a flat delta, and beside it a segment where images are many.

A small catalog is searched exactly: all of it lies in the delta. A large one is built into a
segment once (`ivf/`), and what has come since lies in the delta beside it, until there is enough
of that to be merged into the segment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np

from index.errors import IndexDamagedError
from index.records import Floats, Ids
from index.state import CatalogState
from index.vectors.choose import FaissLimits, Plan, choose_plan
from index.vectors.exact_file import ExactFile
from index.vectors.faiss_api import faiss
from index.vectors.files import (
    graph_name,
    read_delta,
    read_graph,
    read_segment,
    segment_name,
    write_delta,
    write_graph,
    write_segment,
)
from index.vectors.flat import Flat
from index.vectors.gathered import GatheredVectors
from index.vectors.graph import LEAST_ARRANGED, NeighbourGraph, build_graph, told
from index.vectors.index import Hits, IndexStatus, Mask, Progress, Source, WasIn, best_of
from index.vectors.ivf.segment import Segment
from index.vectors.manifest import (
    MANIFEST,
    GraphEntry,
    Manifest,
    SegmentEntry,
    may_replace,
    read_manifest,
    saved_status,
    tidy,
    write_manifest,
)
from index.vectors.mask import FaissMask

# A writer may replace manifest and files between the look at the one and at the others.
ATTEMPTS = 5
# So many new images are candidates for each that is promised.
NEW_PER_RESULT = 4


class FaissIndex:
    """A `VectorIndex` whose files lie in a folder.

    Parameters
    ----------
    folder
        Where; it need not exist, but the folder around it.
    dim, dtype
        Length of a vector, and what the catalog stores its components as.
    limits
        When it changes its kind.

    Attributes
    ----------
    state
        As in `VectorIndex`.
    delta
        The vectors that are compared one by one: all of them where there is no segment.
    segment
        The vectors in IVF lists, where there are many. An id is never visible in both.
    graph
        The nearest neighbours of its images, None where it was never arranged.
    """

    def __init__(
        self, folder: Path, dim: int, dtype: str, limits: FaissLimits | None = None
    ) -> None:
        self.state: CatalogState | None = None
        self.delta = Flat.empty(dim, dtype)
        self.segment: Segment | None = None
        self.graph: NeighbourGraph | None = None
        self.limits = limits or FaissLimits()
        self._folder = folder
        self._dim = dim
        self._dtype = dtype
        # What it started from, usable or not: it may replace no other.
        self._opened: Manifest | None = None
        self._from_disk = False

    @property
    def shared(self) -> bool:
        """Its files are never changed."""
        return False

    def moved(self) -> bool:
        """Say that it never changes under who has opened it."""
        return False

    def discard(self) -> None:
        """Remove its files; what another process has mapped stays with that."""
        (self._folder / MANIFEST).unlink(missing_ok=True)
        tidy(self._folder, None)

    def follow(
        self, source: Source, progress: Progress | None = None, *, anew: bool = False
    ) -> None:
        """Do nothing: what is saved of it is replaced, not changed."""

    def open(self) -> bool:
        """Take up the files that the manifest names; return whether they were all whole."""
        manifest = read_manifest(self._folder)
        for _ in range(ATTEMPTS):
            self._opened = manifest
            if manifest is None or self._take_up(manifest):
                return manifest is not None
            manifest = read_manifest(self._folder)
            if manifest == self._opened:
                break
        return False

    def __len__(self) -> int:
        return len(self.delta) + (len(self.segment) if self.segment is not None else 0)

    @property
    def kind(self) -> str:
        """What kind of index it is, for people."""
        exact = f"exact {self.delta.dtype}"
        if self.segment is None:
            return exact
        new = f"; {len(self.delta)} new ones {exact}" if len(self.delta) else ""
        return self.segment.kind + new

    @property
    def recall(self) -> float:
        """Share of the 10 nearest images that a search finds, as measured when it was built."""
        return 1.0 if self.segment is None else self.segment.autotuned.recall

    @property
    def approximate(self) -> bool:
        """Whether scores come from codes that stand for the vectors, and not from these."""
        return self.segment is not None

    @property
    def coarse(self) -> bool:
        """Whether vectors are held on some of their directions only."""
        return self.segment is not None and bool(self.segment.projected_dim)

    @property
    def from_disk(self) -> bool:
        """Whether it was read from files, which a disk may have changed since."""
        return self._from_disk

    @property
    def ids(self) -> Ids:
        """The images that can be found, int64 `[n]`."""
        exact = self.delta.ids
        return exact if self.segment is None else np.concatenate([self.segment.visible_ids, exact])

    def mask(self, ids: Ids) -> FaissMask:
        """Return a mask that lets only these ids be found."""
        ids = np.ascontiguousarray(ids, np.int64)
        segment = None if self.segment is None else self.segment.mask(ids)
        return FaissMask(len(ids), faiss.IDSelectorBatch(ids), segment)

    def search(self, queries: Floats, k: int, mask: Ids | Mask | None = None) -> Hits:
        """Find the nearest images of each query; unit vectors, float32 `[n, dim]`."""
        queries = np.ascontiguousarray(queries, np.float32)
        # A mask that another index made has no selector, and fails here.
        made = self.mask(mask) if isinstance(mask, np.ndarray) else cast("FaissMask | None", mask)
        selector = None if made is None else made.selector
        scores, ids = self.delta.search(queries, k, selector)
        if self.segment is not None:
            allowed = None if made is None else made.segment
            with self._contradictions():
                found = self.segment.search(queries, k, allowed)
            scores, ids = best_of(k, (found[0], scores), (found[1], ids))
        return Hits(np.clip(scores, -1, 1), ids)

    def nearest(self, unit: Floats, k: int) -> tuple[Floats, Ids]:
        """Return cosines and ids `[n, k]` of the nearest images, best first, -1 for none."""
        hits = self.search(unit, k)
        return hits.scores, hits.ids

    def candidates(
        self, query: Floats, count: int, promised: int, mask: Ids | Mask | None = None
    ) -> Ids:
        """Return about the nearest images to a unit vector `[dim]`, int64 `[count]` and more."""
        made = self.mask(mask) if isinstance(mask, np.ndarray) else cast("FaissMask | None", mask)
        segment, few = self.segment, count
        found = np.zeros(0, np.int64)
        if segment is not None:
            with self._contradictions():
                found = segment.candidates(query, count, promised, made.segment if made else None)
            # Those are known exactly, and no neighbour of any other: few of them can rank high.
            few = max(NEW_PER_RESULT * promised, count - len(found))
        if not len(self.delta):
            return found
        few = min(few, len(self.delta))
        _, new = self.delta.search(query[None], few, None if made is None else made.selector)
        return np.concatenate([found, new[0][new[0] >= 0]])

    def gathered(self, ids: Ids) -> GatheredVectors:
        """Read the vectors of images int64 `[n]` once, for several products with them."""
        gathered = GatheredVectors(self.delta, self.segment)
        gathered.take_in(ids)
        return gathered

    def vectors(self, ids: Ids) -> Floats:
        """Return the unit vectors of images, float32 `[n, dim]`, zeros for unknown ones."""
        vectors = np.zeros((len(ids), self._dim), np.float32)
        for part in (self.delta, self.segment):
            if part is not None:
                positions = part.positions_of(ids)
                there = positions >= 0
                vectors[there] = part.vectors(positions[there])
        return vectors

    def add(self, ids: Ids, unit: Floats) -> None:
        """Add unit vectors float32 `[n, dim]` to the delta, under ids that it does not hold."""
        self.delta.add(ids, unit)

    def hide(self, ids: Ids) -> None:
        """Drop images from the delta, and mask them in the segment."""
        ids = np.ascontiguousarray(ids, np.int64)
        if self.graph is not None and len(ids):
            self.graph.forget(ids)
        self.delta.remove(ids)
        if self.segment is not None and len(ids):
            self.segment.hide(ids)

    def build(self, source: Source, progress: Progress | None = None) -> None:
        """Forget everything and take up a source: flat, or as a segment where that is due."""
        # What it held goes first: there is not always room for both.
        self.close()
        self._from_disk = False
        plan, count = self._plan(source), source.count
        if plan.is_exact or count < plan.lists:
            for ids, unit in source.chunks():
                self.delta.add(ids, unit)
            return
        from index.vectors.ivf.build import build_segment, sample_size

        def added(done: int) -> None:
            if progress is not None:
                progress(done, count)

        added(0)
        sample = source.sample(sample_size(plan))
        self.segment = build_segment(plan, sample, source.chunks(), added)

    def settle(self, source: Source, progress: Progress | None = None) -> bool:
        """Build anew what has outgrown its kind, or merge a large delta into the segment."""
        if self._outgrown(source):
            self.build(source, progress)
            return True
        return self._merge_delta()

    def arrange(self, source: Source, progress: Progress | None = None) -> bool:
        """Find the neighbours of all images anew where too much has changed since."""
        count = len(self)
        if count < LEAST_ARRANGED:
            return False
        if self.graph is not None and self.graph.serves(count, self.limits.graph_share):
            return False
        self.graph = build_graph(self, told(source.chunks(), count, progress), source.state)
        return True

    def compact(self, source: Source, progress: Progress | None = None) -> bool:
        """Build anew where positions of the segment are hidden."""
        segment = self.segment
        if segment is None or segment.total == len(segment):
            return False
        graph = self.graph
        self.build(source, progress)
        # The same images under the same ids: their neighbours are what they were.
        self.graph = graph
        return True

    def rewrite(self, source: Source, progress: Progress | None = None) -> bool:
        """Write a delta of all vectors while they are read, where that is all there is to be."""
        manifest = read_manifest(self._folder)
        tidy(self._folder, manifest)
        if manifest is not None and not source.was_in(manifest.state):
            manifest = None
        segment = manifest.segment if manifest else None
        if not self._plan(source).is_exact or (segment and not self._well_below(source)):
            return False
        exact = ExactFile(self._folder, self._dim, self._dtype, self.limits.graph_share)
        exact.bring_in_step(source, manifest, progress)
        return True

    def save(self, state: CatalogState, was_in: WasIn) -> bool:
        """Write a new delta, a segment that is not saved yet, and the manifest that names them."""
        current = read_manifest(self._folder)
        if not may_replace(current, self._opened, state, was_in):
            return False
        try:
            self._folder.mkdir(exist_ok=True)
            segment = self._saved_segment(state)
            hidden = self.segment.hidden if self.segment is not None else np.zeros(0, np.int64)
            graph = self._saved_graph()
            forgotten = np.zeros(0, np.int64) if self.graph is None else self.graph.forgotten
            delta = write_delta(self._folder, self.delta, hidden, forgotten)
            manifest = Manifest(state, len(self), self.kind, self.recall, delta, segment, graph)
            write_manifest(self._folder, manifest)
        except (OSError, RuntimeError, MemoryError):
            # Not `current`: what failed may have come after the new manifest was in place.
            tidy(self._folder, read_manifest(self._folder))
            return False
        self.state, self._opened = state, manifest
        tidy(self._folder, manifest)
        return True

    def status(self) -> IndexStatus:
        """Read the manifest and every file that it names, whole."""
        return saved_status(self._folder)

    def warm_up(self, stopped: Callable[[], bool]) -> None:
        """Read the pages of a mapped segment that searches will need."""
        segment = self.segment
        if segment is not None:
            segment.warm_up(stopped)

    def close(self) -> None:
        """Release everything; a mapping goes with the last reference to it."""
        self.state, self.segment, self.graph = None, None, None
        self.delta = Flat.empty(self._dim, self._dtype)

    @contextmanager
    def _contradictions(self) -> Iterator[None]:
        """Let what FAISS and NumPy say of a damaged segment be said of its file."""
        try:
            yield
        except (IndexError, RuntimeError) as error:
            key = self.segment.key if self.segment is not None else ""
            reason = f"it contradicts itself ({type(error).__name__})"
            path = self._folder / segment_name(key)
            raise IndexDamagedError(path, reason, "It is built anew") from error

    def _take_up(self, manifest: Manifest) -> bool:
        """Open the files of a manifest; return whether they are all whole."""
        self.close()
        self._from_disk = True
        entry = manifest.segment
        segment = read_segment(self._folder, entry) if entry else None
        if entry and (segment is None or segment.inner.d != self._dim):
            return False
        found = read_delta(self._folder, manifest.delta)
        if found is None or (found[0].dim, found[0].dtype) != (self._dim, self._dtype):
            # Without the delta, a segment may still show the state that it was built in.
            self.segment, self.state = segment, entry.state if entry else None
            return False
        self.delta, self.segment, self.state = found[0], segment, manifest.state
        if segment is not None:
            segment.hide_positions(found[1])
        if manifest.graph is None:
            return True
        self.graph = read_graph(self._folder, manifest.graph)
        if self.graph is not None:
            self.graph.forget(found[2])
        return self.graph is not None

    def _plan(self, source: Source) -> Plan:
        limit = self.limits.exact_components
        return choose_plan(source.count, self._dim, self._dtype, source.preference, limit)

    def _well_below(self, source: Source) -> bool:
        """Say whether a segment should go; not back and forth around the threshold."""
        components = source.count * self._dim
        return source.preference.kind == "exact" or 2 * components <= self.limits.exact_components

    def _outgrown(self, source: Source) -> bool:
        segment, plan, limits = self.segment, self._plan(source), self.limits
        if segment is None:
            return not plan.is_exact and source.count >= plan.lists
        if plan.is_exact:
            return self._well_below(source)
        return (
            (segment.refine, segment.projected_dim) != (plan.refine, plan.projected_dim)
            or len(self) > limits.growth * segment.trained_on
            or segment.total - len(segment) > limits.hidden_share * segment.total
        )

    def _merge_delta(self) -> bool:
        """Merge the delta into the segment, if it is large; return whether it was."""
        segment, limits = self.segment, self.limits
        if segment is None or len(self.delta) <= max(
            limits.delta, limits.delta_share * segment.total
        ):
            return False
        from index.vectors.ivf.build import extend_segment

        # A mapped segment cannot be added to.
        entry = self._saved_entry()
        owned = read_segment(self._folder, entry, mapped=False) if entry else None
        if owned is None:
            return False
        owned.hide_positions(segment.hidden)
        self.segment = extend_segment(owned, self.delta.blocks())
        self.delta = Flat.empty(self._dim, self._dtype)
        return True

    def _saved_entry(self) -> SegmentEntry | None:
        """Return the manifest's entry of the segment that it holds, None where it is new."""
        entry = self._opened.segment if self._opened is not None else None
        if entry is None or self.segment is None:
            return None
        return entry if entry.file.name == segment_name(self.segment.key) else None

    def _saved_graph(self) -> GraphEntry | None:
        """Return the manifest's entry of the graph, which is written where it is new."""
        if self.graph is None:
            return None
        entry = self._opened.graph if self._opened is not None else None
        saved = entry is not None and entry.file.name == graph_name(self.graph.key)
        if entry is not None and saved and entry.file.is_unchanged(self._folder):
            return entry
        return write_graph(self._folder, self.graph)

    def _saved_segment(self, state: CatalogState) -> SegmentEntry | None:
        if self.segment is None:
            return None
        entry = self._saved_entry()
        if entry is not None and entry.file.is_unchanged(self._folder):
            return entry
        # By itself it would not show what lies beside it: then it shows no state at all.
        return write_segment(self._folder, self.segment, None if len(self.delta) else state)
