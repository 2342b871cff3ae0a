"""What the catalog remembers of picture files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.errors import CatalogError
from index.records import FileState, KnownImage

MakeBatch = Callable[..., Batch]


def _paths(count: int) -> list[str]:
    return [f"/{number:05}.jpg" for number in range(count)]


def test_stored_images_get_ids_in_the_order_of_the_batch(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    paths = ["/c.jpg", "/a.jpg", "/b.jpg"]
    rows = catalog.images.rows(ids := catalog.images.store(make_batch(paths)))
    assert [rows[key].path for key in ids] == paths


def test_an_image_is_shown_as_it_was_stored(catalog: Catalog, make_batch: MakeBatch) -> None:
    before = datetime.now(UTC)
    [key] = catalog.images.store(
        make_batch(["/a.jpg"], hashes=["h"], labels=["bed"], categories=["quilt"], probability=0.75)
    )
    row = catalog.images.rows([key])[key]
    assert (row.id, row.path, row.content_hash, row.label) == (key, "/a.jpg", "h", "bed")
    assert (row.width, row.height, row.format) == (640, 480, "JPEG")
    assert (row.category, row.probability) == ("quilt", 0.75)
    assert before <= row.indexed_at <= datetime.now(UTC)


def test_an_unknown_id_has_no_row(catalog: Catalog, make_batch: MakeBatch) -> None:
    [key] = catalog.images.store(make_batch(["/a.jpg"]))
    assert set(catalog.images.rows([key, key + 1])) == {key}


def test_a_file_is_known_to_the_nanosecond(catalog: Catalog, make_batch: MakeBatch) -> None:
    [key] = catalog.images.store(make_batch(["/a.jpg"], hashes=["h"], labels=["bed"]))
    known = KnownImage(key, "/a.jpg", 1000, 2**62, 3, "h", "bed", missing=False)
    assert catalog.images.known(["/"]) == {"/a.jpg": known}


def test_an_image_and_its_embedding_are_committed_together(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/a.jpg"]))
    with pytest.raises(CatalogError, match=r"(?i)unique"):
        catalog.images.store(make_batch(["/b.jpg", "/a.jpg"]))
    assert list(catalog.images.known(["/"])) == ["/a.jpg"]
    counts = catalog.counts()
    assert (counts.images, counts.embeddings, counts.predictions) == (1, 1, 1)
    assert catalog.state().generation == 1


def test_an_image_stored_again_keeps_its_id(catalog: Catalog, make_batch: MakeBatch) -> None:
    [key] = catalog.images.store(make_batch(["/a.jpg"], categories=["bed"]))
    catalog.images.hide([key])
    batch = make_batch(["/a.jpg"], ids=[key], seed=1, hashes=["new"], categories=["lamp"])
    assert catalog.images.store(batch) == [key]
    assert catalog.images.rows([key])[key].category == "lamp"
    known = catalog.images.known(["/"])["/a.jpg"]
    assert (known.content_hash, known.missing) == ("new", False)
    assert catalog.embeddings.all()[1].unit.tolist() == batch.vectors.unit.tolist()


def test_old_and_new_images_go_in_one_batch(catalog: Catalog, make_batch: MakeBatch) -> None:
    [old] = catalog.images.store(make_batch(["/old.jpg"]))
    batch = make_batch(["/x.jpg", "/old.jpg", "/y.jpg"], ids=[None, old, None], seed=1)
    ids = catalog.images.store(batch)
    rows = catalog.images.rows(ids)
    assert [rows[key].path for key in ids] == ["/x.jpg", "/old.jpg", "/y.jpg"]
    found, vectors = catalog.embeddings.all()
    order = np.argsort(ids)
    assert found.tolist() == sorted(ids)
    assert vectors.unit.tolist() == batch.vectors.unit[order].tolist()


def test_an_image_that_was_forgotten_cannot_be_stored_under_its_id(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    with pytest.raises(CatalogError):
        catalog.images.store(make_batch(["/a.jpg"], ids=[7]))
    assert catalog.counts().embeddings == 0


def test_images_of_the_same_content_are_found_oldest_first(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    ids = catalog.images.store(make_batch(["/b", "/other", "/a"], hashes=["h", "i", "h"]))
    catalog.images.hide(ids[:1])
    found = catalog.images.with_content("h")
    assert [(image.path, image.missing) for image in found] == [("/b", True), ("/a", False)]
    assert catalog.images.with_content("nothing") == []


def test_a_moved_image_keeps_its_embedding(catalog: Catalog, make_batch: MakeBatch) -> None:
    batch = make_batch(["/old.jpg"])
    [key] = catalog.images.store(batch)
    catalog.images.hide([key])
    catalog.images.restat([(key, FileState("/new.jpg", 5, 6), 7)])
    known = catalog.images.known(["/"])["/new.jpg"]
    assert (known.id, known.size, known.mtime_ns, known.scanned_ns) == (key, 5, 6, 7)
    assert not known.missing
    assert catalog.embeddings.all()[1].unit.tolist() == batch.vectors.unit.tolist()


def test_a_hidden_image_is_gone_until_it_is_revealed(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    ids = catalog.images.store(make_batch(["/a.jpg", "/b.jpg"]))
    catalog.images.hide(ids[:1])
    assert [content.id for content in catalog.contents.visible()] == ids[1:]
    assert catalog.embeddings.all()[0].tolist() == ids[1:]
    assert catalog.embeddings.all(gone_too=True)[0].tolist() == ids
    assert catalog.embeddings.of(ids)[0].tolist() == ids
    catalog.images.reveal(ids)
    assert [content.id for content in catalog.contents.visible()] == ids


def test_a_deleted_image_leaves_nothing_behind(catalog: Catalog, make_batch: MakeBatch) -> None:
    ids = catalog.images.store(make_batch(["/a.jpg", "/b.jpg"]))
    catalog.images.delete(ids[:1])
    assert list(catalog.images.known(["/"])) == ["/b.jpg"]
    counts = catalog.counts()
    assert (counts.images, counts.embeddings, counts.predictions) == (1, 1, 1)
    assert catalog.problems() == []


def test_the_id_of_a_deleted_image_is_never_given_again(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    first = catalog.images.store(make_batch(_paths(3)))
    catalog.images.delete(first)
    second = catalog.images.store(make_batch(_paths(3)))
    assert min(second) > max(first)


def test_labels_are_set_and_taken_away(catalog: Catalog, make_batch: MakeBatch) -> None:
    first, second = catalog.images.store(make_batch(["/a", "/b"], labels=[None, "bed"]))
    catalog.images.relabel([(first, "lamp"), (second, None)])
    assert [content.label for content in catalog.contents.visible()] == ["lamp", None]


def test_a_label_does_not_age_the_index(catalog: Catalog, make_batch: MakeBatch) -> None:
    [key] = catalog.images.store(make_batch(["/a"]))
    before = catalog.state().generation
    catalog.images.relabel([(key, "lamp")])
    catalog.images.restat([(key, FileState("/a", 5, 6), 7)])
    assert catalog.state().generation == before


def test_every_change_to_what_is_visible_is_counted(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    ids = catalog.images.store(make_batch(["/a", "/b"]))
    generations = [catalog.state().generation]
    for verb in ("hide", "reveal", "delete"):
        getattr(catalog.images, verb)(ids[:1])
        generations.append(catalog.state().generation)
    assert generations == [1, 2, 3, 4]


@pytest.mark.parametrize("verb", ["hide", "reveal", "delete", "relabel", "restat", "rows"])
def test_no_images_is_nothing_to_do(catalog: Catalog, verb: str) -> None:
    before = catalog.state().generation
    getattr(catalog.images, verb)([])
    assert catalog.state().generation == before


@pytest.mark.slow
def test_more_images_than_one_statement_takes(catalog: Catalog, make_batch: MakeBatch) -> None:
    count = 2000
    ids = catalog.images.store(make_batch(_paths(count)))
    assert len(catalog.images.rows(ids)) == count
    assert catalog.embeddings.of(ids[::-1])[0].tolist() == ids
    catalog.images.store(make_batch(_paths(count), ids=ids, seed=1))
    catalog.images.hide(ids)
    assert catalog.counts().missing == count
    catalog.images.reveal(ids)
    assert catalog.counts().images == count
    catalog.images.delete(ids)
    assert catalog.counts().embeddings == 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [100, 101, 3000])
def test_more_roots_than_one_statement_takes(
    catalog: Catalog, make_batch: MakeBatch, count: int
) -> None:
    paths = [f"/roots/{number}" for number in range(count)]
    catalog.images.store(make_batch([paths[0], paths[-1], "/roots/elsewhere"]))
    assert list(catalog.images.known(paths)) == [paths[0], paths[-1]]


@pytest.mark.parametrize(("dtype", "error"), [("float32", 0.0), ("float16", 2.0**-11)])
def test_an_embedding_comes_back_as_precisely_as_it_is_stored(
    new_catalog: Callable[..., AbstractContextManager[Catalog]],
    make_batch: MakeBatch,
    dtype: str,
    error: float,
) -> None:
    batch = make_batch(_paths(50))
    with new_catalog(dtype=dtype) as catalog:
        catalog.images.store(batch)
        _, found = catalog.embeddings.all()
    stored = batch.vectors.unit.astype(dtype).astype(np.float32)
    assert found.unit.tolist() == stored.tolist()
    assert np.abs(found.unit - batch.vectors.unit).max() <= error
    assert found.norm.tolist() == batch.vectors.norm.tolist()
    np.testing.assert_allclose(found.raw, batch.vectors.raw, rtol=0, atol=2 * error * 20 + 1e-5)


def test_an_empty_catalog_has_no_vectors(catalog: Catalog) -> None:
    ids, vectors = catalog.embeddings.all()
    assert (len(ids), len(vectors)) == (0, 0)
