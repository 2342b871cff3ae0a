"""Bad pictures never stop a run: each is named with its reason and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
SIDE = 30_000
# What is bad, and what its reason must say.
BAD = {
    "truncated.jpg": "damaged",
    "empty.jpg": "0 bytes",
    "text.jpg": "it looks like text",
    "page.png": "it looks like a web page",
    "bomb.png": "more pixels than the limit of 100 Mpx",
    "forbidden.jpg": "permission denied",
    "folder.jpg": "it is a folder",
    "pipe.jpg": "it is not an ordinary file",
    "broken-link.jpg": "there is nothing at this path",
}
ODD_NAMES = [
    b"two\nlines.jpg",
    "🪑 chair.jpg".encode(),
    b"  spaces .jpg",
    b"caf\xe9.jpg",
    b"-k.jpg",
]


def _bomb() -> bytes:
    """Return a valid PNG of 30000 x 30000 pixels in about a hundred kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", SIDE, SIDE, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    block = bytes(100 * (1 + SIDE // 8))
    pixels = b"".join(packer.compress(block) for _ in range(SIDE // 100)) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@dataclass(frozen=True)
class Ran:
    """A run over a folder with good and bad pictures."""

    folder: Path
    store: Path
    done: subprocess.CompletedProcess[bytes]

    @property
    def report(self) -> dict[str, Any]:
        """What the command answered."""
        answer: dict[str, Any] = json.loads(self.done.stdout)
        return answer


@pytest.fixture(scope="module")
def ran(
    engine: Run,
    drawn: Path,
    powerless: Callable[[], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Ran:
    """Index twelve good pictures, five of them with odd names, and nine bad ones."""
    folder = tmp_path_factory.mktemp("bad")
    good = [path.read_bytes() for path in sorted(drawn.rglob("*.jpg"))]
    for number in range(7):
        (folder / f"good-{number}.jpg").write_bytes(good[number])
    for number, name in enumerate(ODD_NAMES, start=7):
        try:
            with open(os.path.join(os.fsencode(folder), name), "wb") as file:
                file.write(good[number])
        except OSError:
            pytest.skip("this file system takes only UTF-8 names")
    (folder / "truncated.jpg").write_bytes(good[20][: len(good[20]) // 2])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("not a picture")
    (folder / "page.png").write_text("<!DOCTYPE html><p>not found")
    (folder / "bomb.png").write_bytes(_bomb())
    (folder / "forbidden.jpg").write_bytes(good[21])
    (folder / "forbidden.jpg").chmod(0)
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "broken-link.jpg").symlink_to(folder / "nowhere")
    store = tmp_path_factory.mktemp("store") / "store"
    done = engine("index", folder, "--store", store, "--json", preexec_fn=powerless)
    return Ran(folder, store, done)


def test_the_exit_code_says_that_something_was_skipped(ran: Ran) -> None:
    assert ran.done.returncode == 3


@pytest.mark.parametrize("name", BAD)
def test_each_bad_image_is_in_the_json_with_path_reason_and_hint(ran: Ran, name: str) -> None:
    [skip] = [skip for skip in ran.report["skipped"] if skip["path"] == str(ran.folder / name)]
    assert BAD[name] in skip["reason"]
    assert skip["hint"]


@pytest.mark.parametrize("name", BAD)
def test_each_bad_image_is_a_line_on_stderr(ran: Ran, name: str) -> None:
    lines = ran.done.stderr.decode().splitlines()
    [line] = [line for line in lines if line.startswith(f"skipped {ran.folder / name}: ")]
    assert BAD[name] in line


def test_nothing_else_is_skipped_or_said(ran: Ran) -> None:
    assert len(ran.report["skipped"]) == len(BAD)
    assert len(ran.done.stderr.splitlines()) == len(BAD)


def test_all_other_images_are_indexed(ran: Ran) -> None:
    assert (ran.report["added"], ran.report["images"]) == (12, 12)


def test_odd_names_come_back_as_the_bytes_they_are(ran: Ran, engine: Run) -> None:
    query = ran.folder / "good-0.jpg"
    done = engine("search", query, "-k", "12", "--paths", "--null", "--store", ran.store)
    found = {os.path.basename(path) for path in done.stdout.split(b"\0") if path}
    assert set(ODD_NAMES) <= found


def test_odd_names_survive_json(ran: Ran, engine: Run) -> None:
    done = engine("search", ran.folder / "good-0.jpg", "-k", "12", "--json", "--store", ran.store)
    [report] = json.loads(done.stdout)
    found = {os.path.basename(os.fsencode(hit["path"])) for hit in report["results"]}
    assert set(ODD_NAMES) <= found


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_image_with_an_odd_name_can_be_the_query(ran: Ran, quick: Run, name: bytes) -> None:
    path = os.fsdecode(os.path.join(os.fsencode(ran.folder), name))
    done = quick("search", path, "-k", "1", "--json", "--store", ran.store)
    [report] = json.loads(done.stdout)
    assert report["results"][0]["path"] == path


def test_an_odd_name_cannot_break_a_table(ran: Ran, quick: Run) -> None:
    done = quick("search", ran.folder / "good-0.jpg", "-k", "12", "--store", ran.store)
    assert len(done.stdout.decode().splitlines()) == 13


def test_an_image_that_became_unreadable_keeps_its_row(
    ran: Ran, engine: Run, quick: Run, powerless: Callable[[], None], tmp_path: Path
) -> None:
    store = Path(shutil.copytree(ran.store, tmp_path / "store"))
    locked = ran.folder / "good-3.jpg"
    os.utime(locked, (1, 1))  # changed, so that it is looked at again
    locked.chmod(0)
    try:
        done = engine("index", ran.folder, "--store", store, "--json", preexec_fn=powerless)
    finally:
        locked.chmod(0o644)
    report = json.loads(done.stdout)
    assert (done.returncode, report["images"], report["removed"]) == (3, 12, 0)
    assert str(locked) in [skip["path"] for skip in report["skipped"]]
    found = quick("search", locked, "-k", "1", "--paths", "--store", store)
    assert found.stdout.decode() == f"{locked}\n"


def test_a_bomb_may_be_let_in_by_who_trusts_it(ran: Ran, quick: Run) -> None:
    small = ("classify", ran.folder / "good-0.jpg", "--max-megapixels", "0.05")
    done = quick(*small, "--store", ran.store)
    assert done.returncode == 1
    assert b"raise the limit with --max-megapixels" in done.stderr
