"""Archives that are open: how many, copied how often, and gone when nobody reads them."""

from __future__ import annotations

import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.opened import ArchiveLimits, OpenArchives
from engine.pictures.sources.states import state_of
from engine.pictures.walk import list_images
from index.records import FileState
from tests.support.archives import picture, write_tar
from tests.support.web import Site


def descriptors() -> int:
    """Return how many files this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def remote(site: Site, tmp_path: Path) -> list[FileState]:
    """Three archives behind URLs."""
    for name in "abc":
        file = write_tar(tmp_path / f"{name}.tar", {f"{name}.png": picture(ord(name))})
        site.serve(f"/{name}.tar", file.read_bytes())
    return list_images([f"{site.url}/{name}.tar" for name in "abc"]).archives


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="Linux alone tells")
def test_at_most_two_copies_are_open(remote: list[FileState]) -> None:
    archives, before = OpenArchives(), descriptors()
    for archive in (*remote, *remote):
        archives.table(archive, UrlLimits())
    assert descriptors() <= before + 2
    del archives
    assert descriptors() <= before


def test_a_table_is_read_on_while_its_copy_is_replaced(remote: list[FileState]) -> None:
    archives = OpenArchives(ArchiveLimits(copies=1))
    table = archives.table(remote[0], UrlLimits())
    archives.table(remote[1], UrlLimits())
    assert table.read is not None
    assert table.read(table.members["a.png"], 10_000) == picture(ord("a"))


def test_many_threads_make_one_copy(site: Site, remote: list[FileState]) -> None:
    archives, start = OpenArchives(), threading.Barrier(4)

    def current(number: int) -> bytes:
        start.wait()
        table = archives.current(remote[0].path, UrlLimits())
        assert table is not None and table.read is not None
        return table.read(table.members["a.png"], 10_000)

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(current, range(4))) == {picture(ord("a"))}
    assert sum(method == "GET" for method, _, _ in site.asked) == 1


def test_no_copy_is_larger_than_it_may(remote: list[FileState]) -> None:
    archives = OpenArchives(ArchiveLimits(copy_bytes=5000))
    with pytest.raises(ImageError, match="no room"):
        archives.table(remote[0], UrlLimits())


def test_a_local_archive_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    path, archives = tmp_path / "x.tar", OpenArchives()
    for number in (1, 2):
        write_tar(path, {f"{number}.png": picture(number)})
        table = archives.current(os.fspath(path), UrlLimits())
        assert table is not None and list(table.members) == [f"{number}.png"]
    path.unlink()
    assert archives.current(os.fspath(path), UrlLimits()) is None


def test_a_pipe_is_no_archive(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.tar")
    assert state_of(f"{tmp_path}/x.tar", UrlLimits()) is None
    with pytest.raises(ImageError, match="not an ordinary file"):
        OpenArchives().table(FileState(f"{tmp_path}/x.tar", 1, 1, 1), UrlLimits())
