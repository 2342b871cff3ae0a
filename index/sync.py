"""Keeping the index in step with the catalog, through the protocol of `index/vectors/index.py`.

What is saved of an index is derived: it may be missing, stale, damaged, or of another history of
the catalog, and nothing is lost. At open it catches up from SQL, or is built anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Connection, func, select

from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Image
from index.catalog.tables.index_source import IndexSource, changed_since
from index.catalog.tables.settings import read_preference, read_state, was_in
from index.records import Floats, Ids, Rows
from index.state import CatalogState, Preference
from index.vector_address import FAISS, LITE, MILVUS, VectorAddress
from index.vectors.index import IndexStatus, Progress, VectorIndex

# So many damaged images are named.
NAMED = 10
# Vectors for which no index of codes does better are no embeddings of pictures.
LEAST_RECALL = 0.9


@dataclass(frozen=True, slots=True)
class CatchUpLimits:
    """How much may have changed before it costs less to build an index anew.

    Attributes
    ----------
    images, share
        So many changed images, or this share of all.
    """

    images: int = 4096
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class OpenedIndex:
    """An index in step with its catalog.

    Attributes
    ----------
    state
        The state of the catalog that it shows; a writer may have gone on since.
    origin
        What it took: `current`, `caught up`, `settled` or `rebuilt`.
    damaged
        Images that were left out, because their stored embedding is not as it was stored.
    was_damaged
        Whether what was saved is damaged, so that it was built anew.
    """

    vectors: VectorIndex
    state: CatalogState
    origin: str
    damaged: frozenset[int] = frozenset()
    was_damaged: bool = False


@dataclass(frozen=True, slots=True)
class CheckedIndex:
    """What is saved of an index, held against its catalog.

    Attributes
    ----------
    saved
        What is saved.
    state
        For people: `current`, or why not and what will be done about it.
    problems
        What is wrong, a sentence each.
    """

    saved: IndexStatus
    state: str
    problems: list[str]


def vectors_of(catalog: Catalog, folder: Path, address: VectorAddress | None = None) -> VectorIndex:
    """Return the index of a catalog, not opened yet.

    Parameters
    ----------
    folder
        Where its files lie on this machine.
    address
        Where the vectors are kept, None for what the catalog remembers. Another vector store has a
        row in `VECTOR_STORES`.
    """
    address = address or catalog.vectors()
    return VECTOR_STORES[address.kind](catalog, folder, address)


def _in_files(catalog: Catalog, folder: Path, address: VectorAddress) -> VectorIndex:
    from index.vectors.faiss_index import FaissIndex

    return FaissIndex(folder, catalog.identity.dim, catalog.identity.dtype)


def _in_milvus(catalog: Catalog, folder: Path, address: VectorAddress) -> VectorIndex:
    from hashlib import sha256

    from index.vectors.milvus.milvus_index import MilvusIndex

    # A copy of a catalog has its id, but lies elsewhere.
    own = f"{catalog.state().catalog} {catalog.database.location()}"
    name = f"engine_{sha256(own.encode()).hexdigest()[:32]}"
    graph_folder, images = folder / "milvus", catalog.visible_images
    return MilvusIndex(
        address, name, catalog.identity.dim, catalog.identity.dtype, graph_folder, images
    )


VECTOR_STORES: Mapping[str, Callable[[Catalog, Path, VectorAddress], VectorIndex]] = {
    FAISS: _in_files,
    MILVUS: _in_milvus,
    LITE: _in_milvus,
}


def open_index(
    catalog: Catalog,
    vectors: VectorIndex,
    *,
    settle: bool = False,
    anew: bool = False,
    progress: Progress | None = None,
    before_build: Callable[[], None] | None = None,
    limits: CatchUpLimits | None = None,
) -> OpenedIndex:
    """Open an index and bring it in step with the catalog, whatever is saved of it.

    What is saved stays as it is; `save_index` replaces it, under the store's writer lock.

    Parameters
    ----------
    vectors
        Not opened yet.
    settle
        Reorganise it where that is due; for one who will save it.
    anew
        Build it anew, whatever is saved: it has turned out to be damaged.
    progress
        Is told how many images of how many a long build has added.
    before_build
        Is called before it is built anew; what it raises comes out.
    """
    # Before the catalog's state is read: what is saved is never ahead of it then.
    whole = vectors.open()
    # What the index asks of the catalog itself is of the same transaction.
    with catalog.database.snapshot(), catalog.database.reading() as connection:
        source = _Snapshot(catalog, connection)
        origin = None if anew else _caught_up(vectors, source, limits or CatchUpLimits())
        if origin is None:
            if before_build is not None:
                before_build()
            vectors.build(source, progress)
            origin = "rebuilt"
        elif settle and vectors.settle(source, progress):
            origin = "settled"
        elif not whole:
            origin = "caught up"
        if settle and vectors.arrange(source, progress) and origin == "current":
            origin = "settled"
        # What is missing, or was made by an earlier release, is nothing to be told of.
        was_damaged = not whole and origin == "rebuilt" and vectors.status().note == "damaged"
        return OpenedIndex(vectors, source.state, origin, source.damaged, was_damaged or anew)


def arrange_index(opened: OpenedIndex, catalog: Catalog, progress: Progress | None = None) -> bool:
    """Find the neighbours of all images where that is due; return whether that was done.

    For one who will save it. `open_index` with `settle` has done so.
    """
    with catalog.database.reading() as connection:
        source = _Snapshot(catalog, connection)
        return opened.state == source.state and opened.vectors.arrange(source, progress)


def save_index(opened: OpenedIndex, catalog: Catalog) -> bool:
    """Save an index; return whether that was done. For the holder of the store's writer lock.

    It is not done where it would undo what another process has saved since it was opened, nor
    where the catalog has left the state that it shows. A disk that is full costs only time at the
    next start, so it is no error here.
    """
    with catalog.database.reading() as connection:
        return opened.vectors.save(opened.state, _Snapshot(catalog, connection).was_in)


def settle_index(
    catalog: Catalog, vectors: VectorIndex, progress: Progress | None = None
) -> OpenedIndex | None:
    """Bring what is saved in step with the catalog; for the holder of the store's writer lock.

    An exact index is not even opened for that: it is written while the catalog is read, in memory
    that does not grow with the number of images. To read them all takes no longer than to read,
    change and write the file. As with `save_index`, a disk that is full is no error.

    Returns
    -------
    OpenedIndex | None
        The index where it was opened; else None.
    """
    with catalog.database.snapshot(), catalog.database.reading() as connection:
        if _rewritten(vectors, _Snapshot(catalog, connection), progress):
            return None
    opened = open_index(catalog, vectors, settle=True, progress=progress)
    if opened.origin != "current":
        save_index(opened, catalog)
    return opened


def follow_catalog(
    catalog: Catalog,
    vectors: VectorIndex,
    progress: Progress | None = None,
    *,
    anew: bool = False,
) -> None:
    """Bring what is saved in step where all share it; for who holds the lock of shared vectors.

    Parameters
    ----------
    vectors
        Not opened.
    anew
        Fill it anew, whatever is saved: it has turned out to be damaged.
    """
    with catalog.database.snapshot(), catalog.database.reading() as connection:
        vectors.follow(_Snapshot(catalog, connection), progress, anew=anew)


def compact_index(
    catalog: Catalog, vectors: VectorIndex, progress: Progress | None = None
) -> OpenedIndex | None:
    """As `settle_index`, and leave nothing in the files of images that cannot be found."""
    opened = settle_index(catalog, vectors, progress)
    if opened is None:
        return None
    with catalog.database.reading() as connection:
        source = _Snapshot(catalog, connection)
        compacted = opened.state == source.state and vectors.compact(source, progress)
    if compacted:
        save_index(opened, catalog)
    return opened


def check_index(catalog: Catalog, vectors: VectorIndex) -> CheckedIndex:
    """Read everything that is saved of an index, whole, and hold it against the catalog.

    Parameters
    ----------
    vectors
        Not opened; nothing is changed.
    """
    # Before the catalog's state is read, as in `open_index`.
    saved = vectors.status()
    problems = [f"{name} is damaged; delete it, and it is built anew" for name in saved.damaged]
    problems += [saved.problem] if saved.problem else []
    damaged = catalog.embeddings.damaged()
    problems += damage_told(catalog, damaged)
    with catalog.database.reading() as connection:
        source = _Snapshot(catalog, connection)
        if saved.kind and saved.recall < LEAST_RECALL and source.preference.memory is None:
            problems.append(
                f"the index finds {saved.recall:.0%} of the nearest images, where at least 99 % "
                "are promised; `engine index FOLDER --verify` looks for damaged embeddings"
            )
        if saved.problem:
            return CheckedIndex(saved, saved.note, problems)
        if saved.note:
            return CheckedIndex(saved, f"{saved.note} (will be rebuilt)", problems)
        if saved.state == source.state:
            if not source.count - len(damaged) <= saved.count <= source.count:
                problems.append(f"the index shows {saved.count} of {source.count} images")
            return CheckedIndex(saved, "current", problems)
        if saved.state is not None and source.was_in(saved.state):
            return CheckedIndex(saved, "stale (will catch up)", problems)
    problems.append(
        "the index shows images of another state of this catalog; the next search builds it anew"
    )
    return CheckedIndex(saved, "of another history (will be rebuilt)", problems)


def damage_told(catalog: Catalog, damaged: Collection[int]) -> list[str]:
    """Return a sentence about images whose stored embedding is damaged, none where none is."""
    if not damaged:
        return []
    rows = catalog.images.rows(sorted(damaged)[:NAMED]).values()
    more = f" and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    return [
        f"damaged in the catalog: the stored embeddings of {', '.join(row.path for row in rows)}"
        f"{more}; `engine index FOLDER --verify` on their folders makes them again"
    ]


class _Snapshot:
    """A `Source`: the visible embeddings of a catalog, as one transaction shows them."""

    def __init__(self, catalog: Catalog, connection: Connection) -> None:
        self._catalog = catalog
        self._connection = connection
        self._read: IndexSource | None = None

    @property
    def _embeddings(self) -> IndexSource:
        # What is saved is nearly always current, and then none is read.
        if self._read is None:
            dtype, checked = self._catalog.identity.dtype, self._catalog.database.has_checksums
            self._read = IndexSource(self._connection, dtype, checked=checked)
        return self._read

    @cached_property
    def state(self) -> CatalogState:
        return read_state(self._connection)

    @property
    def count(self) -> int:
        return self._visible - len(self.damaged)

    @property
    def damaged(self) -> frozenset[int]:
        """Images that were left out so far, their embedding not being as it was stored."""
        return frozenset(self._read.damage.ids) if self._read else frozenset()

    @cached_property
    def _visible(self) -> int:
        return self._embeddings.count()

    @cached_property
    def preference(self) -> Preference:
        return read_preference(self._connection)

    def was_in(self, state: CatalogState) -> bool:
        return was_in(self._connection, state)

    def chunks(self, since: int | None = None) -> Iterator[tuple[Ids, Floats]]:
        """Yield ids and unit vectors, only of images that changed after a generation if given."""
        for ids, vectors in self._embeddings.chunks(since):
            yield ids, vectors.unit

    def sample(self, size: int) -> tuple[Ids, Floats]:
        return self._embeddings.sample(size)

    def rows(self) -> Iterator[Rows]:
        return self._embeddings.rows()

    def count_changed(self, since: int) -> int:
        """Return how many images have changed after a generation."""
        query = select(func.count()).select_from(Image).where(Image.generation > since)
        return int(self._connection.execute(query).scalar_one())

    def changed(self, since: int) -> Ids:
        """Return the images that were changed, hidden or forgotten after a generation, int64."""
        return changed_since(self._connection, since)


def _rewritten(vectors: VectorIndex, source: _Snapshot, progress: Progress | None) -> bool:
    """Write what is saved while the catalog is read; return whether that is all there is to do."""
    try:
        return vectors.rewrite(source, progress)
    except ValueError:
        if not source.damaged:
            raise
    # How many rows there are stands at the front of the file: now it is known how many are sound.
    return vectors.rewrite(source, progress)


def _caught_up(vectors: VectorIndex, source: _Snapshot, limits: CatchUpLimits) -> str | None:
    """Bring an opened index in step; return what that took, None where it must be built anew."""
    saved = vectors.state
    if saved == source.state:
        # Nothing has changed since; to count a million rows would take longer than a search.
        return "current"
    if saved is None or not source.was_in(saved):
        return None
    since = saved.generation
    if source.count_changed(since) > max(limits.images, limits.share * source.count):
        return None
    vectors.hide(source.changed(since))
    for ids, unit in source.chunks(since):
        vectors.add(ids, unit)
    # Deletions that a release of long ago did not note show in the count alone.
    return "caught up" if len(vectors) == source.count else None
