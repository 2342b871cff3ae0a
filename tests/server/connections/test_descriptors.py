"""Descriptors: as many as there may be connections, as far as the system allows it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.connections.descriptors import OTHERS, allow_connections

resource = pytest.importorskip("resource", reason="this system has no such limit")


@pytest.fixture
def few() -> Iterator[tuple[int, int]]:
    """A soft limit that is low, and the hard one."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 256, before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, low)
    yield low
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_is_raised_for_all_connections(few: tuple[int, int]) -> None:
    allow_connections(100)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (100 + OTHERS, few[1])


def test_it_is_not_lowered(few: tuple[int, int]) -> None:
    allow_connections(-OTHERS)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == few
