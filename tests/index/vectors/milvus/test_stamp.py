"""What stands in a stamp is read as it was written, or not at all."""

from __future__ import annotations

import json

import pytest

from index.state import CatalogState
from index.vectors.milvus.collection import STAMP_LENGTH
from index.vectors.milvus.stamp import Stamp

STATE, NEXT = CatalogState("a" * 32, 2**62, "b" * 32), CatalogState("a" * 32, 2**62 + 1, "c" * 32)
WHOLE = Stamp(STATE, NEXT, 10**10, 3, "HNSW", 512, 0.994, 10**9)


@pytest.mark.parametrize("stamp", [WHOLE, Stamp(None), WHOLE.reached()])
def test_a_stamp_is_read_as_it_was_written(stamp: Stamp) -> None:
    assert Stamp.decoded(stamp.encoded()) == stamp
    assert len(stamp.encoded()) < STAMP_LENGTH


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        "\0",
        '{"format": 2, "stamp": {}}',
        json.dumps({"format": 1, "stamp": {"base": 3, "target": None}}),
        json.dumps({"format": 1, "stamp": {"base": None, "target": None, "more": 1}}),
    ],
)
def test_what_is_no_stamp_is_none(text: str) -> None:
    assert Stamp.decoded(text) is None


def test_what_is_reached_was_the_target() -> None:
    assert (WHOLE.reached().base, WHOLE.reached().target) == (NEXT, None)
    assert (WHOLE.towards(STATE).base, WHOLE.towards(STATE).target) == (STATE, STATE)


def test_two_stamps_are_never_the_same() -> None:
    assert Stamp(STATE) != Stamp(STATE)
    assert WHOLE.towards(NEXT) != WHOLE
