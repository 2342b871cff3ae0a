"""Keeping the index in step with the catalog.

Its files are derived: they may be missing, stale or damaged, and nothing is lost. At open they
catch up from SQL, or are built anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, func, select

from index.blobs import unpack
from index.building import Chunk, build, extend, sample_size
from index.catalog import Catalog
from index.files import (
    Stamp,
    main_path,
    put,
    read_main,
    read_main_stamp,
    read_small,
    write_main,
    write_small,
)
from index.plan import EXACT_NUMBERS, Plan, Preference, choose_plan
from index.records import Ids, Vectors
from index.schema import Embedding, Image, Query, Removal
from index.settings import read_catalog_id, read_generation, read_preference
from index.vectors import VectorIndex

CHUNK_ROWS = 2048
IDS_PER_STATEMENT = 900
# So many new images, or this share of all, are compared whole before they are arranged, too.
FRESH = 4096
FRESH_SHARE = 0.01
# Arranged anew, centroids and all, when it has grown so many times or so much of it is hidden.
GROWTH = 2.5
HIDDEN_SHARE = 0.3
# Beyond this share of changed images, catching up costs more than building.
MOST_CHANGED = 0.5

Progress = Callable[[int, int], None]


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


def peek_index(catalog: Catalog, path: Path) -> OpenedIndex | None:
    """Return the index as `open_index` does, None where that would take a long build."""
    return _open(catalog, path, settle=False, progress=None, peek=True)


def open_index(
    catalog: Catalog, path: Path, *, settle: bool = False, progress: Progress | None = None
) -> OpenedIndex:
    """Return the index of a catalog as it is now, whatever the files at `path` are like.

    The files themselves are left as they are; `save_index` replaces them, under the store's
    writer lock.

    Parameters
    ----------
    settle
        Arrange it anew where it has outgrown its arrangement; for one who will save it.
    progress
        Is told how many images of how many a long build has added.
    """
    opened = _open(catalog, path, settle, progress, peek=False)
    assert opened is not None
    return opened


def _open(
    catalog: Catalog, path: Path, settle: bool, progress: Progress | None, peek: bool
) -> OpenedIndex | None:
    identity = catalog.identity
    with catalog.database.reading() as connection:
        generation = read_generation(connection)
        key = read_catalog_id(connection)
        stored = _read(path, catalog, key)
        if stored is not None and stored[1] == generation and not (settle or peek):
            # Nothing has changed since; to count a million rows would take longer than a search.
            return OpenedIndex(stored[0], key, generation, len(stored[0]), "current")
        count = connection.execute(_visible(select(func.count()))).scalar_one()
        preference = read_preference(connection)
        plan = choose_plan(count, identity.dim, identity.dtype, preference)
        if stored is not None and not (settle and _outgrown(stored[0], plan, preference)):
            vectors, since = stored
            if since == generation and len(vectors) == count:
                folded = _folded(vectors, path, identity.dtype) if settle else vectors
                state = "current" if folded is vectors else "caught up"
                return OpenedIndex(folded, key, generation, count, state)
            if since < generation and _few_changed(connection, since, count):
                _catch_up(connection, vectors, since, identity.dtype)
                if len(vectors) == count:
                    if settle:
                        vectors = _folded(vectors, path, identity.dtype)
                    return OpenedIndex(vectors, key, generation, count, "caught up")
        if peek and not plan.is_exact:
            return None
        vectors = _build(connection, catalog, plan, count, progress)
        return OpenedIndex(vectors, key, generation, count, "rebuilt")


def save_index(opened: OpenedIndex, catalog: Catalog, path: Path) -> bool:
    """Write the index to `path`; return whether that worked.

    A disk that is full costs only time at the next start, so it is no error here.
    """
    identity, vectors, large = catalog.identity, opened.vectors, main_path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    stamp = Stamp(
        opened.catalog,
        identity.fingerprint,
        identity.dim,
        identity.dtype,
        len(vectors),
        opened.generation,
        crc32=0,
        main=vectors.main.key if vectors.main is not None else "",
    )
    try:
        # The caller is the only writer, so whatever lies there was left by one that was killed.
        for leftover in path.parent.glob(f"{path.name}.*.tmp"):
            leftover.unlink()
        if vectors.main is not None and not _is_saved(vectors.main.key, large):
            # Alone it would not show what lies beside it: then it shows no state at all.
            state = replace(stamp, generation=0) if vectors.fresh else stamp
            write_main(temporary, vectors.main, state)
            put(temporary, large)
        write_small(temporary, vectors, stamp)
        put(temporary, path)
        if vectors.main is None:
            large.unlink(missing_ok=True)
    except (OSError, RuntimeError):
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        return False
    return True


def _read(path: Path, catalog: Catalog, key: str) -> tuple[VectorIndex, int] | None:
    """Return what the files hold of this catalog, and which of its generations they show."""
    identity = catalog.identity
    wanted = (key, identity.fingerprint, identity.dim, identity.dtype)

    def fits(stamp: object) -> bool:
        facts = ("catalog", "fingerprint", "dim", "dtype")
        return tuple(getattr(stamp, fact) for fact in facts) == wanted

    small = read_small(path)
    if small is not None and not fits(small[2]):
        small = None
    if small is not None and not small[2].main:
        vectors, _, stamp = small
        return (vectors, stamp.generation) if len(vectors) == stamp.count else None
    large = read_main(main_path(path))
    if large is None or not fits(large[1]):
        return None
    main, main_stamp = large
    if small is None or small[2].main != main.key:
        # The small file is lost, or belongs to another: the large one alone is older, and whole.
        return VectorIndex.empty(identity.dim, identity.dtype, main), main_stamp.generation
    vectors, hidden, stamp = small
    main.hide_places(hidden)
    vectors.main = main
    return (vectors, stamp.generation) if len(vectors) == stamp.count else None


def _is_saved(key: str, large: Path) -> bool:
    stamp = read_main_stamp(large)
    return stamp is not None and stamp.key == key


def _outgrown(vectors: VectorIndex, plan: Plan, preference: Preference) -> bool:
    main = vectors.main
    if main is None:
        return not plan.is_exact
    if plan.is_exact:
        # Not back and forth with every image around the threshold.
        return preference.kind == "exact" or 2 * len(vectors) * vectors.dim <= EXACT_NUMBERS
    return (
        main.refine != plan.refine
        or len(vectors) > GROWTH * main.trained_on
        or main.total - len(main) > HIDDEN_SHARE * main.total
    )


def _folded(vectors: VectorIndex, path: Path, dtype: str) -> VectorIndex:
    """Return the index with what is compared whole arranged beside the rest, if it is much."""
    main = vectors.main
    if main is None or vectors.fresh <= max(FRESH, FRESH_SHARE * main.total):
        return vectors
    # A mapped index cannot be added to.
    owned = read_main(main_path(path), mapped=False)
    if owned is None or owned[0].key != main.key:
        return vectors
    owned[0].hide_places(main.hidden)
    return VectorIndex.empty(vectors.dim, dtype, extend(owned[0], vectors.fresh_blocks()))


def _visible(query: Query) -> Query:
    return (
        query.select_from(Image)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(Image.missing_since.is_(None))
    )


def _vector_query() -> Query:
    return _visible(select(Image.id, Embedding.vector, Embedding.norm)).order_by(Image.id)


def _chunks(connection: Connection, query: Query, dtype: str) -> Iterator[tuple[Ids, Vectors]]:
    rows = connection.execute(query.execution_options(yield_per=CHUNK_ROWS))
    for part in rows.partitions():
        yield unpack(part, np.dtype(dtype))


def _few_changed(connection: Connection, since: int, count: int) -> bool:
    changed = connection.execute(
        select(func.count()).select_from(Image).where(Image.generation > since)
    ).scalar_one()
    return bool(changed <= max(FRESH, MOST_CHANGED * count))


def _catch_up(connection: Connection, vectors: VectorIndex, since: int, dtype: str) -> None:
    changed = Image.generation > since
    touched = connection.execute(select(Image.id).where(changed)).scalars()
    vectors.remove(np.fromiter(touched, np.int64))
    forgotten = select(Removal.image_id).where(Removal.generation > since)
    vectors.remove(np.fromiter(connection.execute(forgotten).scalars(), np.int64))
    for ids, found in _chunks(connection, _vector_query().where(changed), dtype):
        vectors.add(ids, found.unit)


def _build(
    connection: Connection, catalog: Catalog, plan: Plan, count: int, progress: Progress | None
) -> VectorIndex:
    identity = catalog.identity
    vectors = VectorIndex.empty(identity.dim, identity.dtype)
    everything = _chunks(connection, _vector_query(), identity.dtype)
    if plan.is_exact or count < plan.lists:
        for ids, found in everything:
            vectors.add(ids, found.unit)
        return vectors

    def told(done: int) -> None:
        if progress is not None:
            progress(done, count)

    told(0)
    sample = _sample(connection, sample_size(plan), identity.dtype)
    chunks = ((ids, found.unit) for ids, found in everything)
    vectors.main = build(plan, sample, chunks, told)
    return vectors


def _sample(connection: Connection, size: int, dtype: str) -> Chunk:
    """Return images chosen at random, in random order; the same ones for the same catalog."""
    ids = np.fromiter(connection.execute(_visible(select(Image.id))).scalars(), np.int64)
    random = np.random.default_rng(len(ids))
    chosen = np.sort(random.choice(ids, min(size, len(ids)), replace=False))
    parts = [_some(connection, part, dtype) for part in _parts(chosen.tolist())]
    order = random.permutation(len(chosen))
    unit = np.concatenate([vectors.unit for _, vectors in parts])
    return np.concatenate([part for part, _ in parts])[order], unit[order]


def _some(connection: Connection, ids: Sequence[int], dtype: str) -> tuple[Ids, Vectors]:
    query = _vector_query().where(Image.id.in_(ids))
    return unpack(connection.execute(query).all(), np.dtype(dtype))


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(ids), IDS_PER_STATEMENT):
        yield ids[start : start + IDS_PER_STATEMENT]
