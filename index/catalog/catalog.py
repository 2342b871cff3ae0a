"""The catalog: one database, its tables, and the backbone it belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from sqlalchemy import Connection, func, insert, select

from index.catalog.sql.database import Database
from index.catalog.sql.schema import Base, Embedding, Head, Image, Network, Prediction, View
from index.catalog.tables.embeddings import EmbeddingTable
from index.catalog.tables.heads import HeadTable, delete_head, put_head
from index.catalog.tables.images import ImageTable
from index.catalog.tables.predictions import PredictionTable, replace_predictions
from index.catalog.tables.settings import (
    read_identity,
    read_preference,
    read_state,
    read_vectors,
    write_first_token,
    write_identity,
    write_preference,
    write_vectors,
)
from index.catalog.tables.views import ViewTable, delete_all_views
from index.errors import BackboneMismatchError, CatalogDamagedError, StoreNotFoundError
from index.records import CatalogCounts, CatalogIdentity, Ids, Named
from index.state import CatalogState, Preference
from index.vector_address import VectorAddress

if TYPE_CHECKING:
    from index.catalog.tables.contents import ContentTable
    from index.catalog.tables.folders import ArchiveList, FolderList
    from index.catalog.tables.index_source import VisibleImageTable
    from index.catalog.tables.judgements import JudgementTable
    from index.catalog.tables.shards import ShardTable
    from index.catalog.tables.values import ValueTable


class Catalog:
    """The only truth about what was indexed.

    Invariants, which hold after every verb and are checked by `problems`:

    1. an image has exactly one embedding, committed in the same transaction;
    2. every embedding was made by the backbone named in the settings;
    3. a verb's changes are all there or none is.

    Parameters
    ----------
    database
        Where it is.
    identity
        Whose embeddings it holds.
    """

    def __init__(self, database: Database, identity: CatalogIdentity) -> None:
        self.database = database
        self.identity = identity

    @cached_property
    def images(self) -> ImageTable:
        """The images, and everything that is stored together with them."""
        return ImageTable(self.database, self.identity.dtype)

    @cached_property
    def contents(self) -> ContentTable:
        """What the images' files hold."""
        from index.catalog.tables.contents import ContentTable

        return ContentTable(self.database)

    @cached_property
    def archives(self) -> ArchiveList:
        """The archives that were indexed whole."""
        from index.catalog.tables.folders import ArchiveList

        return ArchiveList(self.database)

    @cached_property
    def folders(self) -> FolderList:
        """The folders that were indexed."""
        from index.catalog.tables.folders import FolderList

        return FolderList(self.database)

    @cached_property
    def embeddings(self) -> EmbeddingTable:
        """The images' embeddings."""
        return EmbeddingTable(self.database, np.dtype(self.identity.dtype), self.identity.dim)

    @cached_property
    def visible_images(self) -> VisibleImageTable:
        """The visible images, for an index that holds no vectors itself."""
        from index.catalog.tables.index_source import VisibleImageTable

        return VisibleImageTable(self.database, self.embeddings)

    @cached_property
    def views(self) -> ViewTable:
        """The embeddings of training pictures."""
        return ViewTable(self.database, self.identity.dtype)

    @cached_property
    def heads(self) -> HeadTable:
        """The heads."""
        return HeadTable(self.database)

    @cached_property
    def predictions(self) -> PredictionTable:
        """What the engine says each image is."""
        return PredictionTable(self.database)

    @cached_property
    def judgements(self) -> JudgementTable:
        """What people said that contents show."""
        from index.catalog.tables.judgements import JudgementTable

        return JudgementTable(self.database)

    @cached_property
    def shards(self) -> ShardTable:
        """What a run on a cluster has to do, and how far it has come."""
        from index.catalog.tables.shards import ShardTable

        return ShardTable(self.database)

    @cached_property
    def values(self) -> ValueTable:
        """What the images have in the fields of filters."""
        from index.catalog.tables.values import ValueTable

        return ValueTable(self.database)

    @classmethod
    def open(cls, url: str | Path) -> Catalog:
        """Open a catalog that exists.

        Raises
        ------
        StoreNotFoundError
            There is none.
        CatalogDamagedError
            The file is not a catalog.
        """
        if isinstance(url, Path) and not os.path.lexists(url):
            raise StoreNotFoundError(
                url, "there is no catalog here", "Make one with `engine index FOLDER`"
            )
        with _closed_on_error(Database(url)) as database:
            identity = None
            # Who only reads makes no tables.
            if database.has_tables():
                database.migrate()
                with database.reading() as connection:
                    identity = read_identity(connection)
            if identity is None:
                raise StoreNotFoundError(
                    database.name, "the catalog is empty", "Fill it with `engine index FOLDER`"
                )
        return cls(database, identity)

    @classmethod
    def create(
        cls, url: str | Path, identity: CatalogIdentity, *, network: bytes | None = None
    ) -> Catalog:
        """Open a catalog, made on the spot where there is none.

        Parameters
        ----------
        network
            The backbone, where it was quantized for this catalog: stored with its identity, in
            one transaction, because without it no embedding could ever be compared.

        Raises
        ------
        BackboneMismatchError
            It exists and belongs to another backbone.
        """
        with _closed_on_error(Database(url)) as database:
            database.migrate(at_once=_make_tables)
            with database.writing() as connection:
                existing = read_identity(connection)
                if existing is None:
                    write_identity(connection, identity)
                    if network is not None:
                        _put_network(connection, identity.fingerprint, network)
            catalog = cls(database, existing or identity)
            catalog.require(identity.backbone, identity.fingerprint)
        return catalog

    def require(self, backbone: str, fingerprint: str) -> None:
        """Refuse to work with another backbone than the catalog's own.

        Raises
        ------
        BackboneMismatchError
            The names or the fingerprints differ.
        """
        own = self.identity
        if fingerprint == own.fingerprint:
            return
        reason = (
            f"the catalog was made with {own.backbone}, not {backbone}"
            if backbone != own.backbone
            else f"the weights of {backbone} at hand ({fingerprint[:12]}) are not those the "
            f"catalog was made with ({own.fingerprint[:12]})"
        )
        raise BackboneMismatchError(
            self.database.name,
            reason,
            "Embeddings of two backbones cannot be compared: leave --backbone out, so that the "
            "catalog's own is taken, or index into another store with --store",
        )

    def network(self) -> bytes:
        """Return the int8 network that was quantized for this catalog, as it was stored.

        Raises
        ------
        CatalogDamagedError
            There is none.
        """
        query = select(Network.file).where(Network.fingerprint == self.identity.fingerprint)
        with self.database.reading() as connection:
            file: bytes | None = connection.execute(query).scalar_one_or_none()
        if file is None:
            raise CatalogDamagedError(
                self.database.name,
                "the network that its embeddings were made with is missing",
                "Put back a copy of the catalog, or index into another store with --store",
            )
        return file

    def change_heads(
        self,
        *,
        put: tuple[str, bytes] | None,
        delete: str | None,
        names: Sequence[tuple[str, str]],
        parts: Iterable[tuple[Ids, Named]],
    ) -> None:
        """Store or forget a head and, in the same transaction, exchange all predictions.

        With the last head the views go, too: nothing is left that could learn from them again.

        Parameters
        ----------
        put
            Name and file of a head to store.
        delete
            Name of a head to forget.
        names
            All categories there are from now on, as `(source, name)`.
        parts
            Every image and what it is from now on, some at a time; taken while the transaction
            is open, so that no more than one part is in memory.
        """
        with self.database.writing() as connection:
            if put is not None:
                put_head(connection, *put)
            if delete is not None and not delete_head(connection, delete):
                delete_all_views(connection)
            replace_predictions(connection, names, parts)

    def prefer(self, kind: str | None, memory: int | None) -> None:
        """Record what is asked of the index; None leaves what was asked before.

        Parameters
        ----------
        kind
            `auto`, `exact` or `compressed`.
        memory
            Bytes that it should fit into, 0 for no limit any more.
        """
        with self.database.reading() as connection:
            before = read_preference(connection)
        limit = before.memory if memory is None else memory or None
        wanted = Preference(kind or before.kind, limit)
        if wanted != before:
            with self.database.writing() as connection:
                write_preference(connection, wanted)

    def vectors(self) -> VectorAddress:
        """Return where the vectors are kept."""
        with self.database.reading() as connection:
            return read_vectors(connection)

    def keep_vectors_in(self, address: VectorAddress) -> None:
        """Record where the vectors are kept from now on."""
        with self.database.writing() as connection:
            write_vectors(connection, address)

    def state(self) -> CatalogState:
        """Return the state that the visible embeddings are in."""
        with self.database.reading() as connection:
            return read_state(connection)

    def image_count(self) -> int:
        """Return how many images are visible."""
        visible = select(func.count()).select_from(Image).where(Image.missing_since.is_(None))
        with self.database.reading() as connection:
            return int(connection.execute(visible).scalar_one())

    def counts(self) -> CatalogCounts:
        """Return how much there is of everything."""
        visible = Image.missing_since.is_(None)
        queries = (
            select(func.count()).select_from(Image).where(visible),
            select(func.count()).select_from(Image).where(~visible),
            select(func.count()).select_from(Embedding),
            select(func.count()).select_from(Image).where(visible, Image.label.is_not(None)),
            select(func.count()).select_from(Prediction),
            select(func.count()).select_from(View),
            select(func.count()).select_from(Head),
        )
        with self.database.reading() as connection:
            counts = [connection.execute(query).scalar_one() for query in queries]
        counts.append(sum(map(sum, self.judgements.counts().values())))
        return CatalogCounts(*counts)

    def compact(self) -> None:
        """Give back the room of what was removed; see `Database.compact`."""
        self.database.compact(sorted(Base.metadata.tables))

    def problems(self) -> list[str]:
        """Check the invariants, and what the database can check; return what is wrong."""
        pairs = select(func.count()).select_from(Image).outerjoin(Embedding)
        with self.database.reading() as connection:
            lonely = connection.execute(pairs.where(Embedding.image_id.is_(None))).scalar_one()
        found = [f"{lonely} images have no embedding"] if lonely else []
        return found + self.database.problems()

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def _closed_on_error(database: Database) -> Iterator[Database]:
    try:
        yield database
    except BaseException:
        database.close()
        raise


def _put_network(connection: Connection, fingerprint: str, file: bytes) -> None:
    connection.execute(
        insert(Network).values(fingerprint=fingerprint, created_at=datetime.now(UTC), file=file)
    )


def _make_tables(connection: Connection) -> None:
    """Make the tables of a new catalog, in the state in which it begins."""
    Base.metadata.create_all(connection, checkfirst=False)
    write_first_token(connection)
