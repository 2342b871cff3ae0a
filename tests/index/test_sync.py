"""The index is opened in step with the catalog, whatever has changed since it was saved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import FileState
from index.sync import OpenedIndex
from tests.support.indexes import manifest_in, open_at, save_at, settle_at

MakeBatch = Callable[..., Batch]
NewCatalog = Callable[..., AbstractContextManager[Catalog]]
CheckedIndex = Callable[[Catalog, Path], OpenedIndex]


def test_without_a_file_the_index_is_built(
    catalog: Catalog, five: list[int], folder: Path, check: CheckedIndex
) -> None:
    assert check(catalog, folder).origin == "rebuilt"
    assert not folder.exists(), "only saving writes"


def test_a_saved_index_is_current(
    catalog: Catalog, saved: dict[str, bytes], folder: Path, check: CheckedIndex
) -> None:
    assert check(catalog, folder).origin == "current"
    manifest = manifest_in(folder)
    assert (manifest.count, manifest.state) == (5, catalog.state())
    assert (manifest.state.generation, manifest.kind, manifest.segment) == (
        1,
        "exact float32",
        None,
    )


def test_the_index_of_an_empty_catalog_can_be_kept_too(
    catalog: Catalog, folder: Path, check: CheckedIndex
) -> None:
    save_at(catalog, folder)
    assert check(catalog, folder).origin == "current"


def test_a_change_of_labels_leaves_the_index_current(
    catalog: Catalog, five: list[int], saved: dict[str, bytes], folder: Path, check: CheckedIndex
) -> None:
    catalog.images.relabel([(five[0], "bed")])
    assert check(catalog, folder).origin == "current"


def test_an_older_file_catches_up(
    catalog: Catalog,
    five: list[int],
    saved: dict[str, bytes],
    folder: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
) -> None:
    catalog.images.store(make_batch(["/new", "/0"], ids=[None, five[0]], seed=1))
    catalog.images.hide(five[1:2])
    assert check(catalog, folder).origin == "caught up"


def test_after_a_deletion_the_index_catches_up(
    catalog: Catalog, five: list[int], saved: dict[str, bytes], folder: Path, check: CheckedIndex
) -> None:
    catalog.images.delete(five[:2])
    assert check(catalog, folder).origin == "caught up"


def test_deletions_that_new_images_make_up_for_are_noticed(
    catalog: Catalog,
    five: list[int],
    saved: dict[str, bytes],
    folder: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
) -> None:
    catalog.images.delete(five[:2])
    catalog.images.store(make_batch(["/new", "/newer"], seed=1))
    assert check(catalog, folder).origin == "caught up"


@pytest.mark.parametrize("replaced", [False, True])
def test_deletions_that_an_older_release_did_not_note_are_noticed(
    catalog: Catalog,
    five: list[int],
    saved: dict[str, bytes],
    folder: Path,
    make_batch: MakeBatch,
    check: CheckedIndex,
    replaced: bool,
) -> None:
    catalog.images.delete(five[:2])
    with catalog.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM removals")
    if replaced:
        catalog.images.store(make_batch(["/new", "/newer"], seed=1))
    assert check(catalog, folder).origin == "rebuilt"


def test_an_index_shows_the_last_committed_state_beside_a_writer(
    catalog: Catalog, five: list[int], tmp_path: Path, folder: Path, check: CheckedIndex
) -> None:
    with Catalog.open(tmp_path / "catalog.sqlite") as writer, writer.database.writing() as other:
        other.exec_driver_sql("DELETE FROM embeddings")
        other.exec_driver_sql("DELETE FROM images")
        assert check(catalog, folder).vectors.ids.tolist() == five


steps = st.lists(
    st.tuples(
        st.sampled_from(["store", "again", "hide", "reveal", "delete", "restat", "save", "settle"]),
        st.integers(1, 4),
        st.integers(0, 2**16),
    ),
    max_size=14,
)


def _apply(
    catalog: Catalog, step: tuple[str, int, int], folder: Path, make_batch: MakeBatch
) -> None:
    verb, count, seed = step
    images = catalog.images
    rng = np.random.default_rng(seed)
    known = sorted(image.id for image in images.known(["/"]).values())
    some = rng.choice(known, min(count, len(known)), replace=False).tolist() if known else []
    fresh = [f"/{seed}/{rng.integers(2**60)}/{number}" for number in range(count)]
    if verb == "store":
        images.store(make_batch(fresh, seed=seed))
    elif verb == "again":
        paths = [images.rows([key])[key].path for key in some]
        images.store(make_batch(paths, ids=some, seed=seed + 1))
    elif verb == "restat":
        moves = zip(some, fresh, strict=False)
        images.restat([(key, FileState(path, 1, 1), 1) for key, path in moves])
    elif verb == "save":
        save_at(catalog, folder)
        assert open_at(catalog, folder).origin == "current"
    elif verb == "settle":
        assert settle_at(catalog, folder) is None
        assert open_at(catalog, folder).origin == "current"
    else:
        getattr(images, verb)(some)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_after_any_changes_the_index_holds_what_the_catalog_shows(
    dtype: str,
    new_catalog: NewCatalog,
    make_batch: MakeBatch,
    check: CheckedIndex,
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(steps=steps)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        with new_catalog(dtype=dtype) as catalog:
            folder = Path(catalog.database.name).with_name("index")
            for number, (verb, count, seed) in enumerate(steps):
                _apply(catalog, (verb, count, seed + number * 2**17), folder, make_batch)
                if verb in ("save", "settle"):
                    check(catalog, folder)
            check(catalog, folder)

    holds()
