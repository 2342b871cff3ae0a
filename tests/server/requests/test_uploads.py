"""Pictures that stay: which names they get, and what is never written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import Engine
from engine.errors import DiskFullError, ImageError, ReadOnlyError
from engine.pictures.read import NamedBytes
from server.requests.uploads import Uploads
from server.responses.problems import RefusedError

MOST = 1 << 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "uploads").mkdir()
    return tmp_path / "uploads"


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_a_picture_is_a_file_named_by_what_it_is(folder: Path, indexed: Engine, bed: bytes) -> None:
    uploads = Uploads(folder, MOST)
    (path,) = uploads.store([NamedBytes.of(bed, "Großes Bett.PNG")], indexed.images)
    assert re.fullmatch(r"Groes-Bett-[0-9a-f]{16}\.jpg", os.path.basename(path))
    assert Path(path).read_bytes() == bed
    assert names(folder) == [os.path.basename(path)]


def test_the_same_content_is_one_file(folder: Path, indexed: Engine, bed: bytes) -> None:
    uploads = Uploads(folder, MOST)
    sent = [NamedBytes.of(bed, "one.jpg"), NamedBytes.of(bed, "two.jpg")]
    first, second = uploads.store(sent, indexed.images)
    assert first == second
    assert uploads.store([bed], indexed.images) == [first]
    assert len(names(folder)) == 1


def test_threads_that_send_the_same_write_it_once(
    folder: Path, indexed: Engine, bed: bytes
) -> None:
    uploads = Uploads(folder, MOST)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: uploads.store([bed], indexed.images), range(12)))
    assert len({path for (path,) in found}) == 1
    assert len(names(folder)) == 1


def test_what_is_no_picture_is_not_written(folder: Path, indexed: Engine, bed: bytes) -> None:
    for bad in (b"", b"#!/bin/sh\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>", bed[:200]):
        with pytest.raises(ImageError):
            Uploads(folder, MOST).store([bed, NamedBytes.of(bad, "x.jpg")], indexed.images)
    assert names(folder) == []


def test_a_link_is_not_taken_for_a_picture(folder: Path, indexed: Engine, bed: bytes) -> None:
    uploads = Uploads(folder, MOST)
    (path,) = uploads.store([bed], indexed.images)
    elsewhere = folder.parent / "elsewhere"
    elsewhere.write_bytes(bed)
    os.unlink(path)
    os.symlink(elsewhere, path)
    assert uploads.store([bed], indexed.images) == [path]
    assert not os.path.islink(path)
    assert elsewhere.read_bytes() == bed


def test_a_folder_has_an_end(folder: Path, indexed: Engine, bed: bytes, images: Path) -> None:
    other = sorted(images.rglob("*.jpg"))[-1].read_bytes()
    uploads = Uploads(folder, len(bed) + len(other) - 1)
    uploads.store([bed], indexed.images)
    with pytest.raises(DiskFullError):
        uploads.store([other], indexed.images)
    uploads.store([bed], indexed.images)
    assert len(names(folder)) == 1


def test_of_a_request_all_pictures_stay_or_none(
    folder: Path, indexed: Engine, bed: bytes, images: Path
) -> None:
    other = sorted(images.rglob("*.jpg"))[-1].read_bytes()
    with pytest.raises(DiskFullError):
        Uploads(folder, len(bed) + len(other) - 1).store([bed, other], indexed.images)
    assert names(folder) == []
    uploads = Uploads(folder, MOST)
    (taken,) = uploads.store([NamedBytes.of(other, "other.jpg")], indexed.images)
    os.unlink(taken)
    os.mkdir(taken)
    with pytest.raises(DiskFullError):
        uploads.store([bed, NamedBytes.of(other, "other.jpg")], indexed.images)
    assert names(folder) == [os.path.basename(taken)]


def test_a_folder_that_may_not_be_written_says_so(
    open_folder: Path,
    indexed: Engine,
    bed: bytes,
    as_nobody: Callable[[], AbstractContextManager[None]],
) -> None:
    open_folder.chmod(0o555)
    indexed.start()
    with as_nobody(), pytest.raises(ReadOnlyError):
        Uploads(open_folder, MOST).store([bed], indexed.images)


def test_without_a_folder_nothing_is_taken(indexed: Engine, bed: bytes) -> None:
    with pytest.raises(RefusedError, match="--folder") as refused:
        Uploads(None, MOST).store([bed], indexed.images)
    assert refused.value.status == 403


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.one_of(st.text(max_size=300), st.sampled_from(["../../x.jpg", "/etc/passwd", ".git", "a\0"]))
)
def test_no_name_leads_anywhere(folder: Path, indexed: Engine, bed: bytes, name: str) -> None:
    (path,) = Uploads(folder, MOST).store([NamedBytes.of(bed, name)], indexed.images)
    assert os.path.dirname(path) == str(folder)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,39}-[0-9a-f]{16}\.jpg", os.path.basename(path))
    os.unlink(path)
