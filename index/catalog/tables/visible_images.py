"""What an index that holds no vectors itself asks of the catalog: `VisibleImages` of its protocol.

Every answer comes from the caller's snapshot where there is one.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, func, select

from index.catalog.sql.database import Database
from index.catalog.sql.schema import Image, Removal
from index.catalog.tables.embeddings import EmbeddingTable
from index.catalog.tables.settings import was_in
from index.records import Floats, Ids
from index.state import CatalogState


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
