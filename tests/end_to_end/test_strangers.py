"""What the command says of pictures that show nothing known."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.strangers import write_strangers

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The 31 drawn ones."""
    return write_strangers(tmp_path_factory.mktemp("strangers"))


def unknown(done: subprocess.CompletedProcess[bytes]) -> int:
    answers: list[dict[str, Any]] = json.loads(done.stdout)
    return sum(answer["unknown"] for answer in answers)


def test_strangers_are_unknown_as_often_as_to_the_head(
    engine: Run, trained: Path, strangers: list[Path]
) -> None:
    asked = ("classify", *strangers, "--json", "--store", trained)
    assert unknown(engine(*asked)) == 31 >= unknown(engine(*asked, "--head", "furniture"))


def test_without_any_store_strangers_are_unknown(
    engine: Run, strangers: list[Path], tmp_path: Path
) -> None:
    done = engine(
        "classify", *strangers, "--json", "--backbone", "efficientnet_lite0", cwd=tmp_path
    )
    assert unknown(done) == 31


def test_a_table_says_which_pictures_are_unknown(
    quick: Run, trained: Path, strangers: list[Path]
) -> None:
    done = quick("classify", strangers[0], "-k", "1", "--store", trained)
    assert f"{strangers[0]} (unknown)" in done.stdout.decode()


def test_furniture_is_known(quick: Run, trained: Path, drawn: Path) -> None:
    done = quick("classify", *sorted(drawn.rglob("*.jpg")), "--json", "--store", trained)
    assert unknown(done) == 0


def test_a_search_that_finds_nothing_close_says_so(
    quick: Run, trained: Path, strangers: list[Path]
) -> None:
    done = quick("search", strangers[0], "-k", "3", "--store", trained)
    lines = done.stdout.decode().splitlines()
    best = lines[1].split()[1]
    assert done.returncode == 0
    assert len(lines) == 4
    assert done.stderr.decode() == (
        f"nothing in the catalog is close to {strangers[0]}: the best score is {best}\n"
    )


def test_a_search_among_some_images_says_among_which_nothing_is_close(
    quick: Run, trained: Path, strangers: list[Path]
) -> None:
    asked = ("search", strangers[0], "--store", trained, "--where", "label=bed")
    assert b"nothing among the images that fit is close to" in quick(*asked).stderr


def test_json_says_whether_anything_is_close(
    quick: Run, trained: Path, strangers: list[Path], drawn: Path
) -> None:
    for path, close in ((strangers[0], False), (drawn / "chair" / "chair-0001.jpg", True)):
        [report] = json.loads(quick("search", path, "--json", "--store", trained).stdout)
        assert report["close"] is close
        assert len(report["results"]) == 10


def test_a_search_that_finds_something_close_says_nothing(
    quick: Run, trained: Path, drawn: Path
) -> None:
    done = quick("search", drawn / "chair" / "chair-0001.jpg", "--store", trained)
    assert done.stderr == b""


def test_where_nothing_is_found_only_the_reason_is_told(
    quick: Run, trained: Path, strangers: list[Path]
) -> None:
    done = quick("search", strangers[0], "--min-score", "0.9", "--store", trained)
    assert done.stderr.startswith(b"nothing found: ")
    assert len(done.stderr.splitlines()) == 1
