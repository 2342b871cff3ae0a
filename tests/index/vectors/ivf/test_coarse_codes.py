"""How far off the scores of codes may be: what is further off was made of another vector."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from index.records import Floats
from index.vectors.choose import REFINEMENTS
from index.vectors.ivf.segment import Segment

pytestmark = pytest.mark.slow

COUNT = 600
# `FAR_OFF` of engine/search/verify.py.
FAR_OFF = 0.1


@pytest.mark.parametrize("refine", [refine for refine, _ in REFINEMENTS])
@pytest.mark.parametrize("dim", [16, 48, 512])
def test_no_score_of_a_code_is_far_from_that_of_its_vector(
    make_segment: Callable[..., Segment], likenesses: Callable[..., Floats], dim: int, refine: str
) -> None:
    unit = likenesses(COUNT, dim)
    segment = make_segment(np.arange(COUNT, dtype=np.int64), unit, refine=refine)
    queries = likenesses(50, dim, seed=5)
    scores, ids = segment.search(queries, 10)
    true = np.einsum("nd,nkd->nk", queries, unit[ids])
    assert np.abs(true - scores).max() < FAR_OFF
