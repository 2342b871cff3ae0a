"""Which kind of index a catalog gets, by size, dim and memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import CatalogError
from index.state import Preference
from index.vectors.choose import (
    EXACT,
    EXACT_COMPONENTS,
    LEAST_LISTS,
    MOST_LISTS,
    PROJECTED_DIM,
    REFINEMENTS,
    Plan,
    choose_plan,
)

MILLION = 1_000_000
FINENESS = [(refine, 0) for refine, _ in REFINEMENTS] + [("SQ8", PROJECTED_DIM)]

counts = st.integers(0, 10**9)
dims = st.integers(1, 4096)
dtypes = st.sampled_from(["float16", "float32"])
memories = st.integers(1, 2**44)


def _compressed(count: int, dim: int = 1280, memory: int | None = None) -> Plan:
    return choose_plan(count, dim, "float16", Preference("compressed", memory))


def _fineness(plan: Plan) -> int:
    """Return how coarse a compressed index is, 0 for the finest."""
    return FINENESS.index((plan.refine, plan.projected_dim))


@pytest.mark.parametrize("dim", [8, 1280, 2048])
def test_search_is_exact_while_that_is_fast(dim: int) -> None:
    most = EXACT_COMPONENTS // dim
    assert choose_plan(most, dim, "float16", Preference()).is_exact
    assert not choose_plan(most + 1, dim, "float16", Preference()).is_exact


def test_of_dim_1280_twenty_thousand_are_exact_and_thirty_thousand_not() -> None:
    plans = [choose_plan(count, 1280, "float16", Preference()) for count in (20_000, 30_000)]
    assert [plan.is_exact for plan in plans] == [True, False]


@given(count=counts, dim=dims, dtype=dtypes, memory=st.none() | memories)
def test_whoever_asks_for_exact_search_gets_it(
    count: int, dim: int, dtype: str, memory: int | None
) -> None:
    assert choose_plan(count, dim, dtype, Preference("exact", memory)) == EXACT


@given(count=counts, dim=dims, dtype=dtypes, memory=st.none() | memories)
def test_whoever_asks_for_compression_gets_it(
    count: int, dim: int, dtype: str, memory: int | None
) -> None:
    assert not choose_plan(count, dim, dtype, Preference("compressed", memory)).is_exact


def test_a_small_catalog_is_compressed_where_it_would_not_fit_whole() -> None:
    whole = 10_000 * EXACT.bytes_per_vector(1280, "float16")
    at, below = (
        choose_plan(10_000, 1280, "float16", Preference("auto", int(whole) - less))
        for less in (0, 1)
    )
    assert at.is_exact
    assert below.refine == "SQ8"


def test_float32_takes_more_room_than_float16() -> None:
    memory = Preference("auto", 10_000 * 1280 * 3)
    assert choose_plan(10_000, 1280, "float16", memory).is_exact
    assert not choose_plan(10_000, 1280, "float32", memory).is_exact


@pytest.mark.parametrize(
    ("gigabytes", "refine"),
    [(None, "SQ8"), (4, "SQ8"), (1.5, "SQ8"), (1.4, "SQ6"), (1.0, "SQ4"), (0.8, "SQ4")],
)
def test_a_million_images_are_kept_as_finely_as_memory_allows(
    gigabytes: float | None, refine: str
) -> None:
    memory = None if gigabytes is None else int(gigabytes * 1e9)
    plan = _compressed(MILLION, memory=memory)
    assert (plan.refine, plan.projected_dim) == (refine, 0)


def test_ten_million_images_fit_four_gigabytes_on_some_of_their_directions() -> None:
    plan = _compressed(10 * MILLION, memory=4 * 10**9)
    assert plan.projected_dim == PROJECTED_DIM
    assert plan.bytes_per_vector(1280, "float16") == 308


@pytest.mark.parametrize("dim", [64, 256, 300])
def test_of_few_components_all_are_kept(dim: int) -> None:
    plan = _compressed(MILLION, dim, memory=1)
    assert (plan.refine, plan.projected_dim) == ("SQ4", 0)


def test_where_nothing_fits_the_smallest_is_taken() -> None:
    assert _fineness(_compressed(MILLION, memory=1)) == len(FINENESS) - 1


@pytest.mark.parametrize(("dim", "size"), [(1280, 1428), (2048, 2196)])
def test_what_a_compressed_vector_takes(dim: int, size: int) -> None:
    assert _compressed(MILLION, dim).bytes_per_vector(dim, "float16") == size


@pytest.mark.parametrize(("dtype", "size"), [("float16", 2568), ("float32", 5128)])
def test_what_an_exact_vector_takes(dtype: str, size: int) -> None:
    assert EXACT.bytes_per_vector(1280, dtype) == size


@given(count=counts, dim=dims, dtype=dtypes, memory=memories)
def test_a_plan_fits_the_memory_or_is_the_smallest_there_is(
    count: int, dim: int, dtype: str, memory: int
) -> None:
    plan = choose_plan(count, dim, dtype, Preference("auto", memory))
    fits = count * plan.bytes_per_vector(dim, dtype) <= memory
    smallest = choose_plan(count, dim, dtype, Preference("auto", 0))
    assert fits or plan == smallest


@given(count=counts, dim=dims, one=memories, other=memories)
def test_more_memory_never_makes_it_coarser(count: int, dim: int, one: int, other: int) -> None:
    scarce, ample = (_compressed(count, dim, memory) for memory in sorted((one, other)))
    assert _fineness(ample) <= _fineness(scarce)


@given(one=counts, other=counts, dim=dims, memory=memories)
def test_more_images_never_make_it_finer(one: int, other: int, dim: int, memory: int) -> None:
    few, many = (_compressed(count, dim, memory) for count in sorted((one, other)))
    assert _fineness(few) <= _fineness(many)


@given(one=counts, other=counts)
def test_the_lists_grow_with_the_count_within_bounds(one: int, other: int) -> None:
    few, many = (_compressed(count).lists for count in sorted((one, other)))
    assert LEAST_LISTS <= few <= many <= MOST_LISTS


def test_a_million_images_lie_in_lists_of_some_five_hundred() -> None:
    assert _compressed(MILLION).lists == 2048


@given(count=counts, dim=dims)
def test_no_more_directions_are_scanned_than_there_are_in_pairs(count: int, dim: int) -> None:
    scan_dim = _compressed(count, dim).scan_dim
    assert 1 <= scan_dim <= dim + 1
    assert scan_dim % 2 == 0


def test_a_kind_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CatalogError, match="Use one of auto, exact, compressed"):
        Preference("fast")
