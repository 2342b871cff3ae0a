"""The catalog's embeddings in memory, read once and used until they are others."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

import numpy as np

from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.records import Floats, Ids
from index.state import CatalogState

FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How much memory the embeddings may take.

    Attributes
    ----------
    bytes
        Of a larger catalog so much is drawn at random: 52,000 images of dim 1280.
    """

    bytes: int = 256 << 20


@dataclass(frozen=True, slots=True)
class Pool:
    """Embeddings of visible images.

    Attributes
    ----------
    state
        Of the catalog that they are of.
    ids
        int64 `[n]`, ascending.
    unit
        Unit vectors, float32 `[n, dim]`.
    images
        How many visible images there are; the `n` were drawn at random where these are more.
    """

    state: CatalogState
    ids: Ids
    unit: Floats
    images: int

    @property
    def whole(self) -> bool:
        """Whether no image is left out."""
        return len(self.ids) == self.images

    def rows_of(self, ids: Ids) -> Ids:
        """Return where images are in the pool, -1 where they are not, int64."""
        if not len(self.ids):
            return np.full(len(ids), -1, np.int64)
        at = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[at] == ids, at, -1)


class PoolReader:
    """The pool of one catalog; of threads that need it at once, one reads it.

    Parameters
    ----------
    limits
        How much memory it may take.
    """

    def __init__(self, limits: PoolLimits | None = None) -> None:
        self._limits = limits or PoolLimits()
        self._lock = Lock()
        self._pool: Pool | None = None

    def read(self, catalog: Catalog) -> Pool:
        """Return the pool in the catalog's state, inside a snapshot of the caller's.

        Raises
        ------
        EmbeddingDamagedError
            One of the embeddings is not as it was stored.
        """
        with self._lock:
            state = catalog.state()
            if self._pool is None or self._pool.state != state:
                # Before the next one is read: two would be twice as much memory.
                self._pool = None
                self._pool = self._read(catalog, state)
            return self._pool

    def _read(self, catalog: Catalog, state: CatalogState) -> Pool:
        most = max(1, self._limits.bytes // (FLOAT_BYTES * catalog.identity.dim))
        ids = catalog.images.matching(Filter.parse(()))
        if len(ids) <= most:
            found, vectors = catalog.embeddings.all()
        else:
            drawn = np.random.default_rng(len(ids)).choice(ids, most, replace=False)
            found, vectors = catalog.embeddings.of(drawn.tolist())
        return Pool(state, found, vectors.unit, len(ids))
