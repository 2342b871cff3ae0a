"""Indexing after anything that can happen to files, against what lies on the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import Config, Engine
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.records import Floats

NAMES = ["a.bmp", "b.bmp", "x/a.bmp", "x/b.bmp", "y/a.bmp"]
CONTENTS = range(5)
LONG_AGO = 1_600_000_000
TWO = st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True)
STEP = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(CONTENTS)),
    st.tuples(st.just("break"), st.sampled_from(NAMES)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES)),
    TWO.map(lambda names: ("rename", *names)),
    TWO.map(lambda names: ("copy", *names)),
    TWO.map(lambda names: ("swap", *names)),
    st.just(("swap folders",)),
)
ROUNDS = st.lists(st.lists(STEP, max_size=5), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def files() -> dict[int, bytes]:
    """The pictures that are written, all of one size, by content."""
    made: dict[int, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for content in CONTENTS:
            squares = np.random.default_rng(content).integers(0, 256, (4, 4, 3), np.uint8)
            path = Path(folder, "a.bmp")
            Image.fromarray(squares).resize((16, 16), Image.Resampling.NEAREST).save(path)
            made[content] = path.read_bytes()
    return made


class Disk:
    """A folder to which things happen.

    Each file written gets a time of its own long ago; or, with `young`, they all have the same
    time in the future, so that only a look inside tells them apart.
    """

    def __init__(self, root: Path, files: dict[int, bytes], *, young: bool) -> None:
        self.root, self._files, self._young = root, files, young
        self._times = count(LONG_AGO)
        self._soon = int(time.time()) + 3600
        for folder in ("x", "y"):
            (root / folder).mkdir(parents=True)
        self.write("anchor.bmp", 0)

    def write(self, name: str, content: int) -> None:
        """Put a picture there."""
        self._put(name, self._files[content])

    def _put(self, name: str, data: bytes) -> None:
        path = self.root / name
        path.write_bytes(data)
        stamp = self._soon if self._young else next(self._times)
        os.utime(path, (stamp, stamp))

    def happen(self, kind: str, *facts: object) -> None:
        """Let one thing happen, if it can."""
        if kind == "write":
            self.write(str(facts[0]), int(str(facts[1])))
            return
        if kind == "swap folders":
            self._swap(self.root / "x", self.root / "y")
            return
        one, *others = (self.root / str(name) for name in facts)
        if not one.exists():
            return
        if kind == "break":
            self._put(str(facts[0]), one.read_bytes()[:200])
        elif kind == "delete":
            one.unlink()
        elif kind == "rename":
            one.replace(others[0])
        elif kind == "copy":
            shutil.copy2(one, others[0])
        elif others[0].exists():
            self._swap(one, others[0])

    def _swap(self, one: Path, other: Path) -> None:
        one.rename(self.root / "swapping")
        other.rename(one)
        (self.root / "swapping").rename(other)

    def images(self) -> dict[str, bytes]:
        """Return what lies on the disk now."""
        return {str(path): path.read_bytes() for path in self.root.rglob("*.bmp")}


def stored(store: Path) -> dict[str, Floats]:
    """Return the embedding that the catalog shows for each path."""
    with Catalog.open(store / "catalog.sqlite") as catalog:
        paths = {each.id: each.path for each in catalog.contents.visible()}
        ids, vectors = catalog.embeddings.all()
    assert sorted(paths) == ids.tolist()
    return {paths[image_id]: row for image_id, row in zip(ids.tolist(), vectors.unit, strict=True)}


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds=ROUNDS, young=st.booleans())
def test_after_every_index_the_catalog_shows_what_lies_on_the_disk(
    files: dict[int, bytes], rounds: list[list[tuple[object, ...]]], young: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk = Disk(Path(folder, "shop"), files, young=young)
        config = Config.at(Path(folder, "store"))
        with Engine(config, embedder=FakeEmbedder(config)) as engine:
            embedder = FakeEmbedder(config)
            known: dict[str, bytes] = {}
            for steps in [[], *rounds]:
                for step in steps:
                    disk.happen(str(step[0]), *step[1:])
                report = engine.index([disk.root])
                present = disk.images()
                whole = set(files.values())
                # A file that broke shows what it was, as long as the file is there.
                wanted = {
                    path: data if data in whole else known.get(path, b"")
                    for path, data in present.items()
                }
                known = {path: data for path, data in wanted.items() if data}
                seen = {path: data for path, data in wanted.items() if data in whole}
                check(embedder, seen, stored(config.store.folder))
                hits = engine.search(files[0], k=100)
                assert sorted(hit.path for hit in hits) == sorted(seen)
                counted = (
                    report.added,
                    report.updated,
                    report.moved,
                    report.unchanged,
                    report.came_back,
                )
                assert sum(counted) + len(report.skipped) == len(present)


def check(embedder: FakeEmbedder, wanted: dict[str, bytes], found: dict[str, Floats]) -> None:
    """Compare the stored embeddings with those of the files' own content."""
    assert sorted(found) == sorted(wanted)
    for path, data in wanted.items():
        (own,) = embedder.embed([embedder.pixels(data, path)]).unit
        np.testing.assert_allclose(found[path], own, atol=2e-3, err_msg=path)
