"""What an index asks of the catalog: every embedding, or which images there are.

All embeddings of visible images are read in one transaction of the caller's. One that is not as it
was stored is left out: an index is better without it. An index that holds no vectors itself asks
for `VisibleImages` of its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from index.catalog.sql.checksums import Damage
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.schema import Embedding, Image, Query, Removal
from index.catalog.tables.embeddings import EmbeddingTable, stored
from index.catalog.tables.settings import was_in
from index.catalog.vector_codec import unpack
from index.records import Floats, Ids, Rows, Vectors
from index.state import CatalogState

# Rows given to the index at a time, as vectors and as bytes. The bytes of those that are only
# passed on are all that this takes of memory; a server gives more at a time no sooner.
CHUNK_ROWS = 2048
PASSED_ROWS = 256


class IndexSource:
    """Reading every visible embedding.

    Parameters
    ----------
    connection
        A transaction that sees one state.
    dtype
        How vectors are stored.
    checked
        Whether there are checksums: an older catalog that cannot be written has none.

    Attributes
    ----------
    damage
        The images that were left out so far.
    """

    def __init__(self, connection: Connection, dtype: str, *, checked: bool = True) -> None:
        self.damage = Damage()
        self._connection = connection
        self._dtype = np.dtype(dtype)
        self._visible = stored(checked).where(Image.missing_since.is_(None))

    def count(self) -> int:
        """Return how many visible images there are, damaged ones included."""
        joined = select(func.count()).select_from(Image)
        joined = joined.join(Embedding, Embedding.image_id == Image.id)
        query = joined.where(Image.missing_since.is_(None))
        return int(self._connection.execute(query).scalar_one())

    def chunks(self, since: int | None = None) -> Iterator[tuple[Ids, Vectors]]:
        """Yield ids and embeddings in order of id.

        Parameters
        ----------
        since
            Only of images that changed after this generation.
        """
        query = self._visible.order_by(Image.id)
        if since is not None:
            query = query.where(Image.generation > since)
        for part in self._parts(query, CHUNK_ROWS):
            yield unpack(part, self._dtype)

    def rows(self) -> Iterator[Rows]:
        """Yield ids and vectors as they are stored, in order of id."""
        for part in self._parts(self._visible.order_by(Image.id), PASSED_ROWS):
            ids, blobs, *_ = zip(*part, strict=True)
            yield ids, blobs

    def sample(self, size: int) -> tuple[Ids, Floats]:
        """Return images chosen at random, in random order; the same ones for the same catalog."""
        visible = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
        visible = visible.where(Image.missing_since.is_(None))
        ids = np.fromiter(self._connection.execute(visible).scalars(), np.int64)
        random = np.random.default_rng(len(ids))
        chosen = np.sort(random.choice(ids, min(size, len(ids)), replace=False))
        parts = [
            unpack(part, self._dtype)
            for chunk in chunks_of(chosen.tolist())
            for part in self._parts(self._visible.where(Image.id.in_(chunk)).order_by(Image.id))
        ]
        found = np.concatenate([part for part, _ in parts])
        order = random.permutation(len(found))
        unit = np.concatenate([vectors.unit for _, vectors in parts])
        return found[order], unit[order]

    def _parts(self, query: Query, size: int = CHUNK_ROWS) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield rows whose embeddings are sound, some at a time."""
        found = self._connection.execute(query.execution_options(yield_per=PASSED_ROWS))
        parts = found.partitions()
        while part := list(chain.from_iterable(islice(parts, size // PASSED_ROWS))):
            if sound := self.damage.sound(part):
                yield sound


class VisibleImageTable:
    """The visible images of a catalog, and their embeddings.

    Parameters
    ----------
    database
        Where they are.
    embeddings
        Of all images.
    """

    def __init__(self, database: Database, embeddings: EmbeddingTable) -> None:
        self._database = database
        self._embeddings = embeddings

    def ids(self) -> Ids:
        """Return all visible images, ascending, int64."""
        query = select(Image.id).where(Image.missing_since.is_(None)).order_by(Image.id)
        with self._database.reading() as connection:
            return np.fromiter(connection.execute(query).scalars(), np.int64)

    def count(self) -> int:
        """Return how many there are."""
        query = select(func.count()).select_from(Image).where(Image.missing_since.is_(None))
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def vectors(self, ids: Ids) -> tuple[Ids, Floats]:
        """Return those of some images that are visible and sound, ascending, and unit vectors."""
        found, vectors = self._embeddings.visible(ids.tolist())
        return found, vectors.unit

    def was_in(self, state: CatalogState) -> bool:
        """Say whether the catalog was once in a state, or is in it."""
        with self._database.reading() as connection:
            return was_in(connection, state)

    def changed(self, since: int) -> Ids:
        """Return the images that were changed, hidden or forgotten after a generation, int64."""
        with self._database.reading() as connection:
            return changed_since(connection, since)


def changed_since(connection: Connection, since: int) -> Ids:
    """Return the images that were changed, hidden or forgotten after a generation, int64."""
    queries = (
        select(Image.id).where(Image.generation > since),
        select(Removal.image_id).where(Removal.generation > since),
    )
    found = [connection.execute(query).scalars() for query in queries]
    return np.concatenate([np.fromiter(ids, np.int64) for ids in found])
