"""Results as JSON: in whichever way it is made, the same text."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.export.plain import json_text, plain


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    more: Any = None


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.just("\udcff.jpg"),
    st.datetimes(timezones=st.just(UTC)),
    st.just(Path("/a/ä")),
)
KEYS = st.one_of(st.text(), st.integers())
RESULTS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner),
        st.builds(Part, st.text(), inner),
    ),
    max_leaves=30,
)


@given(RESULTS)
def test_a_result_is_the_same_text_however_it_is_made(result: Any) -> None:
    assert json_text(result) == json.dumps(plain(result), separators=(",", ":"))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_number_for_is_null(number: float) -> None:
    assert json.loads(json_text([Part("a", [number, 1.5])])) == [{"name": "a", "more": [None, 1.5]}]


def test_moments_and_paths_are_texts() -> None:
    text = json_text(Part("a", [datetime(2026, 1, 2, tzinfo=UTC), Path("/a")]))
    assert json.loads(text)["more"] == ["2026-01-02T00:00:00+00:00", "/a"]


def test_what_is_no_result_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        json_text([object()])
