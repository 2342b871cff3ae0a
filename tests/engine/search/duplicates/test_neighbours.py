"""The nearest others of every image: the same by the graph and by a search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from engine.search.duplicates.neighbours import Neighbours, NeighbourSearch
from index.catalog.catalog import Catalog
from index.catalog.tables.images import Batch
from index.records import CatalogIdentity, FileState, Floats, ImageFacts, Named, Vectors
from index.vectors.faiss_index import FaissIndex
from index.vectors.graph import STORED, build_graph
from index.vectors.index import Hits, Mask
from tests.support.augmented import unit

DIM, COUNT = 24, 150
NONE = np.zeros(0, np.int64)
Made = tuple[Catalog, FaissIndex]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A catalog of crowds of alike vectors, and its index without a graph."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, DIM))
    drawn = centres[np.arange(COUNT) % 6] + 0.5 * rng.normal(size=(COUNT, DIM))
    identity = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32")
    catalog = Catalog.create(tmp_path / "catalog.sqlite", identity)
    facts = [
        ImageFacts(FileState(f"/{number:03}.jpg", 9, 9), 9, str(number), 4, 3, "JPEG", None)
        for number in range(COUNT)
    ]
    names = np.zeros(COUNT, np.int64), np.full(COUNT, 0.5, np.float32), np.zeros(COUNT, np.bool_)
    vectors = Vectors.of(drawn.astype(np.float32))
    named = Named([("imagenet", "thing")], *names)
    catalog.images.store(Batch([None] * COUNT, facts, vectors, named))
    ids, vectors = catalog.embeddings.all()
    index = FaissIndex(tmp_path / "index", DIM, "float16")
    index.add(ids, vectors.unit)
    return catalog, index


def all_parts(made: Made, left_out: np.ndarray = NONE, bound: float = 0.9) -> list[Neighbours]:
    return list(NeighbourSearch(*made, block=40).without(left_out, bound))


def all_of(made: Made, left_out: np.ndarray = NONE, bound: float = 0.9) -> Neighbours:
    parts = all_parts(made, left_out, bound)
    return Neighbours(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("ids", "nearest", "cosines")
        )
    )


def arrange(made: Made) -> None:
    catalog, index = made
    ids, vectors = catalog.embeddings.all()
    index.graph = build_graph(index, [(ids, vectors.unit)], catalog.state())


def exact(made: Made, left_out: np.ndarray = NONE) -> Neighbours:
    """Oracle: by numpy, from all cosines."""
    ids, vectors = made[0].embeddings.all()
    there = ~np.isin(ids, left_out)
    ids, vectors = ids[there], unit(vectors.unit[there])
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :STORED]
    return Neighbours(ids, ids[order], np.take_along_axis(cosines, order, axis=1))


@pytest.mark.parametrize("arranged", [False, True])
def test_they_are_those_of_all_cosines(made: Made, arranged: bool) -> None:
    if arranged:
        arrange(made)
    found, wanted = all_of(made), exact(made)
    assert np.array_equal(found.ids, wanted.ids)
    assert np.allclose(found.cosines, wanted.cosines, atol=2e-3)
    assert np.mean(found.nearest == wanted.nearest) > 0.98


@pytest.mark.parametrize("arranged", [False, True])
def test_those_left_out_crowd_nobody_out(made: Made, arranged: bool) -> None:
    if arranged:
        arrange(made)
    ids = made[0].embeddings.all()[0]
    left_out = ids[np.arange(COUNT) % 6 == 0][5:]
    found, wanted = all_of(made, left_out, bound=0.0), exact(made, left_out)
    assert np.array_equal(found.ids, wanted.ids)
    assert not np.isin(found.nearest, left_out).any()
    full = (found.nearest >= 0).all(axis=1)
    crowd = np.isin(found.ids, ids[np.arange(COUNT) % 6 == 0])
    assert full[crowd].all()
    assert np.allclose(found.cosines[full], wanted.cosines[full], atol=2e-3)


def test_a_graph_that_does_not_know_all_images_is_not_asked(made: Made) -> None:
    arrange(made)
    catalog, index = made
    wanted = all_of(made)
    assert index.graph is not None
    index.graph.forget(catalog.embeddings.all()[0][:3])
    assert np.array_equal(all_of(made).ids, wanted.ids)
    assert np.mean(all_of(made).nearest == wanted.nearest) > 0.98


def test_no_image_is_its_own_neighbour(made: Made) -> None:
    for arranged in (False, True):
        if arranged:
            arrange(made)
        found = all_of(made)
        assert not (found.nearest == found.ids[:, None]).any()


class Counted(FaissIndex):
    """An index that counts how many images were searched for."""

    asked = 0

    def search(self, queries: Floats, k: int, mask: Mask | None = None) -> Hits:
        self.asked += len(queries)
        return super().search(queries, k, mask)


@pytest.mark.parametrize(("most_cached", "asked"), [(2**20, COUNT), (0, 2 * COUNT)])
def test_they_are_searched_for_once_where_they_fit_into_memory(
    made: Made, tmp_path: Path, most_cached: int, asked: int
) -> None:
    catalog, _ = made
    ids, vectors = catalog.embeddings.all()
    index = Counted(tmp_path / "counted", DIM, "float16")
    index.add(ids, vectors.unit)
    search = NeighbourSearch(catalog, index, 40, most_cached=most_cached)
    first, again = (list(search.without(NONE, 0.9)) for _ in range(2))
    assert index.asked == asked
    for one, other in zip(first, again, strict=True):
        assert_array_equal(one.nearest, other.nearest)
        assert_array_equal(one.cosines, other.cosines)


def test_who_is_left_out_once_is_found_the_next_time(made: Made) -> None:
    search = NeighbourSearch(*made, block=40)
    left_out = made[0].embeddings.all()[0][::7]
    assert not any(np.isin(part.nearest, left_out).any() for part in search.without(left_out, 0.9))
    for one, other in zip(search.without(NONE, 0.9), all_parts(made), strict=True):
        assert_array_equal(one.nearest, other.nearest)
