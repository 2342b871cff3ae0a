"""Keeping the index in step with the catalog.

Its files are derived: they may be missing, stale or damaged, and nothing is lost. At open they
catch up from SQL, or are built anew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, func, select

from index.catalog.catalog import Catalog
from index.catalog.embeddings import chunks, count_visible, sample, stored_rows
from index.catalog.schema import Image, Removal
from index.catalog.settings import read_catalog_id, read_generation, read_preference
from index.records import CatalogIdentity, Preference
from index.vectors.build import build_segment, extend_segment, sample_size
from index.vectors.choose import EXACT_COMPONENTS, Plan, choose_plan
from index.vectors.faiss_index import VectorIndex
from index.vectors.files import (
    main_path,
    put,
    read_main,
    read_main_stamp,
    read_small,
    read_stamp,
    temporary_for,
    write_exact,
    write_main,
    write_small,
)
from index.vectors.manifest import MainStamp, Stamp

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
        count = count_visible(connection)
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
        with temporary_for(path) as temporary:
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
        return False
    return True


def settle_index(
    catalog: Catalog, path: Path, progress: Progress | None = None
) -> OpenedIndex | None:
    """Bring the files at `path` in step with the catalog; for the store's only writer.

    Vectors that are to be compared whole are not even opened for that: the file is written while
    the catalog is read, in memory that does not grow with the number of images. To read them all
    takes no longer than to read, change and write the file. As with `save_index`, a disk that is
    full is no error.

    Returns
    -------
    OpenedIndex | None
        The index where it was opened, since it is arranged or was; else None.
    """
    if _settle_exact(catalog, path):
        return None
    opened = open_index(catalog, path, settle=True, progress=progress)
    if opened.state != "current":
        save_index(opened, catalog, path)
    return opened


def _settle_exact(catalog: Catalog, path: Path) -> bool:
    """Write the small file where there is no other to be; return whether there is none."""
    identity = catalog.identity
    with catalog.database.reading() as connection:
        key, generation = read_catalog_id(connection), read_generation(connection)
        count = count_visible(connection)
        plan = choose_plan(count, identity.dim, identity.dtype, read_preference(connection))
        found, large = read_stamp(path), main_path(path)
        # A large file that the small one does not name was left by a process that was killed.
        arranged = large.exists() and (found is None or bool(found.main))
        if arranged or not plan.is_exact:
            return False
        stamp = Stamp(
            key, identity.fingerprint, identity.dim, identity.dtype, count, generation, crc32=0
        )
        with suppress(OSError):
            if found is None or replace(found, crc32=0) != stamp:
                with temporary_for(path) as temporary:
                    write_exact(temporary, stored_rows(connection), stamp)
                    put(temporary, path)
            large.unlink(missing_ok=True)
        return True


def _read(path: Path, catalog: Catalog, key: str) -> tuple[VectorIndex, int] | None:
    """Return what the files hold of this catalog, and which of its generations they show."""
    identity = catalog.identity
    small = read_small(path)
    if small is not None and not _fits(small[2], key, identity):
        small = None
    if small is not None and not small[2].main:
        vectors, _, stamp = small
        return (vectors, stamp.generation) if len(vectors) == stamp.count else None
    large = read_main(main_path(path))
    if large is None or not _fits(large[1], key, identity):
        return None
    main, main_stamp = large
    if small is None or small[2].main != main.key:
        # The small file is lost, or belongs to another: the large one alone is older, and whole.
        return VectorIndex.empty(identity.dim, identity.dtype, main), main_stamp.generation
    vectors, hidden, stamp = small
    main.hide_positions(hidden)
    vectors.main = main
    return (vectors, stamp.generation) if len(vectors) == stamp.count else None


def _fits(stamp: Stamp | MainStamp, key: str, identity: CatalogIdentity) -> bool:
    shown = (stamp.catalog, stamp.fingerprint, stamp.dim, stamp.dtype)
    return shown == (key, identity.fingerprint, identity.dim, identity.dtype)


def _is_saved(key: str, large: Path) -> bool:
    stamp = read_main_stamp(large)
    return stamp is not None and stamp.key == key


def _outgrown(vectors: VectorIndex, plan: Plan, preference: Preference) -> bool:
    main = vectors.main
    if main is None:
        return not plan.is_exact
    if plan.is_exact:
        # Not back and forth with every image around the threshold.
        return preference.kind == "exact" or 2 * len(vectors) * vectors.dim <= EXACT_COMPONENTS
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
    owned[0].hide_positions(main.hidden)
    return VectorIndex.empty(vectors.dim, dtype, extend_segment(owned[0], vectors.fresh_blocks()))


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
    for ids, found in chunks(connection, dtype, since):
        vectors.add(ids, found.unit)


def _build(
    connection: Connection, catalog: Catalog, plan: Plan, count: int, progress: Progress | None
) -> VectorIndex:
    identity = catalog.identity
    vectors = VectorIndex.empty(identity.dim, identity.dtype)
    everything = chunks(connection, identity.dtype)
    if plan.is_exact or count < plan.lists:
        for ids, found in everything:
            vectors.add(ids, found.unit)
        return vectors

    def told(done: int) -> None:
        if progress is not None:
            progress(done, count)

    told(0)
    some = sample(connection, sample_size(plan), identity.dtype)
    vectors.main = build_segment(plan, some, ((ids, found.unit) for ids, found in everything), told)
    return vectors
