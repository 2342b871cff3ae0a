"""Keeping the FAISS file in step with the catalog.

The file is derived: it may be missing, stale or damaged, and nothing is lost. It ends with a
stamp that says which state of the catalog it shows. At open it catches up from SQL, or is built
anew. It is written under another name, flushed to the disk, and renamed.

    [ FAISS's own bytes ][ stamp as JSON ][ length of the stamp, 8 bytes ][ magic, 8 bytes ]
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from index.blobs import unpack
from index.catalog import Catalog
from index.records import Ids, Vectors
from index.schema import Embedding, Image, Query
from index.settings import read_catalog_id, read_generation
from index.vectors import VectorIndex

MAGIC = b"ENGINEIX"
CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which state of which catalog an index file shows."""

    catalog: str
    fingerprint: str
    dim: int
    dtype: str
    count: int
    generation: int
    crc32: int


@dataclass(frozen=True, slots=True)
class OpenedIndex:
    """An index in step with its catalog.

    `count` is how many embeddings the catalog showed in the same moment; a writer may have added
    some since. `state` says what it took: `current`, `caught up` or `rebuilt`.
    """

    vectors: VectorIndex
    catalog: str
    generation: int
    count: int
    state: str


def open_index(catalog: Catalog, path: Path) -> OpenedIndex:
    """Return the index of a catalog as it is now, whatever the file at `path` is like.

    The file itself is left as it is; `save_index` replaces it, under the store's writer lock.
    """
    stored = _read(path)
    with catalog.database.reading() as connection:
        generation = read_generation(connection)
        count = connection.execute(_visible(select(func.count()))).scalar_one()
        key = read_catalog_id(connection)
        if stored is not None and _same_catalog(stored[1], catalog, key):
            vectors, stamp = stored
            if stamp.generation == generation and len(vectors) == count:
                return OpenedIndex(vectors, key, generation, count, "current")
            if stamp.generation < generation:
                _catch_up(connection, vectors, stamp.generation, catalog.identity.dtype)
                if len(vectors) == count:
                    return OpenedIndex(vectors, key, generation, count, "caught up")
        return OpenedIndex(_build(connection, catalog), key, generation, count, "rebuilt")


def save_index(opened: OpenedIndex, catalog: Catalog, path: Path) -> bool:
    """Write the index to `path`; return whether that worked.

    A disk that is full costs only time at the next start, so it is no error here.
    """
    identity = catalog.identity
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        # The caller is the only writer, so whatever lies there was left by one that was killed.
        for leftover in path.parent.glob(f"{path.name}.*.tmp"):
            leftover.unlink()
        opened.vectors.write(temporary)
        stamp = Stamp(
            opened.catalog,
            identity.fingerprint,
            identity.dim,
            identity.dtype,
            len(opened.vectors),
            opened.generation,
            crc32=0,
        )
        stamp = replace(stamp, crc32=_checksum(temporary, temporary.stat().st_size, stamp))
        body = json.dumps(asdict(stamp)).encode()
        with temporary.open("ab") as file:
            file.write(body + len(body).to_bytes(8, "little") + MAGIC)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _flush_folder(path.parent)
    except (OSError, RuntimeError):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def read_stamp(path: Path) -> Stamp | None:
    """Return the stamp of an index file, None where it is missing or damaged."""
    try:
        with path.open("rb") as file:
            stamp, size = _read_trailer(file)
        return stamp if _checksum(path, size, stamp) == stamp.crc32 else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _read(path: Path) -> tuple[VectorIndex, Stamp] | None:
    stamp = read_stamp(path)
    if stamp is None:
        return None
    try:
        vectors = VectorIndex.read(path)
    except (OSError, RuntimeError):
        return None
    if vectors.dim != stamp.dim or len(vectors) != stamp.count:
        return None
    return vectors, stamp


def _read_trailer(file: Any) -> tuple[Stamp, int]:
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 16))
    tail = file.read(16)
    length = int.from_bytes(tail[:8], "little")
    size = end - 16 - length
    if tail[8:] != MAGIC or size < 0:
        raise ValueError("no stamp")
    file.seek(size)
    return Stamp(**json.loads(file.read(length))), size


def _checksum(path: Path, size: int, stamp: Stamp) -> int:
    """Return the CRC-32 of the vectors and of all that the stamp says beside it."""
    value = zlib.crc32(json.dumps(asdict(replace(stamp, crc32=0))).encode())
    with path.open("rb") as file:
        while size > 0 and (chunk := file.read(min(CHUNK_BYTES, size))):
            value = zlib.crc32(chunk, value)
            size -= len(chunk)
    return value


def _same_catalog(stamp: Stamp, catalog: Catalog, key: str) -> bool:
    identity = catalog.identity
    return (stamp.catalog, stamp.fingerprint, stamp.dim, stamp.dtype) == (
        key,
        identity.fingerprint,
        identity.dim,
        identity.dtype,
    )


def _visible(query: Query) -> Query:
    return (
        query.select_from(Image)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(Image.missing_since.is_(None))
    )


def _rows(query: Query, connection: Connection, dtype: str) -> tuple[Ids, Vectors]:
    return unpack(connection.execute(query).all(), np.dtype(dtype))


def _vector_query() -> Query:
    return _visible(select(Image.id, Embedding.vector, Embedding.norm)).order_by(Image.id)


def _catch_up(connection: Connection, vectors: VectorIndex, since: int, dtype: str) -> None:
    changed = Image.generation > since
    touched = connection.execute(select(Image.id).where(changed)).scalars()
    vectors.remove(np.fromiter(touched, np.int64))
    ids, found = _rows(_vector_query().where(changed), connection, dtype)
    vectors.add(ids, found.unit)


def _build(connection: Connection, catalog: Catalog) -> VectorIndex:
    identity = catalog.identity
    vectors = VectorIndex.empty(identity.dim, identity.dtype)
    ids, found = _rows(_vector_query(), connection, identity.dtype)
    vectors.add(ids, found.unit)
    return vectors


def _flush_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
