"""A segment of vectors on some of their directions: smaller, and honest about what it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.records import Floats, Ids
from index.vectors.choose import Plan
from index.vectors.faiss_index import FaissIndex
from index.vectors.files import read_segment, write_segment
from index.vectors.ivf.build import BuildLimits, build_segment, extend_segment
from index.vectors.ivf.projection import Projection, principal_directions
from index.vectors.ivf.segment import Segment

pytestmark = pytest.mark.slow

DIM, PROJECTED, COUNT = 64, 24, 3000
IDS: Ids = 3 * np.arange(COUNT, dtype=np.int64)
PLAN = Plan(lists=32, scan_dim=16, refine="SQ8", projected_dim=PROJECTED)
Likenesses = Callable[..., Floats]


@pytest.fixture(scope="module")
def unit(likenesses: Likenesses) -> Floats:
    """The vectors of the images."""
    return likenesses(COUNT, DIM)


@pytest.fixture(scope="module")
def queries(likenesses: Likenesses) -> Floats:
    """Vectors like those."""
    return likenesses(200, DIM, seed=1)


@pytest.fixture(scope="module")
def built(unit: Floats) -> Segment:
    """A segment of them; not to be changed."""
    order = np.random.default_rng(1).permutation(COUNT)
    sample = IDS[order], unit[order]
    return build_segment(PLAN, sample, [(IDS, unit)], limits=BuildLimits(400))


def _recall(segment: Segment, unit: Floats, queries: Floats, k: int) -> float:
    """Return the share of the 10 nearest that are among `k` found."""
    found = segment.search(queries, k)[1]
    wanted = IDS[np.argsort(-(queries @ unit.T), axis=1)[:, :10]]
    return float(np.mean([np.isin(*pair).mean() for pair in zip(wanted, found, strict=True)]))


def test_directions_are_orthonormal_and_hold_the_most(unit: Floats) -> None:
    directions = principal_directions(unit, PROJECTED)
    np.testing.assert_allclose(directions @ directions.T, np.eye(PROJECTED), atol=1e-5)
    held = np.square(unit @ directions.T).sum()
    most = np.sort(np.linalg.eigvalsh((unit.T @ unit).astype(np.float64)))[-PROJECTED:].sum()
    assert held == pytest.approx(most, rel=1e-4)


def test_what_lies_in_these_directions_comes_back(unit: Floats) -> None:
    projection = Projection.onto(principal_directions(unit, PROJECTED))
    inside = projection.back(projection(unit[:50]))
    np.testing.assert_allclose(projection.back(projection(inside)), inside, atol=1e-5)
    np.testing.assert_allclose(projection(inside), projection(unit[:50]), atol=1e-5)


def test_the_recall_that_it_says_is_what_is_found(
    built: Segment, unit: Floats, queries: Floats
) -> None:
    recall = _recall(built, unit, queries, 10)
    assert recall < 0.95, "else nothing shows here"
    assert built.autotuned.recall == pytest.approx(recall, abs=0.04)


def test_most_of_the_nearest_are_among_a_few_more(
    built: Segment, unit: Floats, queries: Floats
) -> None:
    assert _recall(built, unit, queries, 40) > _recall(built, unit, queries, 10) + 0.05


def test_scores_are_products_of_what_is_left(built: Segment, unit: Floats, queries: Floats) -> None:
    transform = built.transform
    left = transform.back(transform(unit))
    scores, ids = built.search(queries[:20], 5)
    true = np.einsum("nd,nkd->nk", queries[:20], left[ids // 3])
    np.testing.assert_allclose(scores, true, atol=0.02)
    np.testing.assert_allclose(built.vectors(np.arange(50)), left[:50], atol=0.03)


def test_as_many_are_found_as_there_are_and_masks_hold(built: Segment, queries: Floats) -> None:
    scores, ids = built.search(queries[:3], COUNT + 5)
    assert all(len(set(row.tolist())) == COUNT + 1 for row in ids), "all of them, and nothing"
    mask = built.mask(IDS[:7])
    assert set(built.search(queries[:1], 7, mask)[1][0].tolist()) == set(IDS[:7].tolist())
    assert np.all(np.diff(scores[:, :COUNT], axis=1) <= 0)


@pytest.mark.parametrize("mapped", [True, False])
def test_its_file_comes_back_as_it_was_written(
    built: Segment, queries: Floats, tmp_path: Path, mapped: bool
) -> None:
    read = read_segment(tmp_path, write_segment(tmp_path, built, None), mapped=mapped)
    assert read is not None
    assert (read.kind, read.projected_dim) == (built.kind, PROJECTED)
    assert read.kind.startswith(f"PCA{PROJECTED}, IVF32, ")
    for found, wanted in zip(read.search(queries, 10), built.search(queries, 10), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_images_are_added_on_the_same_directions(
    built: Segment, likenesses: Likenesses, tmp_path: Path
) -> None:
    owned = read_segment(tmp_path, write_segment(tmp_path, built, None), mapped=False)
    assert owned is not None
    new, ids = likenesses(300, DIM, seed=9), 1 + IDS[:300]
    grown = extend_segment(owned, [(ids, new)])
    assert (len(grown), grown.projected_dim) == (COUNT + 300, PROJECTED)
    found = grown.search(new, 1)[1][:, 0]
    assert np.mean(found == ids) > 0.95
    again = read_segment(tmp_path, write_segment(tmp_path, grown, None))
    assert again is not None
    np.testing.assert_array_equal(again.search(new, 3)[1], grown.search(new, 3)[1])


def test_it_takes_less_room_than_codes_of_all_directions(
    built: Segment, unit: Floats, tmp_path: Path
) -> None:
    whole = Plan(lists=32, scan_dim=48, refine="SQ8")
    other = build_segment(whole, (IDS, unit), [(IDS, unit)], limits=BuildLimits(50))
    sizes = [write_segment(tmp_path, each, None).file.size for each in (built, other)]
    per_vector = [plan.bytes_per_vector(DIM, "float16") for plan in (PLAN, whole)]
    assert (sizes[1] - sizes[0]) / COUNT == pytest.approx(per_vector[1] - per_vector[0], abs=15)


def test_an_index_says_that_it_is_coarse(built: Segment, unit: Floats, queries: Floats) -> None:
    index = FaissIndex(Path("nowhere"), DIM, "float32")
    assert not index.coarse
    index.segment = built
    assert (index.coarse, index.approximate) == (True, True)
    gathered = index.gathered(IDS[:20])
    held = index.vectors(IDS[:20])
    np.testing.assert_allclose(gathered.products(queries[0]), held @ queries[0], atol=1e-4)
    weights = np.arange(20, dtype=np.float32)
    np.testing.assert_allclose(gathered.combined(weights), weights @ held, atol=1e-3)
