"""Groups of copies: each image is paired with the centre of its group, and no chain is one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.search.duplicates.copies import stars

pair = st.tuples(st.integers(0, 12), st.integers(0, 12)).filter(lambda two: two[0] < two[1])
pairs = st.lists(pair, unique=True, max_size=40)
RANK = {image_id: image_id for image_id in range(13)}


def test_a_chain_is_parted() -> None:
    assert list(stars([(1, 2), (2, 3), (3, 4)], RANK)) == [(2, (1, 3))]


def test_the_image_with_the_most_copies_is_the_centre() -> None:
    assert list(stars([(1, 5), (2, 5), (3, 5), (3, 4)], RANK)) == [(5, (1, 2, 3))]


def test_of_two_with_as_many_the_first_by_rank_is_the_centre() -> None:
    assert list(stars([(1, 2)], RANK)) == [(1, (2,))]
    assert list(stars([(1, 2)], {1: 7, 2: 0})) == [(2, (1,))]


def test_what_is_left_of_a_larger_group_is_one_of_its_own() -> None:
    two = [(1, 2), (1, 3), (1, 4), (4, 5), (5, 6)]
    assert list(stars(two, RANK)) == [(1, (2, 3, 4)), (5, (6,))]


@given(pairs)
def test_every_image_is_paired_with_its_centre_and_in_one_group(
    two: list[tuple[int, int]],
) -> None:
    seen: set[int] = set()
    for centre, others in stars(two, RANK):
        assert others
        for other in others:
            assert (min(centre, other), max(centre, other)) in two
        assert not seen & {centre, *others}
        seen |= {centre, *others}


@given(pairs)
def test_no_pair_is_left_of_which_neither_is_in_a_group(two: list[tuple[int, int]]) -> None:
    grouped = {each for centre, others in stars(two, RANK) for each in (centre, *others)}
    assert all(grouped & set(each) for each in two)


@given(pairs, st.randoms())
def test_the_order_of_pairs_changes_nothing(two: list[tuple[int, int]], random: object) -> None:
    shuffled = list(two)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(stars(shuffled, RANK)) == list(stars(two, RANK))
