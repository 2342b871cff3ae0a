"""The page's files: a fixed table, named by what is in them, and nothing else of the disk."""

from __future__ import annotations

import gzip
import posixpath
import re
from collections.abc import Mapping

import pytest
from starlette.testclient import TestClient

from server.routes.page import PageFile, page_files
from tests.support import REPOSITORY

PAGE = REPOSITORY / "server" / "page"
MOST_BYTES = 100_000


@pytest.fixture(scope="module")
def files() -> Mapping[str, PageFile]:
    return page_files()


def test_the_page_is_what_a_browser_opens_first(reader: TestClient) -> None:
    answer = reader.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (PAGE / "index.html").read_bytes()


def test_every_file_comes_as_what_it_is(reader: TestClient, files: Mapping[str, PageFile]) -> None:
    kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
    names = sorted(set(files) - {"index.html"})
    assert {name.rpartition(".")[2] for name in names} == set(kinds)
    for name in names:
        answer = reader.get(f"/page/{name}")
        assert answer.headers["content-type"].partition(";")[0] == kinds[name.rpartition(".")[2]]
        assert answer.content == (PAGE / name).read_bytes()


def test_a_file_that_a_browser_has_is_not_sent_again(reader: TestClient) -> None:
    first = reader.get("/page/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = reader.get("/page/app.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert reader.get("/page/app.js", headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_a_file_is_sent_compressed_to_who_can_read_that(reader: TestClient) -> None:
    plain = reader.get("/page/app.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with reader.stream("GET", "/page/app.js", headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(packed) == plain.content


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "none.js",
        "../app.py",
        "..%2fapp.py",
        "%2e%2e/app.py",
        "views/../../app.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "app.js%00",
        "app.js/",
        "views",
        "",
    ],
)
def test_nothing_else_is_a_file_of_the_page(reader: TestClient, path: str) -> None:
    assert reader.get(f"/page/{path}").status_code == 404


def test_the_page_is_small(files: Mapping[str, PageFile]) -> None:
    assert sum(len(each.compressed) for each in files.values()) < MOST_BYTES


def _imported(files: Mapping[str, PageFile], name: str, how: str = "from") -> list[str]:
    """Return the modules that one names, from the page's folder."""
    text = files[name].data.decode() if name.endswith(".js") else ""
    paths = re.findall(rf'(?:{how})\s*"(\.[^"]+)"', text)
    return [posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) for path in paths]


def test_files_name_each_other_as_they_are(files: Mapping[str, PageFile]) -> None:
    index = files["index.html"].data.decode()
    for name in re.findall(r'(?:href|src)="page/([^"]+)"', index):
        assert name in files
    for name in files:
        for each in _imported(files, name, r"from|import\("):
            assert each in files, (name, each)


def test_what_the_first_view_needs_is_asked_for_at_once(files: Mapping[str, PageFile]) -> None:
    # Else a browser hears of each file only when it has read the one that names it.
    index = files["index.html"].data.decode()
    preloaded = set(re.findall(r'modulepreload" href="page/([^"]+)"', index))
    needed = {"app.js", "views/search.js"}
    while more := {each for name in needed for each in _imported(files, name)} - needed:
        needed |= more
    assert preloaded == needed - {"app.js"}


@pytest.mark.parametrize(
    "words",
    [
        r"\.(inner|outer)HTML\b",
        r"insertAdjacentHTML",
        r"document\.write",
        r"\beval\(",
        r"new Function\(",
        r"https?://(?!www\.w3\.org/2000/svg)",
        r"\sstyle=",
        r"\son\w+=\"",
    ],
)
def test_nothing_of_a_stranger_is_parsed_or_asked_for(
    files: Mapping[str, PageFile], words: str
) -> None:
    for name, each in files.items():
        assert not re.search(words, each.data.decode()), name


def test_nothing_within_the_page_asks_for_an_absolute_path(files: Mapping[str, PageFile]) -> None:
    # Below a path of a proxy it would ask somebody else.
    for name, each in files.items():
        assert not re.search(r'(?:href|src|action)="/|ask\("/|[`"]/v1/', each.data.decode()), name
