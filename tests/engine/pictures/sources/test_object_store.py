"""A real S3 server: listings, states, bytes, and what is said where none of these is to be had."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from engine.config import UrlLimits
from engine.errors import ImageError, UsageError
from engine.pictures.read import read_file
from engine.pictures.sources.object_store import ObjectLimits, ObjectStore, _nanoseconds
from engine.pictures.sources.table import scheme_of, store_of
from engine.pictures.walk import find_images, list_images, require_one
from engine.pictures.walk_rules import WalkRules
from tests.support.archives import picture
from tests.support.hostile_web import OK, HostileServer, Visit
from tests.support.object_store import KEY, SECRET, Prefix

pytestmark = pytest.mark.slow
NAMES = ["a.png", "arm chairs/ü ?#%.png", "in/b.png", "in/deep/c.png"]


@pytest.fixture
def filled(prefix: Prefix) -> Prefix:
    """A prefix with four pictures, a hidden one and a text."""
    for number, name in enumerate(NAMES):
        prefix.put(name, picture(number))
    prefix.put("in/.hidden/x.png", b"x")
    prefix.put("in/notes.txt", b"x")
    return prefix


@pytest.fixture
def forgotten(prefix: Prefix) -> Iterator[Prefix]:
    """A prefix whose credentials a test may change: clients are made anew."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    yield prefix
    s3fs.S3FileSystem.clear_instance_cache()


def test_objects_are_found_and_read(filled: Prefix) -> None:
    found = find_images([filled.url])
    assert [each.path for each in found.files] == [f"{filled.url}/{name}" for name in NAMES]
    assert [read_file(each.path, size=each.size) for each in found.files] == [
        picture(number) for number in range(4)
    ]
    assert (found.roots, found.skipped, found.left_out) == ([filled.url], [], 1)


def test_a_prefix_ends_at_a_slash(filled: Prefix) -> None:
    filled.put("inside.png", picture(9))
    found = find_images([f"{filled.url}/in/"])
    assert [each.path for each in found.files] == [f"{filled.url}/{name}" for name in NAMES[2:]]


def test_patterns_hold_below_the_prefix(filled: Prefix) -> None:
    found = find_images([filled.url], WalkRules(exclude=("in/deep", "a.*")))
    assert [each.path for each in found.files] == [f"{filled.url}/{name}" for name in NAMES[1:3]]
    assert found.excluded == 2


def test_a_state_changes_with_the_content_alone(filled: Prefix) -> None:
    [first] = find_images([f"{filled.url}/a.png"]).files
    filled.put("a.png", picture(0))
    [same] = find_images([f"{filled.url}/a.png"]).files
    filled.put("a.png", picture(7))
    [other] = find_images([f"{filled.url}/a.png"]).files
    assert first.inode == same.inode != other.inode and first.ctime_ns is None
    assert first.inode is not None and 0 <= first.inode < 2**63


def test_an_object_that_is_too_large_is_not_read(filled: Prefix) -> None:
    url = filled.put("large.png", bytes(3000))
    reserved: list[int] = []
    for size in (None, 3000, 10):
        with pytest.raises(ImageError, match=r"more than the limit"):
            read_file(url, 2999, reserved.append, size=size)
    assert reserved == [10]
    assert len(read_file(url, 3000)) == 3000


def test_what_is_gone_or_empty_is_said(filled: Prefix) -> None:
    with pytest.raises(ImageError, match="no such object"):
        read_file(f"{filled.url}/gone.png")
    with pytest.raises(ImageError, match="no such object"):
        read_file(f"{filled.url}/gone.png", size=7)
    with pytest.raises(ImageError, match="0 bytes"):
        read_file(filled.put("empty.png", b""), size=0)


def test_a_prefix_with_nothing_is_told_and_is_a_root(filled: Prefix) -> None:
    found = find_images([f"{filled.url}/nothing"])
    assert found.roots == [f"{filled.url}/nothing"] and not found.unseen
    assert [each.reason for each in found.skipped] == ["there is nothing at or below it"]


def test_a_bucket_that_is_not_there_hides_nothing(filled: Prefix) -> None:
    found = find_images(["s3://no-such-bucket/x"])
    assert (found.roots, found.unseen) == ([], ["s3://no-such-bucket/x"])
    assert [each.reason for each in found.skipped] == ["there is no bucket no-such-bucket"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "access is denied"),
        ({"AWS_ACCESS_KEY_ID": "wrong-key"}, "access is denied"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no credentials for it"),
        ({"AWS_ENDPOINT_URL": "http://u:pw@127.0.0.1:9"}, "it cannot be read"),
    ],
)
def test_wrong_access_is_one_line_and_names_no_key(
    forgotten: Prefix, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], reason: str
) -> None:
    for name, value in change.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    # One attempt: how often the client tries again is its own affair.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    store_of.cache_clear()
    found = list_images([forgotten.url])
    [skip] = found.skipped
    assert skip.reason.startswith(reason) and found.unseen == [forgotten.url]
    said = f"{skip.reason} {skip.hint}"
    assert "\n" not in said and not any(
        key in said for key in (KEY, SECRET, "wrong-", "pw@", "u:pw")
    )


@pytest.mark.skipif(find_spec("gcsfs") is not None, reason="what reads gs:// is installed")
def test_nothing_is_asked_of_a_scheme_whose_package_is_missing() -> None:
    with pytest.raises(UsageError, match=r"image-engine\[gcs\]"):
        require_one(["gs://bucket/x"])


def test_limits_of_urls_hold(filled: Prefix) -> None:
    with pytest.raises(ImageError, match="ENGINE_NO_URLS"):
        read_file(f"{filled.url}/a.png", urls=UrlLimits(allowed=False))


def test_a_server_that_trickles_holds_nobody_up(
    forgotten: Prefix, hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trickled(visit: Visit) -> None:
        visit.send(OK + b"Content-Length: 100000\r\n\r\n")
        visit.trickle(itertools.repeat(b"x"))

    hostile.answer = trickled
    monkeypatch.setenv("AWS_ENDPOINT_URL", hostile.url)
    scheme = scheme_of("s3://x/y")
    assert scheme is not None
    store = ObjectStore(scheme, ObjectLimits(seconds=0.5, rate=1e9))
    with pytest.raises(ImageError, match="takes too long"):
        store.read("s3://bucket/x.png", UrlLimits(), 100_000, 100_000, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-05-01T12:00:00.5Z", 1_714_564_800_500_000_000),
        ("2024-05-01T12:00:00+00:00", 1_714_564_800_000_000_000),
        (1_714_564_800.5, 1_714_564_800_500_000_000),
        ("no time", None),
        (None, None),
        (True, None),
    ],
)
def test_times_of_all_clients_are_read(value: object, expected: int | None) -> None:
    assert _nanoseconds(value) == expected
