"""What an index is made of: every visible embedding of the catalog, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from sqlalchemy import Connection, func, select, type_coerce
from sqlalchemy.types import NullType

from index.catalog.schema import Embedding, Image, Query
from index.catalog.vector_codec import unpack
from index.records import Floats, Ids, Vectors
from index.vectors.flat import Rows

CHUNK_ROWS = 2048
# Rows that are only passed on: few, since their bytes are all that this takes of memory.
PASSED_ROWS = 256
IDS_PER_STATEMENT = 900


def count_visible(connection: Connection) -> int:
    """Return how many embeddings there are."""
    return int(connection.execute(_visible(select(func.count()))).scalar_one())


def chunks(
    connection: Connection, dtype: str, since: int | None = None
) -> Iterator[tuple[Ids, Vectors]]:
    """Yield ids and embeddings in order of id, of images that changed after `since` alone."""
    query = _vector_query()
    if since is not None:
        query = query.where(Image.generation > since)
    rows = connection.execute(query.execution_options(yield_per=CHUNK_ROWS))
    for part in rows.partitions():
        yield unpack(part, np.dtype(dtype))


def stored_rows(connection: Connection) -> Iterator[Rows]:
    """Yield ids and vectors as they are stored, in order of id."""
    # As the driver gives them: a converter per value would double the time.
    vector = type_coerce(Embedding.vector, NullType())
    query = _visible(select(Image.id, vector)).order_by(Image.id)
    for part in connection.execute(query.execution_options(yield_per=PASSED_ROWS)).partitions():
        ids, blobs = zip(*part, strict=True)
        yield ids, blobs


def sample(connection: Connection, size: int, dtype: str) -> tuple[Ids, Floats]:
    """Return images chosen at random, in random order; the same ones for the same catalog."""
    ids = np.fromiter(connection.execute(_visible(select(Image.id))).scalars(), np.int64)
    random = np.random.default_rng(len(ids))
    chosen = np.sort(random.choice(ids, min(size, len(ids)), replace=False))
    parts = [_some(connection, part, dtype) for part in _parts(chosen.tolist())]
    order = random.permutation(len(chosen))
    unit = np.concatenate([vectors.unit for _, vectors in parts])
    return np.concatenate([part for part, _ in parts])[order], unit[order]


def _visible(query: Query) -> Query:
    return (
        query.select_from(Image)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(Image.missing_since.is_(None))
    )


def _vector_query() -> Query:
    return _visible(select(Image.id, Embedding.vector, Embedding.norm)).order_by(Image.id)


def _some(connection: Connection, ids: Sequence[int], dtype: str) -> tuple[Ids, Vectors]:
    query = _vector_query().where(Image.id.in_(ids))
    return unpack(connection.execute(query).all(), np.dtype(dtype))


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield ids[start : start + IDS_PER_STATEMENT]
