"""Whatever happens to a large catalog and to who saves its index, the index can be had again."""

from __future__ import annotations

import json
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
from index.sync import CatchUpLimits, OpenedIndex, save_index
from index.vectors.choose import FaissLimits
from index.vectors.manifest import MANIFEST, read_manifest
from tests.support import REPOSITORY
from tests.support.indexes import (
    checked_at,
    faiss_of,
    files_in,
    manifest_in,
    open_at,
    save_at,
    settle_at,
)

Add = Callable[..., None]
Check = Callable[[Catalog, OpenedIndex], None]
Work = Callable[[str, Path, int], int]
VERBS = ["add", "add", "again", "hide", "reveal", "delete", "save", "settle"]
LOST = ["lose manifest", "lose delta", "lose segment", "cut delta", "cut segment"]
# Merge a delta of more than eight.
SMALL = FaissLimits(delta=8)

steps = st.lists(
    st.tuples(
        st.sampled_from([*VERBS, *LOST, "back up", "restore"]),
        st.integers(1, 9),
        st.integers(0, 2**16),
    ),
    max_size=12,
)

pytestmark = pytest.mark.slow


class _Story:
    """A store to which anything happens."""

    def __init__(self, store: Path, add: Add) -> None:
        self.path, self.folder = store / "catalog.sqlite", store / "index"
        self.backup = store / "backup.sqlite"
        self.add = add
        self.catalog = Catalog.open(self.path)

    def step(self, verb: str, count: int, seed: int) -> None:
        images = self.catalog.images
        known = sorted(image.id for image in images.known(["/"]).values())
        some = np.random.default_rng(seed).choice(known, min(count, len(known)), replace=False)
        if verb == "add":
            self.add(self.catalog, count, seed=seed)
        elif verb == "again":
            self.add(self.catalog, len(some), ids=some.tolist(), seed=seed)
        elif verb in ("save", "settle"):
            save_at(self.catalog, self.folder, SMALL, settle=verb == "settle")
            assert checked_at(self.catalog, self.folder) == ("current", [])
        elif verb == "back up":
            self.catalog.close()
            shutil.copy(self.path, self.backup)
        elif verb == "restore":
            self.catalog.close()
            if self.backup.exists():
                shutil.copy(self.backup, self.path)
            self.catalog = Catalog.open(self.path)
        elif verb in LOST:
            self.harm(*verb.split())
        else:
            getattr(images, verb)(some.tolist())

    def harm(self, verb: str, what: str) -> None:
        for path in self.folder.glob(f"{what}*"):
            data = path.read_bytes()
            path.unlink()
            if verb == "cut":
                path.write_bytes(data[:-9])


def test_after_any_changes_a_large_index_holds_what_the_catalog_shows(
    large_store: Path, tmp_path: Path, add: Add, check_large: Check
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(steps=steps)
    def holds(steps: list[tuple[str, int, int]]) -> None:
        store = Path(shutil.copytree(large_store, tmp_path / "store"))
        story = _Story(store, add)
        try:
            for number, (verb, count, seed) in enumerate(steps):
                story.step(verb, count, seed + number * 2**17)
            catalog, limits = story.catalog, CatchUpLimits(8, 0.4)
            check_large(catalog, open_at(catalog, story.folder, SMALL, catch_up=limits))
        finally:
            story.catalog.close()
            shutil.rmtree(store)

    holds()


# Imports everything once. Each line on stdin names work, a store, and before which step of saving
# a fork is killed that does it: a flush of a file or folder, a rename, or a removal. The answer is
# the signal that the fork ended by, and how many steps it took where none did.
WORKSHOP = """
import json, os, signal, sys
from pathlib import Path
import index.vectors.ivf.build
from index.catalog.catalog import Catalog
from index.vectors.choose import FaissLimits
from tests.support.indexes import save_at, settle_at

def counted(real):
    def call(*arguments, **settings):
        global taken
        taken += 1
        if taken == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **settings)
    return call

for line in sys.stdin:
    work, store, last = json.loads(line)
    folder, taken = Path(store) / "index", 0
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with Catalog.open(Path(store) / "catalog.sqlite") as catalog:
            if work == "build":
                for path in folder.iterdir():
                    path.unlink()
            if work == "exact":
                catalog.prefer("exact", None)
            for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
                setattr(owner, name, counted(getattr(owner, name)))
            limits = FaissLimits(delta=5) if work == "merge" else FaissLimits()
            settle_at(catalog, folder, limits)
        os.write(writing, str(taken).encode())
        os._exit(0)
    os.close(writing)
    ended = os.WTERMSIG(os.waitpid(child, 0)[1])
    print(json.dumps([ended, int(os.read(reading, 99) or 0)]), flush=True)
    os.close(reading)
"""
# Of each file: its flush, its rename, the flush of its folder, the removal of what was temporary.
# The manifest is the last; then goes what it names no more.
FILES = {"build": 4, "merge": 4, "delta": 3, "exact": 3}
REMOVED = {"build": 0, "merge": 2, "delta": 1, "exact": 2}
STEPS = {work: 4 * FILES[work] + REMOVED[work] for work in FILES}


@pytest.fixture(scope="module")
def workshop() -> Iterator[Callable[[str, Path, int], tuple[int, int]]]:
    """Let another process save an index, and be killed before a step of that."""
    command = [sys.executable, "-c", WORKSHOP]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    ) as child:

        def run(work: str, store: Path, last: int) -> tuple[int, int]:
            assert child.stdin is not None
            assert child.stdout is not None
            print(json.dumps([work, str(store), last]), file=child.stdin, flush=True)
            signal, taken = json.loads(child.stdout.readline())
            return signal, taken

        yield run


@pytest.mark.parametrize(
    ("work", "last"),
    [(work, last) for work, steps in STEPS.items() for last in range(1, steps + 1)],
)
def test_a_process_killed_before_any_step_of_saving_leaves_a_usable_index(
    large: Catalog,
    tmp_path: Path,
    folder: Path,
    add: Add,
    check_large: Check,
    workshop: Callable[[str, Path, int], tuple[int, int]],
    work: str,
    last: int,
) -> None:
    add(large, 6)
    large.images.hide([1])
    large.images.delete([2])
    before = None if work == "build" else manifest_in(folder)
    assert workshop(work, tmp_path, last) == (9, 0)
    manifest, renamed = read_manifest(folder), last > 4 * FILES[work] - 2
    if renamed:
        assert manifest is not None
        assert manifest.state == large.state()
    else:
        assert manifest == before
    assert manifest is None or manifest.shows(manifest.state, folder), "what is named is there"
    opened = open_at(large, folder)
    assert (opened.origin == "current") == renamed
    check_large(large, opened)
    settle_at(large, folder)
    assert not list(folder.glob("*.tmp")), "what was left is tidied up"
    assert set(files_in(folder)) == {MANIFEST, *(file.name for file in manifest_in(folder).files)}
    again = open_at(large, folder)
    assert again.origin == "current"
    check_large(large, again)


@pytest.mark.parametrize("work", STEPS)
def test_a_process_that_is_not_killed_takes_all_these_steps(
    large: Catalog,
    tmp_path: Path,
    folder: Path,
    add: Add,
    workshop: Callable[[str, Path, int], tuple[int, int]],
    work: str,
) -> None:
    add(large, 6)
    assert workshop(work, tmp_path, 0) == (0, STEPS[work])
    opened = open_at(large, folder)
    assert (opened.origin, len(faiss_of(opened).delta)) == (
        "current",
        {"build": 0, "merge": 0, "delta": 6, "exact": 126}[work],
    )
    assert save_index(opened, large)
