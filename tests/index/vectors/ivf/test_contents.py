"""A segment of whatever vectors: of few, of any dim, of twins, of none with a direction."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from index.records import Floats
from index.vectors.ivf.segment import Segment
from tests.support.nearest import check_whole, nearest, recall

# How far a score may lie from the cosine, where a component lies beyond what codes were fitted to.
TOLERANCE = 0.02

MakeSegment = Callable[..., Segment]
Likenesses = Callable[..., Floats]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("refine", "tolerance", "least"), [("SQ8", 0.01, 0.95), ("SQ6", 0.03, 0.9), ("SQ4", 0.12, 0.7)]
)
def test_finer_codes_tell_finer_differences(
    make_segment: MakeSegment, likenesses: Likenesses, refine: str, tolerance: float, least: float
) -> None:
    ids, unit = np.arange(1500, dtype=np.int64), likenesses(1500, 32)
    built = make_segment(ids, unit, refine=refine)
    assert built.kind == f"IVF16, PQ16x4fs, {refine}"
    queries = likenesses(50, 32, seed=1)
    scores, found = built.search(queries, 10)
    cosines = np.take_along_axis(queries @ unit.T, found, axis=1)
    np.testing.assert_allclose(scores, cosines, rtol=0, atol=tolerance)
    assert recall(found, nearest(queries, ids, unit, 10)) >= least


@pytest.mark.parametrize("count", [16, 17, 20, 21, 22, 40])
def test_hardly_more_images_than_lists_make_a_segment(
    make_segment: MakeSegment, likenesses: Likenesses, count: int
) -> None:
    ids, unit = np.arange(count, dtype=np.int64), likenesses(count, 8)
    scores, found = make_segment(ids, unit).search(unit, count)
    check_whole(found, scores, count, set(range(count)))
    assert np.mean(found[:, 0] == ids) > 0.9


@pytest.mark.parametrize("dim", [1, 7, 12])
def test_a_dim_may_be_any_number(
    make_segment: MakeSegment, likenesses: Likenesses, dim: int
) -> None:
    ids, unit = np.arange(1100, dtype=np.int64), likenesses(1100, dim)
    scores, found = make_segment(ids, unit).search(unit[:20], 1100)
    check_whole(found, scores, 1100, set(range(1100)))


def test_images_that_look_exactly_alike_are_all_found(
    make_segment: MakeSegment, likenesses: Likenesses
) -> None:
    originals = likenesses(75, 32)
    ids, unit = np.arange(1500, dtype=np.int64), np.repeat(originals, 20, axis=0)
    built = make_segment(ids, unit)
    scores, found = built.search(originals, 20)
    assert np.sort(found, axis=1).tolist() == ids.reshape(75, 20).tolist()
    assert scores == pytest.approx(1, abs=TOLERANCE)
    assert built.autotuned.recall == 1
    probed = built.lists_probed(originals, built.autotuned.margins[0][1])
    assert probed < 16, "twins are no reason to probe every list"


@pytest.mark.slow
def test_images_without_any_direction_are_found_with_a_score_of_nothing(
    make_segment: MakeSegment, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(1500, dtype=np.int64), likenesses(1500, 32)
    unit[::10] = 0
    scores, found = make_segment(ids, unit).search(unit[1:9], 1500)
    check_whole(found, scores, 1500, set(range(1500)))
    nothing = np.isin(found, ids[::10])
    assert np.all(np.abs(scores[nothing]) < TOLERANCE)
    assert np.all(np.abs(scores) < 1 + TOLERANCE)


def test_a_catalog_of_one_image_over_and_over_is_found_whole(
    make_segment: MakeSegment, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(1200, dtype=np.int64), np.repeat(likenesses(1, 32), 1200, axis=0)
    built = make_segment(ids, unit)
    # Seen from its opposite, too, where rounding makes a score less than that of nothing.
    for query in (unit[:1], -unit[:1]):
        scores, found = built.search(query, 1300)
        check_whole(found, scores, 1300, set(range(1200)))


def test_the_same_vectors_make_the_same_segment(
    make_segment: MakeSegment, likenesses: Likenesses
) -> None:
    ids, unit = np.arange(600, dtype=np.int64), likenesses(600, 16)
    one, other = (make_segment(ids, unit) for _ in range(2))
    assert one.autotuned == other.autotuned
    assert one.key != other.key, "each segment is told from every other"
    for mine, its in zip(one.search(unit[:50], 20), other.search(unit[:50], 20), strict=True):
        assert mine.tolist() == its.tolist()
