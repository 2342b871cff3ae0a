"""What `engine duplicates` lists and names, on folders such as people have."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from demo.catalog import draw
from tests.support import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[bytes]]
LARGE, SMALL = 480, 120
COPIES = ["copies/bed.jpg", "copies/line\nend.jpg", "copies/receipt.png"]


def receipt(number: int) -> Image.Image:
    """Draw a white page with some lines of text that no other page has."""
    page = Image.new("RGB", (LARGE, LARGE), "white")
    pen = ImageDraw.Draw(page)
    for line in range(6):
        amount = 3 + 17 * number + 5 * line
        pen.text((60, 60 + 30 * line), f"article {number}-{line}    {amount}.{line}0 EUR", "black")
    return page


def burst(frame: int) -> Image.Image:
    """Draw what a camera sees that moves and rustles a little from one frame to the next."""
    moved = draw("sofa", 3, LARGE + 16).crop((frame, frame, frame + LARGE, frame + LARGE))
    noise = np.random.default_rng(frame).normal(0, 3, (LARGE, LARGE, 3))
    return Image.fromarray(np.clip(np.asarray(moved) + noise, 0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def drawn_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Originals with thumbnails, receipts and a burst; no two files have the same content."""
    folder = tmp_path_factory.mktemp("people")
    for name in ("originals", "thumbnails", "receipts", "burst"):
        (folder / name).mkdir()
    for category in ("bed", "chair", "lamp"):
        image = draw(category, 1, LARGE)
        image.save(folder / "originals" / f"{category}.jpg", quality=92)
        image.resize((SMALL, SMALL)).save(folder / "thumbnails" / f"{category}.jpg")
    for number in range(12):
        receipt(number).save(folder / "receipts" / f"{number:02}.png")
    for frame in range(5):
        burst(frame).save(folder / "burst" / f"{frame}.jpg")
    return folder


@pytest.fixture
def people(drawn_once: Path, tmp_path: Path) -> Path:
    """The same with an album of links, linked folders, hard links and three exact copies."""
    folder = tmp_path / "pictures"
    shutil.copytree(drawn_once, folder)
    (folder / "album").mkdir()
    for name in ("bed.jpg", "chair.jpg"):
        (folder / "album" / name).symlink_to(folder / "originals" / name)
    (folder / "album" / "small").symlink_to("../thumbnails")
    shutil.copytree(folder / "originals", tmp_path / "elsewhere")
    (folder / "a linked folder").symlink_to(tmp_path / "elsewhere")
    os.link(folder / "originals" / "lamp.jpg", folder / "album" / "hard link.jpg")
    (folder / "copies").mkdir()
    for copy, source in zip(
        COPIES, ["originals/bed.jpg", "burst/2.jpg", "receipts/07.png"], strict=True
    ):
        shutil.copy(folder / source, folder / copy)
    return folder


def paths_below(folder: Path) -> list[Path]:
    """Return every path of a picture, links followed."""
    walked = os.walk(folder, followlinks=True)
    paths = [Path(parent, name) for parent, _, names in walked for name in names]
    return [path for path in paths if path.suffix in (".jpg", ".png")]


def contents(folder: Path) -> set[str]:
    """Return the hash of every picture that can be read; each path must be one."""
    found = set()
    for path in paths_below(folder):
        with Image.open(path) as image:
            image.load()
        found.add(hashlib.sha256(path.read_bytes()).hexdigest())
    return found


@pytest.fixture
def listed(engine: Run, people: Path, tmp_path: Path) -> Callable[..., Any]:
    """Index the pictures; return a function that lists duplicates with paths relative to them."""
    engine("index", people, "--store", tmp_path / "store", check=True)

    def run(*options: str) -> Any:
        done = engine("duplicates", "--store", tmp_path / "store", "--json", *options, check=True)
        groups = json.loads(done.stdout)
        for group in groups:
            group["keep"] = os.path.relpath(group["keep"], people)
            for key in ("paths", "removable"):
                group[key] = [os.path.relpath(path, people) for path in group[key]]
        return groups

    return run


def test_deleting_what_is_named_leaves_every_picture_at_its_largest(
    engine: Run, people: Path, tmp_path: Path
) -> None:
    engine("index", people, "--store", tmp_path / "store", check=True)
    pictures, paths = contents(people), set(paths_below(people))
    command = [sys.executable, "-m", "cli.main", "duplicates", "--paths", "-0", "--store"]
    line = shlex.join([*command, str(tmp_path / "store")]) + " | xargs -0 rm"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run(line, shell=True, check=True, env=environment, timeout=120)
    assert contents(people) == pictures
    assert paths - set(paths_below(people)) == {people / copy for copy in COPIES}


def test_deleting_what_is_named_leaves_every_link_readable(
    engine: Run, drawn_once: Path, tmp_path: Path
) -> None:
    """Each original has a link to it and an older copy, which alone would be what stays."""
    first, second = tmp_path / "first", tmp_path / "second"
    links = {
        "bed.jpg": first / "originals" / "beside.jpg",
        "chair.jpg": first / "album" / "of links alone" / "chair.jpg",
        "lamp.jpg": second / "album" / "lamp.jpg",
    }
    shutil.copytree(drawn_once / "originals", first / "originals")
    shutil.copytree(drawn_once / "originals", first / "backup")
    for path in (first / "backup").iterdir():
        os.utime(path, (1_500_000_000, 1_500_000_000))
    (second / "album").mkdir(parents=True)
    shutil.copy(first / "originals" / "bed.jpg", second / "copy.jpg")
    # One in the eyes of the index, one made behind its back.
    links["bed.jpg"].symlink_to(first / "originals" / "bed.jpg")
    store = tmp_path / "store"
    engine("index", first, second, "--store", store, check=True)
    for name, link in links.items():
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(first / "originals" / name)
    pictures, paths = contents(tmp_path), set(paths_below(tmp_path))
    command = [sys.executable, "-m", "cli.main", "duplicates", "--paths", "-0", "--store"]
    line = shlex.join([*command, str(store)]) + " | xargs -0 rm"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    subprocess.run(line, shell=True, check=True, env=environment, timeout=120)
    assert contents(tmp_path) == pictures
    removed = {*(first / "backup" / name for name in links), second / "copy.jpg"}
    assert paths - set(paths_below(tmp_path)) == removed


def test_after_that_nothing_more_is_named(engine: Run, people: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    engine("index", people, "--store", store, check=True)
    named = engine("duplicates", "--paths", "-0", "--store", store, check=True).stdout
    for path in named.split(b"\0")[:-1]:
        Path(os.fsdecode(path)).unlink()
    # Also before the catalog hears of it.
    assert engine("duplicates", "--paths", "--store", store, check=True).stdout == b""
    engine("index", people, "--store", store, check=True)
    assert engine("duplicates", "--paths", "--store", store, check=True).stdout == b""


def test_a_thumbnail_never_stays_in_its_originals_stead(listed: Callable[..., Any]) -> None:
    groups = listed("--level", "similar", "--min-score", "0.7")
    thumbnails = [path for group in groups for path in group["paths"] if "thumbnails" in path]
    assert thumbnails
    assert not [group["keep"] for group in groups if "thumbnails" in group["keep"]]


def test_each_level_lists_its_kinds(listed: Callable[..., Any]) -> None:
    exact, copy, similar = (
        {group["kind"] for group in listed(*options)}
        for options in (
            ["--level", "exact"],
            ["--level", "copy"],
            ["--level", "similar", "--min-score", "0.6"],
        )
    )
    assert (exact, copy) == ({"exact"}, {"exact", "copy"})
    assert similar == {"exact", "copy", "similar"}


def test_copies_are_named_where_the_level_says_so(
    engine: Run, listed: Callable[..., Any], people: Path, tmp_path: Path
) -> None:
    removable = [path for group in listed("--level", "copy") for path in group["removable"]]
    store = tmp_path / "store"
    done = engine("duplicates", "--paths", "-0", "--level", "copy", "--store", store, check=True)
    named = [os.fsdecode(path) for path in done.stdout.split(b"\0")[:-1]]
    assert [os.path.relpath(path, people) for path in named] == removable
    assert set(removable) > set(COPIES)


def test_what_stays_is_shown_first_beside_the_lowest_score(
    engine: Run, people: Path, tmp_path: Path, listed: Callable[..., Any]
) -> None:
    done = engine("duplicates", "--store", tmp_path / "store", "--csv", check=True)
    header, *rows = csv.reader(io.StringIO(done.stdout.decode(), newline=""))
    assert header == ["group", "kind", "score", "keep", "path"]
    wanted = [
        [str(number), group["kind"], str(group["score"]), "" if rank else "keep"]
        for number, group in enumerate(listed(), start=1)
        for rank, _ in enumerate(group["paths"])
    ]
    assert [row[:4] for row in rows] == wanted
    kept = [group["keep"] for group in listed()]
    assert [os.path.relpath(row[4], people) for row in rows if row[3]] == kept


def test_what_is_left_out_is_told(engine: Run, people: Path, tmp_path: Path) -> None:
    engine("index", people, "--store", tmp_path / "store", check=True)
    done = engine("duplicates", "--paths", "--store", tmp_path / "store", check=True)
    assert b"3 more are not named: a link leads to or through them" in done.stderr
