"""The index as Milvus keeps it, and over it what has changed in the catalog since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np

from index.errors import IndexMovedError, StoreLockedError, VectorStoreError
from index.records import Floats, Ids
from index.state import CatalogState
from index.vector_address import LITE, VectorAddress
from index.vectors.choose import EXACT_COMPONENTS
from index.vectors.faiss_api import faiss
from index.vectors.flat import Flat
from index.vectors.graph import LEAST_ARRANGED, NeighbourGraph, build_graph, told
from index.vectors.index import (
    Hits,
    IndexStatus,
    Mask,
    Progress,
    Source,
    VisibleImages,
    WasIn,
    best_of,
)
from index.vectors.milvus.collection import Collection
from index.vectors.milvus.conditions import AskLimits, MilvusMask
from index.vectors.milvus.connection import Connection, is_missing
from index.vectors.milvus.gathered import CatalogVectors, vectors_of
from index.vectors.milvus.graph_file import GraphFile, all_rows
from index.vectors.milvus.kinds import KINDS
from index.vectors.milvus.search import CollectionSearch, nothing
from index.vectors.milvus.stamp import Stamp
from index.vectors.milvus.sync import CollectionSync

# The neighbours of all images are found anew when so many are new, changed or gone.
GRAPH_SHARE = 0.1
_NOTHING: Ids = np.zeros(0, np.int64)


class MilvusIndex:
    """A `VectorIndex` in a collection of Milvus.

    Parameters
    ----------
    address, name
        Where the collection is, and what it is called.
    dim, dtype
        Length of a vector, and what the catalog stores its components as.
    folder
        Where the neighbours of all images are kept on this machine.
    images
        Those of the catalog, whose vectors are computed with.
    limits
        How much is asked at once.

    Attributes
    ----------
    state, graph
        As in `VectorIndex`.
    """

    def __init__(
        self,
        address: VectorAddress,
        name: str,
        dim: int,
        dtype: str,
        folder: Path,
        images: VisibleImages,
        limits: AskLimits | None = None,
    ) -> None:
        self.state: CatalogState | None = None
        self.graph: NeighbourGraph | None = None
        self._connection = Connection(address)
        self._collection = Collection(self._connection, name, dim, dtype)
        self._dim, self._dtype = dim, dtype
        self._graph_file = GraphFile(folder)
        self._images = images
        self._limits = limits or AskLimits()
        self._stamp: Stamp | None = None
        # What lies over the collection: images whose rows do not count, and vectors that do.
        self._hidden = _NOTHING
        self._delta = Flat.empty(dim, dtype)
        self._all: Ids | None = None

    @property
    def shared(self) -> bool:
        """The collection is shared by all who use the catalog."""
        return True

    @property
    def approximate(self) -> bool:
        """Whoever may write to a server may change a vector there: scores are the catalog's."""
        return True

    @property
    def coarse(self) -> bool:
        """Vectors are held whole."""
        return False

    @property
    def from_disk(self) -> bool:
        """The collection may have been changed by others."""
        return True

    def open(self) -> bool:
        """Read the stamp; return whether the collection can be used.

        Raises
        ------
        VectorStoreError
            The address cannot be reached, or refuses.
        """
        self.state = None
        stamp, count = self._collection.counted_stamp()
        self._stamp = stamp
        if stamp is None or stamp.base is None or stamp.kind not in KINDS:
            return False
        if stamp.target is None and count != stamp.count:
            return False
        if stamp.target is not None and not self._images.was_in(stamp.target):
            return False
        self.state = stamp.base
        self.graph = self._graph_file.read(self._images)
        return True

    def moved(self) -> bool:
        """Say whether the stamp is another one."""
        return self._collection.stamp() != self._stamp

    def __len__(self) -> int:
        if self._stamp is None:
            return 0
        overlaid = len(self._hidden) or len(self._delta)
        return self._images.count() if overlaid else self._stamp.count

    @property
    def ids(self) -> Ids:
        """The images that can be found, int64 `[n]`, ascending."""
        if self._all is None:
            self._all = self._images.ids()
        return self._all

    def mask(self, ids: Ids) -> MilvusMask:
        """Return a mask that lets only these ids be found."""
        return MilvusMask(np.unique(np.asarray(ids, np.int64)), len(ids))

    def search(self, queries: Floats, k: int, mask: Ids | Mask | None = None) -> Hits:
        """Find the nearest images of each query; unit vectors, float32 `[n, dim]`."""
        queries = np.ascontiguousarray(queries, np.float32)
        made = self.mask(mask) if isinstance(mask, np.ndarray) else cast("MilvusMask | None", mask)
        at_once = max(1, min(self._limits.queries, self._limits.answers // max(1, k)))
        parts = [
            self._searched(queries[start : start + at_once], k, made)
            for start in range(0, len(queries), at_once)
        ]
        scores, ids = map(np.concatenate, zip(*parts, strict=True))
        if len(self._delta):
            selector = None if made is None else faiss.IDSelectorBatch(made.ids)
            new = self._delta.search(queries, k, selector)
            scores, ids = best_of(k, (scores, new[0]), (ids, new[1]))
        return Hits(np.clip(scores, -1, 1), ids)

    def nearest(self, unit: Floats, k: int) -> tuple[Floats, Ids]:
        """Return cosines and ids `[n, k]` of the nearest images, best first, -1 for none."""
        hits = self.search(unit, k)
        return hits.scores, hits.ids

    def candidates(
        self, query: Floats, count: int, promised: int, mask: Ids | Mask | None = None
    ) -> Ids:
        """Return about the nearest images to a unit vector `[dim]`, int64 `[count]`."""
        [ids] = self.search(query[None], max(count, promised), mask).ids
        return np.asarray(ids[ids >= 0])

    def gathered(self, ids: Ids) -> CatalogVectors:
        """Read the vectors of images int64 `[n]` once, for several products with them."""
        gathered = CatalogVectors(self._images, self._dim)
        gathered.take_in(ids)
        return gathered

    def vectors(self, ids: Ids) -> Floats:
        """Return the unit vectors of images, float32 `[n, dim]`, zeros for unknown ones."""
        return vectors_of(self._images, ids, self._dim)[0]

    def add(self, ids: Ids, unit: Floats) -> None:
        """Lay unit vectors float32 `[n, dim]` over the collection."""
        self._all = None
        self._hidden = np.union1d(self._hidden, ids)
        self._delta.add(np.ascontiguousarray(ids, np.int64), unit)

    def hide(self, ids: Ids) -> None:
        """Let the rows of images count no more, nor what was laid over them."""
        self._all = None
        self._hidden = np.union1d(self._hidden, ids)
        self._delta.remove(np.ascontiguousarray(ids, np.int64))
        if self.graph is not None and len(ids):
            self.graph.forget(ids)

    def build(self, source: Source, progress: Progress | None = None) -> None:
        """Refuse: the collection is filled under the lock of shared vectors, by `follow`.

        Raises
        ------
        StoreLockedError
            Always: who comes here has not got the lock.
        """
        raise StoreLockedError(
            self._connection.address.name,
            "the vectors there do not show this catalog yet, and cannot be changed from here "
            "(another process does it, or the store may only be read)",
            "Try again in a while, or run `engine index FOLDER` where the store can be written",
        )

    def settle(self, source: Source, progress: Progress | None = None) -> bool:
        """Do nothing: Milvus keeps its index in order itself."""
        return False

    def compact(self, source: Source, progress: Progress | None = None) -> bool:
        """Do nothing: Milvus gives back the room of deleted rows itself."""
        return False

    def arrange(self, source: Source, progress: Progress | None = None) -> bool:
        """Find the neighbours of all images anew where too much has changed since."""
        count = source.count
        if count < LEAST_ARRANGED:
            return False
        if self.graph is not None and self.graph.serves(count, GRAPH_SHARE):
            return False
        if count * self._dim <= EXACT_COMPONENTS:
            # Of so few the catalog's vectors are compared sooner than a server is asked.
            with all_rows(source, self._dim, self._dtype) as rows:
                chunks = told(rows.chunks(), count, progress)
                self.graph = build_graph(rows, chunks, source.state)
        else:
            self.graph = build_graph(self, told(source.chunks(), count, progress), source.state)
        self._graph_file.save(self.graph)
        return True

    def follow(
        self, source: Source, progress: Progress | None = None, *, anew: bool = False
    ) -> None:
        """Bring the collection in step with a source, or fill it anew."""
        self._stamp = CollectionSync(self._collection, source, progress).run(anew=anew)
        self.state = self._stamp.base
        self._hidden, self._delta, self._all = _NOTHING, Flat.empty(self._dim, self._dtype), None
        self.graph = self._graph_file.read(self._images)

    def rewrite(self, source: Source, progress: Progress | None = None) -> bool:
        """Bring the collection in step, and find the neighbours of all where that is due."""
        self.follow(source, progress)
        self.arrange(source, progress)
        return True

    def save(self, state: CatalogState, was_in: WasIn) -> bool:
        """Do nothing: what lies over the collection gets into it by `follow`."""
        return False

    def discard(self) -> None:
        """Remove the collection, and the neighbours on this machine."""
        self._graph_file.discard()
        self._collection.drop()

    def status(self) -> IndexStatus:
        """Ask for the stamp and the number of rows; an address out of reach is told, not raised."""
        try:
            return self._status()
        except VectorStoreError as error:
            return IndexStatus(None, "out of reach", problem=str(error))
        finally:
            self._connection.close()

    def _status(self) -> IndexStatus:
        stamp, count = self._collection.counted_stamp()
        if stamp is None:
            return IndexStatus(None, "missing")
        if stamp.base is None:
            return IndexStatus(None, "filled in part")
        if stamp.target is None and count != stamp.count:
            return IndexStatus(None, "damaged")
        address = self._connection.address
        kind = f"Milvus{' Lite' if self._collection.is_lite else ''} {stamp.kind}"
        kind += f" {self._collection.components}"
        size = self._graph_file.size() + (
            _size_of(Path(address.uri)) if address.kind == LITE else 0
        )
        return IndexStatus(stamp.base, "", stamp.count, kind, stamp.recall, size)

    def warm_up(self, stopped: Callable[[], bool]) -> None:
        """Do nothing: Milvus has loaded the collection."""

    def close(self) -> None:
        """Give back the connection; a file of Milvus Lite may then be opened by others."""
        self.state = self.graph = self._stamp = self._all = None
        self._hidden, self._delta = _NOTHING, Flat.empty(self._dim, self._dtype)
        self._connection.close()

    def _searched(self, queries: Floats, k: int, mask: MilvusMask | None) -> tuple[Floats, Ids]:
        """Return scores and ids `[n, k]` of what the collection holds; what is hidden is not."""
        if self._stamp is None:
            return nothing(len(queries), k)
        asked = CollectionSearch(
            self._collection,
            self._stamp,
            self._hidden,
            lambda: self.ids,
            self._images,
            self._limits,
        )
        try:
            return asked.nearest(queries, k, mask)
        except VectorStoreError as error:
            if is_missing(error):
                address = self._connection.address.name
                reason = "the vectors were removed, or are being filled in anew"
                raise IndexMovedError(address, reason, "Try again in a while") from error
            raise


def _size_of(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files)
