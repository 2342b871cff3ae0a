"""How a run is divided."""

from __future__ import annotations

from typing import Any

import pytest

from engine import ClusterOptions, UsageError


@pytest.mark.parametrize(
    ("files", "images"), [(1, 32), (2400, 37), (64_000, 1000), (10_000_000, 1000)]
)
def test_few_files_make_many_small_shards(files: int, images: int) -> None:
    assert ClusterOptions().images_of(files) == images


def test_the_size_that_was_asked_for_is_taken() -> None:
    assert ClusterOptions(shard_images=7).images_of(10**6) == 7


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"workers": 1.5},
        {"shard_images": 0},
        {"lease_seconds": -1.0},
        {"stall_seconds": float("nan")},
        {"most_attempts": True},
    ],
)
def test_a_value_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        ClusterOptions(**wrong)
