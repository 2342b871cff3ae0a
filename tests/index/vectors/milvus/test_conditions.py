"""Whatever a mask holds, the searches that it becomes find it all, once, and nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index.vectors.milvus.conditions import among, none_of, not_among, parts_of

ids = st.sets(st.integers(1, 60)).map(lambda found: np.array(sorted(found), np.int64))


def fitting(condition: str, every: np.ndarray) -> list[int]:
    """Return the images that fit a condition, which Python reads as Milvus does."""
    return [int(each) for each in every if not condition or eval(condition, {"id": int(each)})]


@given(every=ids, allowed=ids, named=st.integers(1, 70))
def test_the_searches_of_a_mask_find_its_images_once(
    every: np.ndarray, allowed: np.ndarray, named: int
) -> None:
    wanted = np.intersect1d(every, allowed)
    parts = list(parts_of(wanted, none_of(every, wanted), named))
    found = [image_id for part in parts for image_id in fitting(part.condition, every)]
    assert sorted(found) == wanted.tolist()
    assert all(len(fitting(part.condition, every)) == part.most for part in parts)


@given(every=ids, allowed=ids, named=st.integers(1, 70))
def test_without_others_each_search_names_a_few(
    every: np.ndarray, allowed: np.ndarray, named: int
) -> None:
    wanted = np.intersect1d(every, allowed)
    parts = list(parts_of(wanted, None, named))
    assert all(part.most is not None and 0 < part.most <= named for part in parts)
    found = [image_id for part in parts for image_id in fitting(part.condition, every)]
    assert sorted(found) == wanted.tolist()


def test_ids_in_a_row_are_named_by_their_ends() -> None:
    assert among(np.arange(5, 5000)) == "id >= 5 and id <= 4999"
    assert among(np.array([1, 2, 4])) == "id in [1,2,4]"
    assert not_among(np.array([], np.int64)) == ""
