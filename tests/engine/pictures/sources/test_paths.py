"""Names of images: paths, URLs and members of archives, and what is done to them as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine.errors import UsageError
from engine.pictures.sources.paths import (
    absolute,
    archive_parts,
    exists,
    folder_name,
    is_local_file,
    is_remote,
    is_secret,
    real,
    relative,
    require_local,
    without_query,
)
from engine.pictures.sources.table import ARCHIVES, SCHEMES, archive_kind, scheme_of
from index.catalog.paths import PathCodec, is_below
from tests.support.archives import write_tar

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
SCHEME_NAMES = [name for scheme in SCHEMES for name in scheme.names]
OBJECTS = [name for scheme in SCHEMES if scheme.package for name in scheme.names]


def urls(*, of: list[str]) -> st.SearchStrategy[str]:
    """URLs of some schemes, in any case of letters."""
    schemes = st.sampled_from(of).flatmap(lambda name: st.sampled_from([name, name.upper()]))
    hosts = st.from_regex(r"[a-z][a-z0-9-]{2,8}", fullmatch=True)
    return st.tuples(schemes, hosts, KEYS).map(lambda each: f"{each[0]}://{each[1]}/{each[2]}")


@given(urls(of=OBJECTS))
def test_the_name_of_an_object_is_its_own_name(url: str) -> None:
    name = absolute(url)
    assert absolute(name) == name and is_remote(name)
    assert name.split("/", 3)[3] == url.split("/", 3)[3].rstrip("/")


@given(urls(of=OBJECTS), NAMES)
def test_an_object_lies_below_its_prefix_and_bucket(prefix: str, name: str) -> None:
    assume(name.strip("/"))
    prefix = absolute(prefix)
    inside = f"{prefix}/{name}"
    assert is_below(inside, {prefix}) and is_below(inside, {"/".join(prefix.split("/")[:3])})
    assert not is_below(f"{prefix}x/{name}", {prefix})
    assert relative(inside, prefix) == name


@given(urls(of=SCHEME_NAMES), st.sampled_from([None, "/store", "/"]))
def test_a_catalog_holds_urls_as_they_are(url: str, root: str | None) -> None:
    codec = PathCodec(root)
    assert codec.decode(codec.encode(url)) == url == codec.encode(url)


@given(KEYS)
def test_the_name_of_a_web_address_is_its_own_name(path: str) -> None:
    from urllib.parse import quote

    name = absolute(f"HTTP://Shop.Example:80/{quote(path)}")
    assert name.startswith("http://shop.example/") and absolute(name) == name


@pytest.mark.parametrize("name", ["http", "https", "s3", "gs", "az"])
@pytest.mark.parametrize("user", ["user:pw@", ":pw@"])
def test_no_url_with_a_password_is_taken(name: str, user: str) -> None:
    with pytest.raises(UsageError, match="a user or a password") as caught:
        absolute(f"{name}://{user}host/x.jpg")
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "X-Amz-Signature=abc",
        "sig=abc",
        "token=abc",
        "id=1&access_token=abc",
        "X-Goog-Signature=abc",
    ],
)
def test_no_url_with_a_key_in_its_query_is_taken(query: str) -> None:
    with pytest.raises(UsageError, match="its query holds a key") as caught:
        absolute(f"https://host/x.jpg?{query}")
    assert "abc" not in str(caught.value)
    assert is_secret(query.rpartition("&")[2].partition("=")[0])


def test_a_query_without_a_key_belongs_to_the_name() -> None:
    assert absolute("https://host/image?id=7#top") == "https://host/image?id=7"


def test_an_account_of_azure_is_named_by_the_environment() -> None:
    assert absolute("abfs://box/a") == "az://box/a"
    with pytest.raises(UsageError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        absolute("abfs://box@account.dfs.core.windows.net/a")


@pytest.mark.parametrize("url", ["ftp://host/x", "hdfs://a/b", "s3://", "s3:///x", "http://"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UsageError):
        absolute(url)


def test_a_url_that_went_through_a_path_is_refused() -> None:
    with pytest.raises(UsageError, match="two slashes"):
        absolute(os.fspath(Path("s3://bucket/x")))


def test_a_url_of_a_file_is_its_path() -> None:
    assert absolute("file:///data/a%20b.jpg") == "/data/a b.jpg"
    with pytest.raises(UsageError, match="another machine"):
        absolute("file://elsewhere/data")


@given(st.text(max_size=20).filter(lambda text: "\0" not in text))
def test_all_else_is_a_path(text: str) -> None:
    assume("://" not in text and ":/" not in text)
    assert absolute(text) == os.path.abspath(text)
    assert not is_remote(os.path.abspath(text))


def test_each_archive_of_a_path_is_seen() -> None:
    assert list(archive_parts("/a/x.tar/b/y.parquet/1")) == [
        ("/a/x.tar", "b/y.parquet/1"),
        ("/a/x.tar/b/y.parquet", "1"),
    ]
    assert list(archive_parts("s3://x.tar/y.TAR/1")) == [
        ("s3://x.tar", "y.TAR/1"),
        ("s3://x.tar/y.TAR", "1"),
    ]
    assert not list(archive_parts("/a/x.tar")) and not list(archive_parts("/a/x.tar/"))


def test_a_member_is_there_as_long_as_its_archive(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"1.png": b"1"})
    (tmp_path / "y.tar").mkdir()
    assert exists(f"{archive}/1.png") and not exists(f"{tmp_path}/y.tar/1.png")
    assert not is_local_file(f"{archive}/1.png") and is_local_file(f"{tmp_path}/y.tar/1.png")
    assert real("s3://b/x") == "s3://b/x"


def test_what_moves_files_refuses_all_others(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "x.tar", {"1.png": b"1"})
    require_local([os.fspath(tmp_path), os.fspath(archive)], "--watch")
    for path in ("s3://b/x", f"{archive}/1.png"):
        with pytest.raises(UsageError, match="--watch works on files of this machine"):
            require_local([path], "--watch")


def test_the_name_of_a_folder_is_read_from_a_url() -> None:
    assert folder_name("http://host/arm%20chairs/1.jpg") == "arm chairs"
    assert folder_name("s3://b/arm%20chairs/1.jpg") == "arm%20chairs"
    assert folder_name("/x.tar/chairs/1.jpg") == "chairs"


def test_what_is_shown_of_a_url_holds_no_key() -> None:
    assert without_query("https://u:p@host/a?k=v") == "https://host/a?…"


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda each: each.name)
def test_each_scheme_is_found_by_all_of_its_names(scheme: object) -> None:
    assert isinstance(scheme, type(SCHEMES[0]))
    for name in scheme.names:
        assert scheme_of(f"{name}://x/y") is scheme and scheme_of(f"{name.upper()}://x") is scheme


def test_each_kind_of_archive_is_found_by_its_extension() -> None:
    for kind in ARCHIVES:
        assert archive_kind(f"x.{kind.extension.upper()}") is kind
    assert archive_kind("x.tar.gz") is None and archive_kind("tar") is None


@pytest.mark.parametrize("url", ["gs://b/x", "az://b/x"])
def test_a_package_that_is_missing_is_named_with_its_extra(url: str) -> None:
    scheme = scheme_of(url)
    assert scheme is not None
    missing = type(scheme)(scheme.names, scheme.store, "no_such_package", scheme.extra)
    with pytest.raises(UsageError, match=rf"pip install 'image-engine\[{scheme.extra}\]'"):
        missing.require(url)
