"""What an index asks of the catalog: every embedding, or which images there are.

All embeddings of visible images are read in one transaction of the caller's. One that is not as it
was stored is left out: an index is better without it. An index that holds no vectors itself asks
for `VisibleImages` of its protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np
from sqlalchemy import Connection, func, select

from index.catalog.sql.checksums import Damage
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import bulk_of
from index.catalog.sql.schema import Embedding, Image, Query, Removal
from index.catalog.tables.embeddings import EmbeddingTable, span_query, spans_of, stored
from index.catalog.tables.settings import was_in
from index.catalog.vector_codec import unpack
from index.records import Floats, Ids, Rows, Values, Vectors
from index.state import CatalogState

# Ids read at a time, all of which are held, and rows given to the index, as vectors and as bytes.
# The bytes of those that are only passed on stay in the processor's cache.
SPAN = 512
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
        self._checked = checked
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
        parts = self._all(CHUNK_ROWS) if since is None else self._changed(since)
        for ids, blobs, norms, *_ in parts:
            yield unpack(ids, blobs, norms, self._dtype)

    def rows(self) -> Iterator[Rows]:
        """Yield ids and vectors as they are stored, in order of id."""
        for ids, blobs, *_ in self._all(PASSED_ROWS):
            yield ids, blobs

    def sample(self, size: int) -> tuple[Ids, Floats]:
        """Return images chosen at random, in random order; the same ones for the same catalog."""
        visible = select(Image.id).join(Embedding, Embedding.image_id == Image.id)
        visible = visible.where(Image.missing_since.is_(None))
        ids = np.fromiter(self._connection.execute(visible).scalars(), np.int64)
        random = np.random.default_rng(len(ids))
        chosen = np.sort(random.choice(ids, min(size, len(ids)), replace=False))
        parts = [
            unpack(ids, blobs, norms, self._dtype)
            for chunk in chunks_of(chosen.tolist())
            for ids, blobs, norms, *_ in self._sound(self._visible.where(Image.id.in_(chunk)))
        ]
        found = np.concatenate([part for part, _ in parts])
        order = random.permutation(len(found))
        unit = np.concatenate([vectors.unit for _, vectors in parts])
        return found[order], unit[order]

    def _all(self, size: int) -> Iterator[Sequence[Values]]:
        """Yield the columns of sound embeddings, `size` at a time.

        A span is read to its end before any of it is given on: until then the connection can do
        nothing else.
        """
        query = span_query(visible=True, checked=self._checked, summary=False)
        for first, last in spans_of(self._connection, SPAN):
            ends = {"first": first, "last": last}
            bulk = bulk_of(self._connection)
            with closing(bulk.columns(self._connection, query, ends, size)) as found:
                parts = [self.damage.sound(columns) for columns in found]
            yield from filter(None, parts)

    def _changed(self, since: int) -> Iterator[Sequence[Values]]:
        return self._sound(self._visible.where(Image.generation > since))

    def _sound(self, query: Query) -> Iterator[Sequence[Values]]:
        """Yield the columns of those embeddings of a query that are sound, in order of id."""
        ordered = query.order_by(Image.id)
        for rows in bulk_of(self._connection).stream(self._connection, ordered, size=CHUNK_ROWS):
            if sound := self.damage.sound(list(zip(*rows, strict=True))):
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
