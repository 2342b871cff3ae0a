"""What an engine holds open: the catalog, the index, the backbone. Each opens when first asked for.

Nothing heavy is imported before it is needed, so that a command pays only for what it uses.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, TypeVar

from engine.config import INT8, Config
from engine.progress import Reporter
from index.errors import EngineError, IndexDamagedError
from index.warmup import IndexWarmUp

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.embedding.warmup import WarmUp
    from engine.errors import HeadError
    from engine.heads.head import Head
    from engine.heads.stored import StoredHeads
    from index.catalog.catalog import Catalog
    from index.sync import OpenedIndex
    from index.vectors.index import VectorIndex

Answer = TypeVar("Answer")

# A search that saves the index it has caught up holds the lock for a moment; a writer waits.
PATIENCE_SECONDS = 3.0
# A writer may commit between the opening of an index and the question to it.
SNAPSHOT_ATTEMPTS = 5


class _WriterBuildsError(Exception):
    """A writer of this process is building the index that a search needs."""


@dataclass(slots=True)
class _Locks:
    """The locks of a session in one process; of two, `index` is taken first.

    Attributes
    ----------
    resources
        Held while something is opened, exchanged or closed.
    index
        Held by the one search that brings the index in step.
    saving
        Held by a search that holds the store's writer lock.
    settling
        Held by a writer that brings the index's files in step.
    """

    resources: Any = field(default_factory=RLock)
    index: Any = field(default_factory=RLock)
    saving: Any = field(default_factory=Lock)
    settling: Any = field(default_factory=Lock)


class Session:
    """The open resources of one store, for any number of threads.

    One lock is held while one of them is opened, exchanged or closed, and while nothing else is
    done. The index, which may take minutes to build, has another: whoever writes waits for no
    search that builds it. What was handed out stays as it is: an index is exchanged for another,
    never changed.

    A child that was forked from the process that made it begins with nothing open: threads,
    connections and locks are not there, or not its own. To be forked while another thread is
    within a verb is beyond this, as it is beyond Python.

    Parameters
    ----------
    config
        How to work.
    reporter
        Hears announcements and progress.
    embedder
        To be used instead of the backbone that the configuration names.
    patience_seconds
        How long to wait for another writer.
    """

    def __init__(
        self,
        config: Config,
        reporter: Reporter,
        embedder: Embedder | None,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.config = config
        self.reporter = reporter
        self.patience_seconds = patience_seconds
        self._pid = os.getpid()
        self._locks = {self._pid: _Locks()}
        self._catalog: Catalog | None = None
        self._index: OpenedIndex | None = None
        self._damaged = False
        self._index_warm_up = IndexWarmUp()
        self._heads: StoredHeads | None = None
        self._embedder_given = embedder
        self._embedder: Embedder | None = None
        self._passing = False
        self._backbone_warm_up: WarmUp | None = None

    @contextmanager
    def _here(self) -> Iterator[None]:
        """Hold the lock, for the length of a `with` block, with nothing open of another process."""
        with self._locks_here.resources:
            if self._pid != os.getpid():
                self._leave_to_parent()
                self._pid = os.getpid()
            yield

    @property
    def _locks_here(self) -> _Locks:
        """The locks of this process."""
        # In one step: of two threads that come first, both get the same.
        return self._locks.setdefault(os.getpid(), _Locks())

    def _leave_to_parent(self) -> None:
        from engine.embedding.forks import never_freed

        never_freed(self._catalog, self._index, self._embedder, self._backbone_warm_up)
        self._catalog = self._index = self._embedder = self._backbone_warm_up = None
        self._index_warm_up = IndexWarmUp()
        if self._embedder_given is not None:
            self._embedder_given = self._embedder_given.unstarted()

    def catalog(self) -> Catalog:
        """Return the catalog, which must exist."""
        with self._here():
            if self._catalog is None:
                self.config.store.require()
                # Imported after that: what works without a store works without SQLAlchemy.
                from index.catalog.catalog import Catalog

                self._catalog = Catalog.open(self.config.store.catalog)
                if self._passing:
                    self._embedder, self._passing = None, False
                if self._embedder is not None:
                    # Closed and opened again: meanwhile another catalog may lie there.
                    embedder = self._embedder
                    self._catalog.require(embedder.backbone.name, embedder.fingerprint)
            return self._catalog

    def catalog_or_none(self) -> Catalog | None:
        """Return the catalog, None where there is none or where its making was cut short."""
        if self._catalog is None and not self.config.store.exists():
            return None
        from index.errors import StoreNotFoundError

        try:
            return self.catalog()
        except StoreNotFoundError:
            return None

    def warm_up(self) -> None:
        """Begin to load the backbone in the background, where the store says which one it is.

        For verbs that embed a picture: meanwhile they import and open the rest.
        """
        with self._here():
            if self._embedder_given or self._embedder or self._backbone_warm_up:
                return
            from engine.embedding.warmup import start_warm_up

            self._backbone_warm_up = start_warm_up(self.config)

    def embedder(self, *, passing: bool = True) -> Embedder:
        """Return the catalog's backbone, else the one for a catalog to come.

        Parameters
        ----------
        passing
            No catalog is to come: what is on this machine serves.
        """
        with self._here():
            if self._embedder is None or (self._passing and not passing):
                self._embedder = self._chosen_embedder(passing)
            return self._embedder

    def _chosen_embedder(self, passing: bool) -> Embedder:
        from engine.embedding.choose import choose_embedder

        catalog = self.catalog_or_none()
        identity = catalog.identity if catalog else None
        embedder = self._embedder_given
        if embedder is None and self._backbone_warm_up is not None:
            embedder = self._backbone_warm_up.embedder(identity)
        if embedder is None:
            network = catalog.network if catalog else None
            settings = self.config, identity, self.reporter, network
            embedder = choose_embedder(*settings, passing=passing)
        self._passing = passing and catalog is None and embedder is not self._embedder_given
        embedder.reporter = self.reporter
        if catalog is not None:
            catalog.require(embedder.backbone.name, embedder.fingerprint)
        return embedder

    @contextmanager
    def writing(self, *, create: bool, images: Sequence[str] = ()) -> Iterator[Catalog]:
        """Hold the store's writer lock; with `create`, make the store where there is none.

        Parameters
        ----------
        images
            Folders of pictures, or pictures, for which a new store is made.
        """
        store = self.config.store
        if not create:
            store.require()
        embedder, network = self._embedder_for_new(images) if create else (None, None)
        store.make()
        with self._locks_here.saving:
            pass  # however long a search takes to save: it is no other writer
        with store.writer_lock(wait_seconds=self.patience_seconds):
            if embedder is not None:
                self._create_catalog(embedder, network)
            catalog = self.catalog()
            with _diagnosed(catalog):
                # Since the last writer, the store and other pictures may have come together.
                catalog.images.rebase()
                yield catalog

    def _create_catalog(self, embedder: Embedder, network: bytes | None) -> None:
        """Make the catalog where there is none, for this backbone."""
        from index.catalog.catalog import Catalog

        with self._here():
            if self._catalog is not None:
                return
            if self.catalog_or_none() is None:
                store = self.config.store.catalog
                self._catalog = Catalog.create(store, embedder.identity, network=network)
                self._embedder = embedder
            else:
                # Another process has made the catalog meanwhile: it says what embeds.
                self._embedder = None

    def _embedder_for_new(self, images: Sequence[str]) -> tuple[Embedder, bytes | None]:
        """Return the backbone, and what a new catalog must hold of it."""
        quantize = self.config.precision == INT8 and self._embedder_given is None
        if quantize and self.catalog_or_none() is None:
            from engine.embedding.int8_calibration import quantized_embedder

            return quantized_embedder(self.config, images, self.reporter)
        return self.embedder(passing=False), None

    @contextmanager
    def snapshot(self) -> Iterator[tuple[Catalog, VectorIndex]]:
        """Return catalog and index in one and the same state, for the length of a `with` block.

        All that the block's thread reads of the catalog comes from one transaction; what others
        commit meanwhile is not seen.
        """
        from index.sync import open_index, vectors_of

        catalog = self.catalog()
        for _ in range(SNAPSHOT_ATTEMPTS):
            opened = self.index(catalog)
            with catalog.database.snapshot():
                if opened.state == catalog.state():
                    yield catalog, opened.vectors
                    return
        # Others commit faster than an index can follow: it follows this transaction alone.
        with catalog.database.snapshot():
            vectors = vectors_of(catalog, self.config.store.index)
            yield catalog, open_index(catalog, vectors).vectors

    def ask(self, question: Callable[[Catalog, VectorIndex], Answer]) -> Answer:
        """Answer a question to catalog and index in one state.

        An index that turns out to be damaged is built anew, and asked once more.
        """
        with _diagnosed(self.catalog()):
            try:
                with self.snapshot() as (catalog, index):
                    return question(catalog, index)
            except IndexDamagedError:
                pass
            with self._here():
                self._index, self._damaged = None, True
            with self.snapshot() as (catalog, index):
                return question(catalog, index)

    def index(self, catalog: Catalog) -> OpenedIndex:
        """Return the index in step with the catalog, and save what that took if possible."""
        with self._here():
            pass  # what is open now belongs to this process
        with self._locks_here.index:
            opened = self._index
            if opened is not None and opened.state == catalog.state():
                # Whoever searches twice will go on searching.
                self._index_warm_up.start(opened)
                return opened
            while True:
                try:
                    self._index = self._in_step(catalog)
                    return self._index
                except _WriterBuildsError:
                    with self._locks_here.settling:
                        pass

    def _in_step(self, catalog: Catalog) -> OpenedIndex:
        from index.sync import open_index, save_index, vectors_of

        opened = open_index(
            catalog,
            vectors_of(catalog, self.config.store.index),
            anew=self._damaged,
            progress=self._building,
            before_build=self._leave_to_writer,
        )
        self._damaged = False
        if opened.origin != "current":
            from index.errors import StoreError

            # Where a writer is busy it will save, and a read-only store stays as it is.
            saving = self._locks_here.saving
            with saving, suppress(StoreError), catalog.database.writer_lock():
                save_index(opened, catalog)
        self._tell_damage(catalog, opened)
        return opened

    def _leave_to_writer(self) -> None:
        if self._locks_here.settling.locked():
            raise _WriterBuildsError

    def _tell_damage(self, catalog: Catalog, opened: OpenedIndex) -> None:
        from index.sync import damage_told

        if opened.was_damaged:
            self.reporter.announce("the index was damaged, and was built anew from the catalog")
        for problem in damage_told(catalog, opened.damaged):
            self.reporter.announce(problem)

    def settle_index(self, catalog: Catalog, *, compact: bool = False) -> None:
        """Bring the index's files in step with the catalog, as small as can be with `compact`.

        Within `writing`. It waits for no search: one that builds the index may take as long.
        """
        from index.sync import compact_index, settle_index, vectors_of

        opened = self._index
        if opened is not None and opened.state != catalog.state():
            # There is not always room for two.
            self._index = None
        vectors = vectors_of(catalog, self.config.store.index)
        settle = compact_index if compact else settle_index
        with self._locks_here.settling:
            opened = settle(catalog, vectors, self._building)
            if opened is not None:
                self._tell_damage(catalog, opened)
                self._index = opened

    def _building(self, done: int, total: int) -> None:
        self.reporter.progress("building the index", done, total, "images")

    def heads(self, named: str | None = None) -> list[Head]:
        """Return the catalog's heads by name, none where there is no catalog.

        A head is parsed once, and again where another one has taken its name. One that is damaged
        is announced and left out.

        Parameters
        ----------
        named
            The head that is asked for, where one is.

        Raises
        ------
        HeadError
            That one is damaged.
        """
        catalog = self.catalog_or_none()
        if catalog is None:
            return []
        from engine.heads.stored import StoredHeads

        with self._here(), catalog.database.snapshot():
            self._heads = self._heads or StoredHeads()
            heads = self._heads.read(catalog, self.reporter.announce)
            if named in self._heads.damaged:
                raise self._heads.damaged[named]
            return heads

    def damaged_heads(self) -> dict[str, HeadError]:
        """Return why heads of the catalog cannot be used, by name."""
        with self._here():
            self.heads()
            return self._heads.damaged if self._heads else {}

    def close(self) -> None:
        """Close the catalog, release the index's files, and end the threads that read ahead.

        Verbs open again what they need.
        """
        with self._locks_here.index, self._here():
            self._index_warm_up.stop()
            if self._backbone_warm_up is not None:
                self._backbone_warm_up.close()
                self._backbone_warm_up = None
            if self._index is not None:
                self._index.vectors.close()
                self._index = None
            if self._catalog is not None:
                self._catalog.close()
                self._catalog = None
            self._heads = None


@contextmanager
def _diagnosed(catalog: Catalog) -> Iterator[None]:
    """Raise what fails in a `with` block, as damage of the catalog where that is what it is."""
    try:
        yield
    except EngineError:
        raise
    except Exception:
        from index.catalog.diagnosis import diagnosed

        with diagnosed(catalog):
            raise
