"""Whatever happens to a large catalog and to who saves its index, the index can be had again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.catalog.catalog import Catalog
from index.sync import OpenedIndex, open_index, save_index
from index.vectors.files import main_path, read_main_stamp
from tests.support import REPOSITORY

Check = Callable[[Catalog, OpenedIndex], None]
Work = Callable[[str, Path, int], int]
FLUSHES = 4  # the large file and its folder, then the small file and its folder
VERBS = ["add", "add", "again", "hide", "reveal", "delete", "save", "settle"]

steps = st.lists(
    st.tuples(
        st.sampled_from([*VERBS, "lose index.faiss", "lose index.main.faiss"]),
        st.integers(1, 9),
        st.integers(0, 2**16),
    ),
    max_size=12,
)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrange few new images, too, and soon."""
    monkeypatch.setattr("index.sync.FRESH", 8)
    monkeypatch.setattr("index.sync.MOST_CHANGED", 0.4)


def test_after_any_changes_a_large_index_holds_what_the_catalog_shows(
    large_store: Path,
    tmp_path: Path,
    add: Callable[..., None],
    check_large: Check,
) -> None:
    def change(catalog: Catalog, path: Path, verb: str, count: int, seed: int) -> None:
        known = sorted(image.id for image in catalog.images.known(["/"]).values())
        some = np.random.default_rng(seed).choice(known, min(count, len(known)), replace=False)
        if verb == "add":
            add(catalog, count, seed=seed)
        elif verb == "again":
            add(catalog, len(some), ids=some.tolist(), seed=seed)
        elif verb in ("save", "settle"):
            opened = open_index(catalog, path, settle=verb == "settle")
            assert save_index(opened, catalog, path)
            assert open_index(catalog, path).state == "current"
        elif verb.startswith("lose"):
            path.with_name(verb.split()[1]).unlink(missing_ok=True)
        else:
            getattr(catalog.images, verb)(some.tolist())

    @settings(max_examples=15, deadline=None)
    @given(steps=steps)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        folder = Path(shutil.copytree(large_store, tmp_path / "store"))
        path = folder / "index.faiss"
        try:
            with Catalog.open(folder / "catalog.sqlite") as catalog:
                for number, (verb, count, seed) in enumerate(steps):
                    change(catalog, path, verb, count, seed + number * 2**17)
                check_large(catalog, open_index(catalog, path))
        finally:
            shutil.rmtree(folder)

    holds()


# Imports everything once. Each line on stdin names work, a store, and at which flush of a file to
# the disk a fork is killed that does it. The answer is the signal that the fork ended by.
WORKSHOP = """
import json, os, signal, sys
from pathlib import Path
import index.sync
from index.catalog.catalog import Catalog
from index.sync import open_index, save_index

index.sync.FRESH = 5

def fsync(handle):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    work, store, left = json.loads(line)
    child = os.fork()
    if not child:
        path = Path(store) / "index.faiss"
        with Catalog.open(Path(store) / "catalog.sqlite") as catalog:
            if work == "build":
                path.unlink()
                path.with_name("index.main.faiss").unlink()
            os.fsync = fsync
            save_index(open_index(catalog, path, settle=True), catalog, path)
        os._exit(0)
    print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """Let another process save an index, and be killed at one of the times that it flushes."""
    command = [sys.executable, "-c", WORKSHOP]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as workshop:

        def run(name: str, store: Path, flush: int) -> int:
            assert workshop.stdin is not None
            assert workshop.stdout is not None
            print(f'["{name}", "{store}", {flush}]', file=workshop.stdin, flush=True)
            return int(workshop.stdout.readline())

        yield run


@pytest.mark.parametrize("name", ["build", "fold"])
@pytest.mark.parametrize("flush", range(1, FLUSHES + 1))
def test_a_process_killed_while_it_saves_both_files_leaves_an_index_that_can_be_used(
    large: Catalog,
    tmp_path: Path,
    index_file: Path,
    add: Callable[..., None],
    check_large: Check,
    work: Work,
    name: str,
    flush: int,
) -> None:
    add(large, 6)
    large.images.hide([1])
    large.images.delete([2])
    before = read_main_stamp(main_path(index_file))
    assert work(name, tmp_path, flush) == 9
    stamp = read_main_stamp(main_path(index_file))
    assert (stamp == before) == (name == "fold" and flush == 1)
    opened = open_index(large, index_file)
    check_large(large, opened)
    assert save_index(opened, large, index_file)
    assert not list(tmp_path.glob("*.tmp")), "what was left is tidied up"
    again = open_index(large, index_file)
    assert again.state == "current"
    check_large(large, again)


def test_a_process_that_is_not_killed_saves_both_files(
    large: Catalog, tmp_path: Path, index_file: Path, add: Callable[..., None], work: Work
) -> None:
    add(large, 6)
    assert work("fold", tmp_path, FLUSHES + 1) == 0
    opened = open_index(large, index_file)
    assert (opened.state, opened.vectors.fresh) == ("current", 0)
