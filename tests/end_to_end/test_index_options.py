"""`--index` and `--memory`: the real command does what they ask, and status tells of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def _status(quick: Run, store: Path) -> dict[str, Any]:
    done = quick("status", "--store", store, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(
    ("options", "index"),
    [
        ([], "exact float16"),
        (["--index", "exact", "--memory", "1K"], "exact float16"),
        (["--index", "auto", "--memory", "100K"], "IVF16, PQ256x4fs, SQ8"),
    ],
    ids=["nothing", "exact search", "little memory"],
)
def test_an_index_is_of_the_kind_that_was_asked_for(
    quick: Run, shop: Path, drawn: Path, options: list[str], index: str
) -> None:
    done = quick("index", drawn, "--store", shop, *options)
    assert done.returncode == 0, done.stderr
    status = _status(quick, shop)
    assert (status["index"], status["index_state"]) == (index, "current")
    assert (status["index_recall"] == 1) or "PQ" in index
    assert 0.5 < status["index_recall"] <= 1
    assert status["consistent"]


def test_a_compressed_catalog_finds_its_own_images_and_status_tells_people(
    quick: Run, shop: Path, drawn: Path
) -> None:
    assert quick("index", drawn, "--store", shop, "--index", "compressed").returncode == 0
    for image in sorted(drawn.rglob("*.jpg"))[::25]:
        done = quick("search", image, "--store", shop, "-k", "1", "--paths")
        assert done.stdout.decode() == f"{image}\n"
    told = quick("status", "--store", shop).stdout.decode()
    assert "IVF16, PQ256x4fs, SQ8" in told
    assert "% of the 10 nearest" in told


def test_a_limit_on_memory_is_remembered_until_it_is_lifted(
    quick: Run, shop: Path, drawn: Path
) -> None:
    kinds = []
    for options in (["--memory", "100K"], [], ["--memory", "none"], []):
        assert quick("index", drawn, "--store", shop, *options).returncode == 0
        kinds.append(_status(quick, shop)["index"])
    compressed = "IVF16, PQ256x4fs, SQ8"
    assert kinds == [compressed, compressed, "exact float16", "exact float16"]


def test_threads_and_memory_of_decoding_can_be_limited(
    engine: Run, images: Path, tmp_path: Path
) -> None:
    limits = ("--threads", "1", "--decode-memory", "20M")
    done = engine("index", images, "--store", tmp_path / "store", *limits, "--json")
    assert (done.returncode, json.loads(done.stdout)["added"]) == (0, 12)
