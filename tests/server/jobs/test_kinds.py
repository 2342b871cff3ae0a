"""What `POST /v1/jobs` can begin, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from engine import Engine
from engine.export.plain import plain
from server.jobs.kinds import KINDS, work_of
from server.responses.problems import RefusedError


def test_duplicates_are_what_the_engine_finds(indexed: Engine, bed: bytes) -> None:
    wish = {"kind": "duplicates", "level": "exact", "keep": "oldest"}
    work = work_of(wish)
    assert (work.kind, work.writes) == ("duplicates", False)
    assert plain(work.do(indexed)) == plain(indexed.duplicates(level="exact", keep="oldest"))


def test_every_kind_needs_no_option() -> None:
    assert {work_of({"kind": kind}).kind for kind in KINDS} == set(KINDS)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "duplicates",
        {},
        {"kind": "index"},
        {"kind": ["duplicates"]},
        {"kind": "duplicates", "level": "loose"},
        {"kind": "duplicates", "level": ["copy"]},
        {"kind": "duplicates", "keep": 7},
        {"kind": "duplicates", "keep": "*" * 1001},
        {"kind": "duplicates", "folder": "/etc"},
        {"kind": "suspects", "dataset": "/etc"},
    ],
)
def test_what_cannot_be_begun_is_refused(body: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        work_of(body)
    assert (refused.value.status, refused.value.kind) == (400, "BodyError")
