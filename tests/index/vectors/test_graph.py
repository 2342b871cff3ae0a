"""The graph of nearest neighbours: held against NumPy, and forgetful where images change."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index.records import Floats, Ids
from index.state import CatalogState
from index.vectors.faiss_index import FaissIndex
from index.vectors.files import read_graph, write_graph
from index.vectors.flat import Flat
from index.vectors.flat_file import FlatFile, write_rows
from index.vectors.graph import AUGMENTED, STORED, NeighbourGraph, build_graph
from tests.support.augmented import augmented
from tests.support.indexes import flip_bit

DIM, COUNT = 16, 300
STATE = CatalogState("c" * 32, 1, "t" * 32)
IDS: Ids = 7 * np.arange(COUNT, dtype=np.int64) + 3

Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """Vectors of images with these ids; not to be changed."""
    return likenesses(COUNT, DIM, seed=1)


@pytest.fixture(scope="module")
def index(unit: Floats) -> FaissIndex:
    """An exact index of them; not to be changed."""
    made = FaissIndex(Path("nowhere"), DIM, "float16")
    made.add(IDS, unit)
    return made


@pytest.fixture
def graph(index: FaissIndex, unit: Floats) -> NeighbourGraph:
    """Their graph."""
    return build_graph(index, [(IDS[:100], unit[:100]), (IDS[100:], unit[100:])], STATE)


def test_neighbours_are_the_nearest_others(graph: NeighbourGraph, unit: Floats) -> None:
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    wanted = -np.sort(-cosines, axis=1)[:, :STORED]
    np.testing.assert_allclose(graph.arrays.cosines, wanted, atol=2e-3)
    assert not np.any(graph.arrays.neighbours == np.arange(COUNT)[:, None]), "nobody is its own"


def test_products_with_augmented_vectors_are_summed_from_plain_ones(
    graph: NeighbourGraph, unit: Floats, likenesses: Likenesses
) -> None:
    query = likenesses(1, DIM, seed=9)[0]
    neighbours, weights, lengths = graph.weighted(IDS)
    plain = dict(zip(IDS.tolist(), (unit @ query).tolist(), strict=True))
    summed = [
        plain[own] + sum(w * plain[n] for n, w in zip(near, some, strict=True) if n >= 0)
        for own, near, some in zip(IDS.tolist(), neighbours.tolist(), weights.tolist(), strict=True)
    ]
    np.testing.assert_allclose(summed / lengths, augmented(unit) @ query, atol=3e-3)


@pytest.mark.parametrize("cached_bytes", [0, 1 << 20])
def test_a_file_read_piece_by_piece_makes_the_same_graph(
    graph: NeighbourGraph, unit: Floats, cached_bytes: int
) -> None:
    stored = [row.tobytes() for row in unit.astype(np.float16)]
    file = io.BytesIO()
    write_rows(file.write, DIM, "float16", COUNT, [(IDS.tolist(), stored)])
    flat = FlatFile(file, DIM, "float16", COUNT, cached_bytes=cached_bytes)
    pieces = [part for ids, _ in flat.chunks(64) for part in ids.tolist()]
    assert pieces == IDS.tolist()
    again = build_graph(flat, flat.chunks(64), STATE).arrays
    np.testing.assert_allclose(again.lengths, graph.arrays.lengths, atol=2e-3)
    np.testing.assert_allclose(again.cosines, graph.arrays.cosines, atol=2e-3)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_images_have_few_neighbours(count: int, likenesses: Likenesses) -> None:
    flat = Flat.empty(DIM, "float32")
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    index.delta = flat
    ids, few = IDS[:count], likenesses(count, DIM, seed=4)
    index.add(ids, few)
    graph = build_graph(index, [(ids, few)], STATE)
    assert (graph.arrays.neighbours >= 0).sum() == count * (count - 1)
    neighbours, weights, _ = graph.weighted(ids)
    assert not weights[neighbours < 0].any()


def test_what_is_forgotten_counts_with_itself_alone(graph: NeighbourGraph) -> None:
    gone = int(graph.weighted(IDS[:1])[0][0, 0])
    graph.forget(np.array([gone, 1], np.int64))
    assert graph.forgotten.tolist() == [gone], "what it never knew is nothing to forget"
    neighbours, weights, lengths = graph.weighted(np.array([gone], np.int64))
    assert (neighbours.tolist(), weights.sum(), lengths[0]) == ([[-1] * AUGMENTED], 0, 1)
    assert gone not in graph.weighted(IDS)[0], "nor does it count for others"


def test_around_images_lie_their_nearest_ones(graph: NeighbourGraph) -> None:
    neighbours, _, _ = graph.weighted(IDS[:2])
    wanted = sorted({*IDS[:2].tolist(), *neighbours[:, :3].ravel().tolist()})
    assert graph.around(IDS[:2], 3).tolist() == wanted
    assert graph.around(np.array([1], np.int64), 3).tolist() == [1], "unknown, but asked for"
    first = sorted({*IDS[:2].tolist(), *neighbours[0, :3].tolist()})
    assert graph.around(IDS[:2], 3, looked=1).tolist() == first
    gone = int(neighbours[0, 0])
    graph.forget(np.array([gone], np.int64))
    assert gone not in graph.around(IDS[:1], 3)


def test_unknown_images_count_with_themselves(graph: NeighbourGraph) -> None:
    neighbours, weights, lengths = graph.weighted(np.array([0, 10**9], np.int64))
    assert np.all(neighbours == -1)
    assert not weights.any()
    assert lengths.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("count", "forgotten", "serves"),
    [(COUNT, 0, True), (COUNT + 30, 0, True), (COUNT + 40, 0, False), (COUNT, 40, False)],
)
def test_it_serves_until_a_tenth_has_changed(
    graph: NeighbourGraph, count: int, forgotten: int, serves: bool
) -> None:
    graph.forget(IDS[:forgotten])
    assert graph.serves(count, 0.1) == serves


def test_its_file_comes_back_as_it_was_written(graph: NeighbourGraph, tmp_path: Path) -> None:
    entry = write_graph(tmp_path, graph)
    read = read_graph(tmp_path, entry)
    assert read is not None
    assert (read.state, read.key, len(read)) == (STATE, graph.key, COUNT)
    for name in ("ids", "neighbours", "cosines", "lengths"):
        np.testing.assert_array_equal(getattr(read.arrays, name), getattr(graph.arrays, name))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 6e4, -6e4])
def test_whatever_stands_in_it_weights_and_lengths_are_bounded(
    graph: NeighbourGraph, value: float
) -> None:
    """Large files are not read whole before they are used."""
    graph.arrays.cosines[:] = value
    graph.arrays.lengths[:] = value
    graph.arrays.neighbours[:] = np.int32(2**31 - 1)
    neighbours, weights, lengths = graph.weighted(IDS)
    assert set(neighbours.ravel().tolist()) == {int(IDS[-1])}
    assert ((weights >= 0) & (weights <= 1)).all()
    assert (lengths == 1).all()


def test_a_file_that_was_changed_is_passed_over(graph: NeighbourGraph, tmp_path: Path) -> None:
    entry = write_graph(tmp_path, graph)
    path = tmp_path / entry.file.name
    for position in range(0, entry.file.size, 97):
        flip_bit(path, position, position % 8)
        assert read_graph(tmp_path, entry) is None
        flip_bit(path, position, position % 8)
    assert read_graph(tmp_path, entry) is not None
    path.write_bytes(path.read_bytes()[:-1])
    assert read_graph(tmp_path, entry) is None
    path.unlink()
    assert read_graph(tmp_path, entry) is None


def test_images_without_a_gap_between_their_ids_are_found_as_others_are(
    graph: NeighbourGraph,
) -> None:
    arrays = graph.arrays
    dense = NeighbourGraph(replace(arrays, ids=50 + np.arange(COUNT, dtype=np.int64)), STATE)
    asked = np.array([49, 50, 50 + COUNT - 1, 50 + COUNT, -1], np.int64)
    assert dense.rows_of(asked).tolist() == [-1, 0, COUNT - 1, -1, -1]
    ids, rows = dense.arrays.ids, arrays.ids
    for found, wanted in zip(dense.weighted(ids), graph.weighted(rows), strict=True):
        same = ids[np.searchsorted(rows, wanted)] if wanted.dtype == np.int64 else wanted
        np.testing.assert_array_equal(found, same)
    around = graph.around(rows[:4], 3)
    np.testing.assert_array_equal(dense.around(ids[:4], 3), ids[np.searchsorted(rows, around)])
