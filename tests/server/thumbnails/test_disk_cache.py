"""Small files in a cache: as they were written or not there, and no more than there is room for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.thumbnails.disk_cache import ABANDONED_SECONDS, HASH_BYTES, TOUCH_SECONDS, DiskCache

MOST = 64_000


def size_of(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def name(number: int) -> str:
    return f"{number * 7919 % 256:02x}{number:08d}-256"


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(tmp_path / "cache", MOST)


def test_what_was_written_is_read_also_by_others(cache: DiskCache, tmp_path: Path) -> None:
    assert cache.read(name(1)) is None
    cache.write(name(1), b"one")
    cache.write(name(1), b"two")
    assert cache.read(name(1)) == b"two"
    assert DiskCache(tmp_path / "cache", MOST).read(name(1)) == b"two"
    cache.remove(name(1))
    assert cache.read(name(1)) is None
    cache.remove(name(1))


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: old[:-1] + b"x"])
def test_what_is_not_as_it_was_written_is_not_there(
    cache: DiskCache, tmp_path: Path, change: object
) -> None:
    cache.write(name(1), b"a thumbnail")
    [file] = (each for each in tmp_path.rglob("*-256"))
    file.write_bytes(change(file.read_bytes()))  # type: ignore[operator]
    assert cache.read(name(1)) is None
    assert not file.exists()
    file.write_bytes(b"")
    assert cache.read(name(1)) is None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5_000)), max_size=120))
def test_it_never_grows_beyond_its_room(
    tmp_path_factory: pytest.TempPathFactory, written: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("bounded")
    caches = [DiskCache(folder, MOST), DiskCache(folder, MOST)]
    for step, (number, size) in enumerate(written):
        data = bytes([number]) * size
        caches[step % 2].write(name(number), data)
        assert caches[step % 2].read(name(number)) == data
        # Of each of the two a sixteenth is not counted yet.
        assert size_of(folder) <= MOST * (1 + 1 / 16) + 5_000 + HASH_BYTES


def test_what_was_not_used_for_longest_goes_first(cache: DiskCache, tmp_path: Path) -> None:
    for number in range(12):
        cache.write(name(number), bytes(4_000))
    for age, file in enumerate(sorted(tmp_path.rglob("*-256"), key=lambda each: each.name[2:])):
        old = file.stat().st_mtime - TOUCH_SECONDS * (100 - age)
        os.utime(file, (old, old))
    # The oldest of all is used again.
    assert cache.read(name(0))
    for number in range(12, 20):
        cache.write(name(number), bytes(4_000))
    assert cache.read(name(0)) and cache.read(name(19))
    assert cache.read(name(1)) is None


def test_what_nobody_finished_goes(cache: DiskCache, tmp_path: Path) -> None:
    cache.write(name(1), b"x")
    left = next(tmp_path.rglob("*-256")).with_name("left.tmp")
    left.write_bytes(bytes(MOST))
    old = left.stat().st_mtime - ABANDONED_SECONDS - 1
    os.utime(left, (old, old))
    DiskCache(tmp_path / "cache", MOST).write(name(2), b"y")
    assert not left.exists()
    assert cache.read(name(1)) == b"x"


def test_what_is_larger_than_the_room_is_not_written(cache: DiskCache, tmp_path: Path) -> None:
    cache.write(name(1), bytes(MOST))
    assert cache.read(name(1)) is None
    none = DiskCache(tmp_path / "none", 0)
    none.write(name(1), b"")
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(
    open_folder: Path, as_nobody: Callable[[], AbstractContextManager[None]]
) -> None:
    cache = DiskCache(open_folder, MOST)
    cache.write(name(1), b"x")
    for each in (open_folder, *open_folder.rglob("*")):
        os.utime(each, (0, 0))
        each.chmod(0o555)
    with as_nobody():
        cache.write(name(1), b"y")
        cache.write(name(2), b"z")
        # What is there already may be read, though nobody can note that it was used.
        assert [cache.read(name(number)) for number in (1, 2)] == [b"x", None]


def test_a_file_where_the_folder_should_be_costs_the_cache_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    cache = DiskCache(tmp_path / "cache", MOST)
    cache.write(name(1), b"x")
    assert cache.read(name(1)) is None


def test_many_threads_write_and_read_the_same(cache: DiskCache) -> None:
    failed: list[object] = []

    def work() -> None:
        for number in range(200):
            data = bytes([number % 20]) * 3_000
            cache.write(name(number % 20), data)
            if (found := cache.read(name(number % 20))) not in (None, data):
                failed.append(found)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failed


def test_others_of_the_machine_see_nothing(cache: DiskCache, tmp_path: Path) -> None:
    cache.write(name(1), b"x")
    assert {each.stat().st_mode & 0o077 for each in (tmp_path / "cache").rglob("*")} == {0}
