"""Heads that clients have trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from engine.errors import UsageError
from server.jobs.training import training
from server.responses.problems import RefusedError


def test_a_head_learns_from_labels(indexed: Engine, images: Path) -> None:
    work = training({"name": "rooms", "fast": True})
    assert (work.kind, work.title, work.writes) == ("train", "Train rooms", True)
    work.do(indexed)
    assert [head.name for head in indexed.heads] == ["rooms"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"name": 7},
        {"name": "x", "from": "/etc"},
        {"name": "x", "from": ["labels"]},
        {"name": "x", "fast": 1},
        {"name": "x", "dataset": "/etc"},
    ],
)
def test_what_is_no_wish_is_refused(body: Any) -> None:
    with pytest.raises(RefusedError):
        training(body)


@pytest.mark.parametrize("name", ["", "imagenet", "all", "../x", "a" * 101, "a\nb"])
def test_names_that_no_head_has_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        training({"name": name})
