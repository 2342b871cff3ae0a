"""The open resources of one store: catalog, index, backbone, heads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from threading import RLock, get_ident
from typing import TYPE_CHECKING, Self, TypeVar

from engine.config import INT8, Config
from engine.progress import Reporter
from engine.session.current_index import CurrentIndex
from engine.session.opened import Opened
from index.errors import StoreError

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.errors import HeadError
    from engine.heads.head import Head
    from engine.session.pool import PoolReader
    from index.catalog.catalog import Catalog
    from index.vectors.index import VectorIndex

Answer = TypeVar("Answer")

# A search that saves the index it has caught up holds the lock for a moment; a writer waits.
PATIENCE_SECONDS = 3.0


class Session:
    """The open resources of one store, for any number of threads.

    One lock is held while one of them is opened, exchanged or closed, and while nothing else is
    done. The index, which may take minutes to build, has locks of its own; of two locks, the
    index's is taken first.

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
        self._open = Opened(self._new_index(reporter), reporter, embedder)

    def reporting_to(self, reporter: Reporter) -> Self:
        """Return a session of the same open resources, whose work another reporter hears.

        What is opened, closed or exchanged is so for both.
        """
        other = copy(self)
        other.reporter = reporter
        return other

    def _new_index(self, reporter: Reporter) -> CurrentIndex:
        store = self.config.store
        given = self.config.vectors_given
        return CurrentIndex(store.index, reporter, alone=bool(store.database), given=given)

    @contextmanager
    def _here(self) -> Iterator[None]:
        """Hold the lock, for the length of a `with` block, with nothing open of another process."""
        # In one step: of two threads that come first in a child, both get the same.
        with self._open.locks.setdefault(os.getpid(), RLock()):
            if self._open.pid != os.getpid():
                self._leave_to_parent()
                self._open.pid = os.getpid()
            yield

    def _leave_to_parent(self) -> None:
        from engine.embedding.forks import never_freed

        mine = self._open
        never_freed(mine.catalog, mine.index, mine.embedder, mine.backbone_warm_up)
        mine.catalog = mine.embedder = mine.backbone_warm_up = mine.pool = None
        mine.index = self._new_index(mine.reporter)
        if mine.embedder_given is not None:
            mine.embedder_given = mine.embedder_given.unstarted()

    def catalog(self) -> Catalog:
        """Return the catalog, which must exist."""
        with self._here():
            if self._open.catalog is None:
                self.config.store.require()
                # Imported after that: what works without a store works without SQLAlchemy.
                from index.catalog.catalog import Catalog

                self._open.catalog = Catalog.open(self.config.store.catalog)
                if self.config.store.database:
                    # For what is derived, which can be done without.
                    with suppress(StoreError):
                        self.config.store.make()
                if self._open.passing:
                    self._open.embedder, self._open.passing = None, False
                if self._open.embedder is not None:
                    # Closed and opened again: meanwhile another catalog may lie there.
                    embedder = self._open.embedder
                    self._open.catalog.require(embedder.backbone.name, embedder.fingerprint)
            return self._open.catalog

    def catalog_or_none(self) -> Catalog | None:
        """Return the catalog, None where there is none or where its making was cut short."""
        if self._open.catalog is None and not self.config.store.exists():
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
            if self._open.embedder_given or self._open.embedder or self._open.backbone_warm_up:
                return
            from engine.embedding.warmup import start_warm_up

            self._open.backbone_warm_up = start_warm_up(self.config)

    @property
    def maker(self) -> Callable[[Config, Reporter], Embedder] | None:
        """What makes the embedder that was handed in anew; None where the catalog's own serves."""
        given = self._open.embedder_given
        return None if given is None else given.maker

    def embedder(self, *, passing: bool = True) -> Embedder:
        """Return the catalog's backbone, else the one for a catalog to come.

        Parameters
        ----------
        passing
            No catalog is to come: what is on this machine serves.
        """
        embedder = self._shared_embedder(passing)
        return embedder.reporting_to(self.reporter) if self._is_view else embedder

    @property
    def _is_view(self) -> bool:
        return self.reporter is not self._open.reporter

    def _shared_embedder(self, passing: bool) -> Embedder:
        with self._here():
            if self._open.embedder is None or (self._open.passing and not passing):
                self._open.embedder = self._chosen_embedder(passing)
            return self._open.embedder

    def _chosen_embedder(self, passing: bool) -> Embedder:
        from engine.embedding.choose import choose_embedder

        catalog = self.catalog_or_none()
        identity = catalog.identity if catalog else None
        embedder = self._open.embedder_given
        if embedder is None and self._open.backbone_warm_up is not None:
            embedder = self._open.backbone_warm_up.embedder(identity)
        if embedder is None:
            network = catalog.network if catalog else None
            settings = self.config, identity, self._open.reporter, network
            embedder = choose_embedder(*settings, passing=passing)
        given = embedder is self._open.embedder_given
        self._open.passing = passing and catalog is None and not given
        # It outlives whoever asked for it first.
        embedder.reporter = self._open.reporter
        if catalog is not None:
            catalog.require(embedder.backbone.name, embedder.fingerprint)
        return embedder

    @contextmanager
    def writing(self, *, create: bool, images: Sequence[str] = ()) -> Iterator[Catalog]:
        """Hold the store's writer lock; with `create`, make the store where there is none.

        A thread that holds it already goes on holding it: several changes become one.

        Parameters
        ----------
        images
            Folders of pictures, or pictures, for which a new store is made.
        """
        me = os.getpid(), get_ident()
        if self._open.writer == me:
            yield self.catalog()
            return
        store = self.config.store
        if not create:
            store.require()
        embedder, network = self._embedder_for_new(images) if create else (None, None)
        store.make()
        with self.index().saving:
            pass  # however long a search takes to save: it is no other writer
        with store.writer_lock(wait_seconds=self.patience_seconds):
            if embedder is not None:
                self._create_catalog(embedder, network)
            catalog = self.catalog()
            # SQLAlchemy is there now.
            from index.catalog.diagnosis import diagnosed

            self._open.writer = me
            try:
                with diagnosed(catalog):
                    # Since the last writer, the store and other pictures may have come together.
                    catalog.images.rebase()
                    yield catalog
            finally:
                self._open.writer = None

    def _create_catalog(self, embedder: Embedder, network: bytes | None) -> None:
        """Make the catalog where there is none, for this backbone."""
        from index.catalog.catalog import Catalog

        with self._here():
            if self._open.catalog is not None:
                return
            if self.catalog_or_none() is None:
                store = self.config.store.catalog
                self._open.catalog = Catalog.create(store, embedder.identity, network=network)
                self._open.embedder = embedder
            else:
                # Another process has made the catalog meanwhile: it says what embeds.
                self._open.embedder = None

    def _embedder_for_new(self, images: Sequence[str]) -> tuple[Embedder, bytes | None]:
        """Return the backbone, and what a new catalog must hold of it."""
        quantize = self.config.precision == INT8 and self._open.embedder_given is None
        if quantize and self.catalog_or_none() is None:
            from engine.embedding.int8_calibration import quantized_embedder

            return quantized_embedder(self.config, images, self.reporter)
        return self._shared_embedder(passing=False), None

    def index(self) -> CurrentIndex:
        """Return the index of this process."""
        with self._here():
            index = self._open.index
            return index.reporting_to(self.reporter) if self._is_view else index

    def ask(self, question: Callable[[Catalog, VectorIndex], Answer]) -> Answer:
        """Answer a question to catalog and index in one state."""
        catalog = self.catalog()
        from index.catalog.diagnosis import diagnosed

        with diagnosed(catalog):
            return self.index().ask(catalog, question)

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
            self._open.heads = self._open.heads or StoredHeads()
            heads = self._open.heads.read(catalog, self.reporter.announce)
            if named in self._open.heads.damaged:
                raise self._open.heads.damaged[named]
            return heads

    def damaged_heads(self) -> dict[str, HeadError]:
        """Return why heads of the catalog cannot be used, by name."""
        with self._here():
            self.heads()
            return self._open.heads.damaged if self._open.heads else {}

    def pool(self) -> PoolReader:
        """Return what reads the catalog's embeddings into memory, and keeps them there."""
        from engine.session.pool import PoolReader

        with self._here():
            self._open.pool = self._open.pool or PoolReader()
            return self._open.pool

    def close(self) -> None:
        """Close the catalog, release the index's files, and end the threads that read ahead.

        Verbs open again what they need.
        """
        with self.index().lock, self._here():
            self._open.index.close()
            if self._open.backbone_warm_up is not None:
                self._open.backbone_warm_up.close()
                self._open.backbone_warm_up = None
            if self._open.catalog is not None:
                self._open.catalog.close()
                self._open.catalog = None
            self._open.heads = self._open.pool = None
