"""The tables `images` and `embeddings`: what the engine remembers of each picture file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import chain, islice
from typing import Any

import numpy as np
from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from index.catalog.paths import is_below
from index.catalog.sql.checksums import checksum
from index.catalog.sql.database import Database, chunks_of
from index.catalog.sql.dialects.rows import bulk_of, driver_rows
from index.catalog.sql.migrations import INODES
from index.catalog.sql.path_conditions import below
from index.catalog.sql.schema import (
    Category,
    Embedding,
    Image,
    Prediction,
    Query,
    Removal,
    table_of,
)
from index.catalog.tables.facts import write_facts
from index.catalog.tables.filters import Filter, with_prediction
from index.catalog.tables.predictions import write_predictions
from index.catalog.tables.settings import next_generation
from index.catalog.tables.views import delete_views_without_image
from index.catalog.vector_codec import pack
from index.records import (
    FileState,
    Ids,
    ImageFacts,
    ImageRow,
    KnownImage,
    Named,
    Vectors,
)

# More roots than this are left to Python: SQLite takes expressions at most 1,000 deep.
ROOTS_PER_STATEMENT = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures to be committed together: facts, embeddings and predictions in the same order.

    `ids` holds the row each picture already has, None for a new one.
    """

    ids: Sequence[int | None]
    facts: Sequence[ImageFacts]
    vectors: Vectors
    named: Named


class ImageTable:
    """Verbs over the images of one catalog.

    Parameters
    ----------
    database
        Where they are.
    dtype
        How vectors are stored: `float16` or `float32`.
    """

    def __init__(self, database: Database, dtype: str) -> None:
        self._database = database
        self._dtype = np.dtype(dtype)

    def known(self, roots: Iterable[str]) -> dict[str, KnownImage]:
        """Return every image at or below one of `roots`, gone ones included, by path."""
        roots = frozenset(roots)
        query = self._known_query()
        if len(roots) <= ROOTS_PER_STATEMENT:
            at_or_below = (below(self._database.paths, root) for root in roots)
            query = query.where(or_(false(), *at_or_below))
        found = self._known(query)
        return {image.path: image for image in found if is_below(image.path, roots)}

    def known_at(self, paths: Sequence[str]) -> dict[str, KnownImage]:
        """Return the images at these very paths, gone ones included, by path."""
        found: list[KnownImage] = []
        for chunk in chunks_of(list(map(self._database.paths.encode, paths))):
            found += self._known(self._known_query().where(Image.path.in_(chunk)))
        return {image.path: image for image in found}

    def with_content(self, content_hash: str) -> list[KnownImage]:
        """Return the images whose file has this content, oldest first."""
        query = self._known_query().where(Image.content_hash == content_hash).order_by(Image.id)
        return self._known(query)

    def store(self, batch: Batch) -> list[int]:
        """Commit pictures with their embeddings and predictions; return their ids.

        Raises
        ------
        DiskFullError
            There was no room; nothing of the batch was kept.
        """
        blobs, norms = pack(batch.vectors.unit, self._dtype), batch.vectors.norm.tolist()
        hashes = [each.content_hash for each in batch.facts]
        sums = list(map(checksum, hashes, norms, blobs))
        with self._database.writing() as connection:
            generation = next_generation(connection)
            ids = write_facts(connection, batch.ids, batch.facts, sums, generation)
            for chunk in chunks_of(ids):
                connection.execute(delete(Embedding).where(Embedding.image_id.in_(chunk)))
            rows = [
                {"image_id": image_id, "vector": blob, "norm": norm}
                for image_id, blob, norm in zip(ids, blobs, norms, strict=True)
            ]
            bulk_of(connection).insert(connection, table_of(Embedding), rows)
            write_predictions(connection, np.array(ids, np.int64), batch.named)
        return ids

    def restat(self, changes: Iterable[tuple[int, FileState, int]]) -> None:
        """Record new sizes, times and paths of images whose content is the same; show them again.

        `changes` are `(id, file, scanned_ns)`; a path that differs from the recorded one moves
        the image, and its embedding with it.
        """
        rows: list[dict[str, Any]] = [
            {
                "row": image_id,
                "new_path": self._database.paths.encode(file.path),
                "new_size": file.size,
                "new_mtime_ns": file.mtime_ns,
                "new_inode": file.inode,
                "new_ctime_ns": file.ctime_ns,
                "new_scanned_ns": scanned_ns,
            }
            for image_id, file, scanned_ns in changes
        ]
        if not rows:
            return
        with self._database.writing() as connection:
            self._reveal(connection, [row["row"] for row in rows])
            statement = (
                update(Image)
                .where(Image.id == bindparam("row"))
                .values(
                    path=bindparam("new_path"),
                    size=bindparam("new_size"),
                    mtime_ns=bindparam("new_mtime_ns"),
                    inode=bindparam("new_inode"),
                    ctime_ns=bindparam("new_ctime_ns"),
                    scanned_ns=bindparam("new_scanned_ns"),
                )
            )
            connection.execute(statement, rows)

    def move(self, paths: Iterable[tuple[int, str]]) -> None:
        """Record that files lie elsewhere, given as `(id, path)`; hidden images stay hidden.

        Size and time stay what they were; inode and ctime are learned when the file is seen.
        """
        encode = self._database.paths.encode
        rows = [{"row": image_id, "new": encode(path)} for image_id, path in paths]
        if rows:
            values: dict[str, Any] = {"path": bindparam("new"), "inode": None, "ctime_ns": None}
            with self._database.writing() as connection:
                connection.execute(
                    update(Image).where(Image.id == bindparam("row")).values(values), rows
                )

    def reveal(self, ids: Sequence[int]) -> None:
        """Show again images that were gone."""
        if ids:
            with self._database.writing() as connection:
                self._reveal(connection, ids)

    def hide(self, ids: Sequence[int]) -> None:
        """Mark images as gone. Their embeddings stay, for the day the files come back."""
        if not ids:
            return
        with self._database.writing() as connection:
            generation = next_generation(connection)
            values = {"missing_since": datetime.now(UTC), "generation": generation}
            for chunk in chunks_of(ids):
                connection.execute(update(Image).where(Image.id.in_(chunk)).values(values))

    def relabel(self, labels: Iterable[tuple[int, str | None]]) -> None:
        """Set the label of images, given as `(id, label)`."""
        rows = [{"row": image_id, "new": label} for image_id, label in labels]
        if rows:
            statement = (
                update(Image).where(Image.id == bindparam("row")).values(label=bindparam("new"))
            )
            with self._database.writing() as connection:
                connection.execute(statement, rows)

    def delete(self, ids: Sequence[int]) -> None:
        """Forget images altogether, embeddings and predictions included.

        The views of a content go with the last image that has it.
        """
        if not ids:
            return
        with self._database.writing() as connection:
            generation, hashes = next_generation(connection), set[str]()
            for chunk in chunks_of(ids):
                connection.execute(delete(Prediction).where(Prediction.image_id.in_(chunk)))
                connection.execute(delete(Embedding).where(Embedding.image_id.in_(chunk)))
                statement = delete(Image).where(Image.id.in_(chunk))
                gone = connection.execute(statement.returning(Image.id, Image.content_hash)).all()
                hashes.update(row.content_hash for row in gone)
                removals = [{"image_id": row.id, "generation": generation} for row in gone]
                if removals:
                    connection.execute(insert(Removal), removals)
            delete_views_without_image(connection, hashes)

    def matching(self, condition: Filter, *, after: int = 0, most: int | None = None) -> Ids:
        """Return the ids of visible images that meet `condition`, ascending, int64 `[n]`.

        Parameters
        ----------
        after
            Only ids above this one.
        most
            How many; None for all.
        """
        query = with_prediction(select(Image.id, *condition.glob_columns))
        paths = self._database.paths
        query = query.where(condition.sql(paths)).order_by(Image.id)
        if after:
            query = query.where(Image.id > after)
        if most is not None and not condition.globs:
            query = query.limit(most)
        with self._database.reading() as connection:
            rows = driver_rows(connection.execute(query))
            parts = (condition.ids(some, paths) for some in rows)
            return np.fromiter(islice(chain.from_iterable(parts), most), np.int64)

    def rows(self, ids: Sequence[int]) -> dict[int, ImageRow]:
        """Return what a reader sees of these images; unknown ids are left out."""
        decode = self._database.paths.decode
        found: dict[int, ImageRow] = {}
        with self._database.reading() as connection:
            for chunk in chunks_of(ids):
                for key, path, *others in connection.execute(_rows_query(), {"ids": chunk}):
                    found[key] = ImageRow(key, decode(path), *others)
        return found

    def rebase(self) -> None:
        """Store relative every path below the folder that the store lies in by now.

        Where two images come to lie in one place, that which was stored whole is forgotten.
        """
        from index.catalog.sql.migrations.m0007_relative_paths import make_relative
        from index.catalog.sql.rebase import overtaken, stored_whole

        paths = self._database.paths
        with self._database.reading() as connection:
            if not stored_whole(connection, paths):
                return
            gone = overtaken(connection, paths)
        self.delete(gone)
        with self._database.writing() as connection:
            make_relative(connection, paths)

    def _known(self, query: Query) -> list[KnownImage]:
        decode = self._database.paths.decode
        with self._database.reading() as connection:
            rows = connection.execute(query)
            return [KnownImage(key, decode(path), *others) for key, path, *others in rows]

    def _known_query(self) -> Query:
        # An older catalog that cannot be written has no such columns.
        identified = self._database.version >= INODES
        return select(
            Image.id,
            Image.path,
            Image.size,
            Image.mtime_ns,
            Image.scanned_ns,
            Image.content_hash,
            Image.label,
            Image.missing_since.is_not(None),
            Image.inode if identified else null(),
            Image.ctime_ns if identified else null(),
        )

    def _reveal(self, connection: Connection, ids: Sequence[int]) -> None:
        for chunk in chunks_of(ids):
            hidden = and_(Image.id.in_(chunk), Image.missing_since.is_not(None))
            if connection.execute(select(func.count()).where(hidden)).scalar_one():
                values = {"missing_since": None, "generation": next_generation(connection)}
                connection.execute(update(Image).where(hidden).values(values))


@cache
def _rows_query() -> Query:
    """Return a query of what a reader sees of some images; made once, for searches wait for it."""
    columns = (
        Image.id,
        Image.path,
        Image.content_hash,
        Image.width,
        Image.height,
        Image.format,
        Image.label,
        Category.name,
        Prediction.probability,
        Image.indexed_at,
    )
    return with_prediction(select(*columns)).where(Image.id.in_(bindparam("ids", expanding=True)))
