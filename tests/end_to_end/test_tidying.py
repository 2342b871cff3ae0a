"""`engine duplicates --keep ... --move-to DIR`, and `--undo` as it was printed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import REPOSITORY
from tests.support.aside import Tree, tree
from tests.support.crash import PATIENCE, wait_for

Run = Callable[..., subprocess.CompletedProcess[bytes]]
# What a disk does that takes its time over each file.
SLOW = """
import time
import engine.search.duplicates.moves.move as move
import engine.search.duplicates.moves.undo as undo
fast = move.move_file
def slowly(*arguments, **options):
    fast(*arguments, **options)
    time.sleep(0.1)
move.move_file = undo.move_file = slowly
from cli.main import run
run()
"""
COPIES = 12


@pytest.fixture
def pictures(drawn: Path, tmp_path: Path) -> Path:
    """Drawn pictures, and copies of some of them in folders and under names of all kinds."""
    folder = tmp_path / "my pictures"
    shutil.copytree(drawn / "bed", folder / "originals")
    sources = sorted((folder / "originals").iterdir())
    (folder / "copies" / "it's").mkdir(parents=True)
    names = [f"{number}.jpg" for number in range(COPIES - 3)]
    names += ["two\nlines.jpg", "\U0001f6cb.jpg", os.fsdecode(b"\xff.jpg")]
    for source, name in zip(sources, names, strict=True):
        copy = folder / "copies" / "it's" / name
        shutil.copy(source, copy)
        os.utime(copy, ns=(10**18, 10**18 + len(name)))
    return folder


@pytest.fixture
def store(engine: Run, pictures: Path, tmp_path: Path) -> Path:
    """A store that knows them."""
    engine("index", pictures, "--store", tmp_path / "store", check=True)
    return tmp_path / "store"


@pytest.fixture
def before(store: Path, pictures: Path) -> Tree:
    """What the pictures are at first."""
    return tree(pictures)


def test_the_command_that_is_printed_undoes_it_from_anywhere(
    engine: Run, quick: Run, store: Path, pictures: Path, before: Tree, tmp_path: Path
) -> None:
    aside = tmp_path / "to look at"
    line = ("duplicates", "--keep", "*/ORIGINALS/*", "--move-to", aside, "--store", store)
    done = engine(*line)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"moved {COPIES} files (".encode())
    gone = {name for name in before if name.startswith("copies") and name.endswith(".jpg")}
    assert set(tree(pictures)) == before.keys() - gone
    said = done.stderr.decode().splitlines()
    [command] = [line.partition(": ")[2] for line in said if line.startswith("to put back")]
    shell = command.replace("engine", f"{sys.executable} -m cli.main", 1)
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    undone = subprocess.run(
        shell, shell=True, cwd="/", env=environment, capture_output=True, check=True
    )
    assert undone.stdout == f"put back {COPIES} files\n".encode()
    assert tree(pictures) == before
    again = quick("duplicates", "--undo", next(aside.glob("*.jsonl")), "--store", store)
    assert (again.returncode, again.stdout[:31]) == (0, b"nothing is left to put back: ev")
    assert [path.suffix for path in aside.iterdir()] == [".jsonl"]


def test_programs_are_told_all_of_it(
    quick: Run, store: Path, pictures: Path, before: Tree, tmp_path: Path
) -> None:
    line = ("duplicates", "--move-to", tmp_path / "aside", "--store", store, "--json")
    moved = json.loads(quick(*line).stdout)
    assert set(moved) == {"folder", "manifest", "undo", "moved", "skipped"}
    assert set(moved["moved"][0]) == {"source", "destination", "copy_of", "size"}
    assert len(moved["moved"]) == COPIES
    done = quick("duplicates", "--undo", moved["manifest"], "--store", store, "--json")
    undone = json.loads(done.stdout)
    assert set(undone) == {"manifest", "restored", "already_there", "skipped", "notes"}
    assert [each["source"] for each in undone["restored"]] == [
        each["source"] for each in reversed(moved["moved"])
    ]
    assert tree(pictures) == before


def test_what_stays_or_cannot_come_back_is_named_with_exit_code_3(
    quick: Run, store: Path, pictures: Path, before: Tree, tmp_path: Path
) -> None:
    aside, failed = tmp_path / "aside", tmp_path / "failed.csv"
    manifest = json.loads(
        quick("duplicates", "--move-to", aside, "--store", store, "--json").stdout
    )["manifest"]
    taken = next(path for path in before if not (pictures / path).exists())
    copy = pictures / taken
    copy.write_bytes(b"something else")
    done = quick("duplicates", "--undo", manifest, "--store", store, "--failed", failed)
    assert done.returncode == 3
    assert f"put back {COPIES - 1} files".encode() in done.stdout
    assert b"something else lies here; it stays at" in done.stderr
    assert b"something else lies here" in failed.read_bytes()
    assert copy.read_bytes() == b"something else"


def test_with_nothing_to_move_that_is_said(
    quick: Run, drawn: Path, tmp_path: Path, shop: Path
) -> None:
    done = quick("duplicates", "--move-to", tmp_path / "aside", "--store", shop)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"no duplicates to move" in done.stderr
    assert not (tmp_path / "aside").exists()


def test_a_rule_that_names_nothing_is_told(quick: Run, store: Path, tmp_path: Path) -> None:
    listed = quick("duplicates", "--keep", "originals", "--store", store)
    assert listed.returncode == 0
    assert b"'originals' is no rule, and as a pattern matches no picture" in listed.stderr
    line = ("duplicates", "--keep", "originals", "--move-to", tmp_path / "aside", "--store", store)
    moved = quick(*line)
    assert moved.returncode == 2
    assert b"Nothing was moved" in moved.stderr


def test_without_its_store_files_come_back_and_index_takes_them_up(
    quick: Run,
    store: Path,
    pictures: Path,
    before: Tree,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quick("duplicates", "--move-to", tmp_path / "aside", "--store", store)
    monkeypatch.chdir(tmp_path / "aside")
    done = quick("duplicates", "--undo", next((tmp_path / "aside").glob("*.jsonl")).name)
    assert done.returncode == 0, done.stderr
    assert b"note: no catalog was changed" in done.stderr
    assert tree(pictures) == before
    report = json.loads(quick("index", pictures, "--store", store, "--json").stdout)
    assert (report["came_back"], report["embedded"]) == (COPIES, 0)


def started(*arguments: str | Path) -> subprocess.Popen[bytes]:
    """Start the command, with a disk that takes its time."""
    command = [sys.executable, "-c", SLOW, *map(os.fspath, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def moved(aside: Path) -> int:
    return sum(path.suffix == ".jpg" for path in aside.rglob("*"))


@pytest.mark.parametrize("least", [0, 1, 5, COPIES - 1])
def test_killed_and_undone_every_file_is_as_it_was(
    least: int, quick: Run, store: Path, pictures: Path, before: Tree, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    with started("duplicates", "--move-to", aside, "--store", store) as child:
        wait_for(
            lambda: bool(list(aside.glob("*.jsonl"))) and moved(aside) >= least,
            lambda: child.poll() is not None,
        )
        child.kill()
    [manifest] = aside.glob("*.jsonl")
    # Undone, and killed at that as well.
    with started("duplicates", "--undo", manifest, "--store", store) as child:
        left = random.Random(least).randrange(least + 1)
        wait_for(lambda: moved(aside) <= left, lambda: child.poll() is not None)
        child.kill()
    done = quick("duplicates", "--undo", manifest, "--store", store)
    assert done.returncode == 0, done.stderr
    assert tree(pictures) == before
    assert list(aside.iterdir()) == [manifest]
    status = json.loads(quick("status", "--store", store, "--json").stdout)
    assert (status["images"], status["missing"], status["consistent"]) == (2 * COPIES, 0, True)


def test_an_interrupt_is_an_ordinary_stop(
    quick: Run, store: Path, pictures: Path, before: Tree, tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    with started("duplicates", "--move-to", aside, "--store", store) as child:
        wait_for(lambda: moved(aside) > 2, lambda: child.poll() is not None)
        child.send_signal(signal.SIGINT)
        stdout, stderr = child.communicate(timeout=PATIENCE)
    [manifest] = aside.glob("*.jsonl")
    assert (child.returncode, stdout) == (130, b"")
    told, interrupted = stderr.decode().splitlines()
    assert interrupted == "interrupted; everything finished so far is kept"
    assert f"files were moved; `engine duplicates --undo {manifest} --store {store}`" in told
    images = json.loads(quick("status", "--store", store, "--json").stdout)["images"]
    assert images == 2 * COPIES - moved(aside)
    assert quick("duplicates", "--undo", manifest, "--store", store).returncode == 0
    assert tree(pictures) == before
