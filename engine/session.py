"""What an engine holds open: the catalog, the index, the backbone. Each opens when first asked for.

Nothing heavy is imported before it is needed, so that a command pays only for what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from engine.config import INT8, Config
from engine.progress import Reporter

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.embedding.warmup import WarmUp
    from engine.heads.head import Head
    from index.catalog.catalog import Catalog
    from index.sync import OpenedIndex

# A search that saves the index it has caught up holds the lock for a moment; a writer waits.
PATIENCE_SECONDS = 3.0


class Session:
    """The open resources of one store.

    Parameters
    ----------
    config
        How to work.
    reporter
        Hears what happens.
    embedder
        To be used instead of the backbone that the configuration names.
    """

    def __init__(self, config: Config, reporter: Reporter, embedder: Embedder | None) -> None:
        self.config = config
        self._reporter = reporter
        self._catalog_open: Catalog | None = None
        self._index_open: OpenedIndex | None = None
        self._index_warm: object | None = None
        self._embedder_given = embedder
        self._embedder_open: Embedder | None = None
        self._warm_up: WarmUp | None = None

    @property
    def reporter(self) -> Reporter:
        """Who hears announcements and progress."""
        return self._reporter

    def catalog(self) -> Catalog:
        """Return the catalog, which must exist."""
        if self._catalog_open is None:
            self.config.store.require()
            # Imported after that: what works without a store works without SQLAlchemy.
            from index.catalog.catalog import Catalog

            self._catalog_open = Catalog.open(self.config.store.catalog)
        return self._catalog_open

    def catalog_or_none(self) -> Catalog | None:
        """Return the catalog, None where there is none or where its making was cut short."""
        from index.errors import StoreNotFoundError

        try:
            return self.catalog()
        except StoreNotFoundError:
            return None

    def warm_up(self) -> None:
        """Begin to load the backbone in the background, where the store says which one it is.

        For verbs that embed a picture: meanwhile they import and open the rest.
        """
        if self._embedder_given is None and self._embedder_open is None:
            from engine.embedding.warmup import start_warm_up

            self._warm_up = start_warm_up(self.config)

    def embedder(self) -> Embedder:
        """Return the catalog's backbone, or the one chosen for a catalog to come."""
        if self._embedder_open is None:
            from engine.embedding.embedder import choose_embedder

            catalog = self.catalog_or_none()
            identity = catalog.identity if catalog else None
            embedder = self._embedder_given
            if embedder is None and self._warm_up is not None:
                embedder = self._warm_up.embedder(identity)
            if embedder is None:
                network = catalog.network if catalog else None
                embedder = choose_embedder(self.config, identity, self._reporter, network)
            embedder.reporter = self._reporter
            if catalog is not None:
                catalog.require(embedder.backbone.name, embedder.fingerprint)
            self._embedder_open = embedder
        return self._embedder_open

    @contextmanager
    def writing(self, *, create: bool, images: Sequence[str] = ()) -> Iterator[Catalog]:
        """Hold the store's writer lock; with `create`, make the store where there is none.

        Parameters
        ----------
        pictures
            Folders of pictures, or pictures, for which a new store is made.
        """
        from index.catalog.catalog import Catalog

        store = self.config.store
        if not create:
            store.require()
        embedder, network = self._embedder_for_new(images) if create else (None, None)
        store.make()
        with store.writer_lock(wait_seconds=PATIENCE_SECONDS):
            if embedder is not None and self._catalog_open is None:
                if self.catalog_or_none() is None:
                    new = Catalog.create(store.catalog, embedder.identity, network=network)
                    self._catalog_open, self._embedder_open = new, embedder
                else:
                    # Another process has made the catalog meanwhile: it says what embeds.
                    self._embedder_open = None
            yield self.catalog()

    def _embedder_for_new(self, images: Sequence[str]) -> tuple[Embedder, bytes | None]:
        """Return the backbone, and what a new catalog must keep of it."""
        quantize = self.config.precision == INT8 and self._embedder_given is None
        if quantize and self.catalog_or_none() is None:
            from engine.embedding.int8_calibration import quantized_embedder

            return quantized_embedder(self.config, images, self._reporter)
        return self.embedder(), None

    def index(self, catalog: Catalog) -> OpenedIndex:
        """Return the index in step with the catalog, and keep what that took if possible."""
        from index.sync import open_index, save_index

        kept = self._index_open
        if kept is not None and kept.generation == catalog.generation():
            self._warm_up_once(kept)
            return kept
        store = self.config.store
        opened = open_index(catalog, store.index, progress=self._arranging)
        if opened.state != "current":
            from index.errors import StoreError

            # Where a writer is busy it will save, and a read-only store stays as it is.
            with suppress(StoreError), catalog.database.writer_lock():
                save_index(opened, catalog, store.index)
        self._index_open = opened
        return opened

    def _warm_up_once(self, opened: OpenedIndex) -> None:
        """Map the index in the background: whoever searches twice will go on searching."""
        if self._index_warm is not opened.vectors.main:
            from threading import Thread

            self._index_warm = opened.vectors.main
            Thread(target=opened.vectors.warm_up, name="index", daemon=True).start()

    def settle_index(self, catalog: Catalog) -> None:
        """Bring the index's files in step with the catalog; within `writing`."""
        from index.sync import settle_index

        kept = self._index_open
        if kept is not None and kept.generation != catalog.generation():
            self._index_open = None
        opened = settle_index(catalog, self.config.store.index, self._arranging)
        if opened is not None:
            self._index_open = opened

    def _arranging(self, done: int, total: int) -> None:
        self._reporter.progress("arranging the index", done, total, "images")

    def heads(self) -> list[Head]:
        """Return the catalog's heads, none where there is no catalog."""
        from engine.heads.file import head_from_bytes

        catalog = self.catalog_or_none()
        rows = catalog.heads.all() if catalog else []
        return [head_from_bytes(row.file, row.name) for row in rows]

    def close(self) -> None:
        """Close the catalog."""
        if self._catalog_open is not None:
            self._catalog_open.close()
            self._catalog_open = None
            self._index_open = None
