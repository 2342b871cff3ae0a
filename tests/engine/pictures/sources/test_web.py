"""The web as a source: pages that list pictures, lists of URLs, and what neither may lead to."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.config import UrlLimits
from engine.errors import ImageError, UsageError
from engine.pictures.read import read_file
from engine.pictures.walk import find_images, list_images, require_one
from tests.support.archives import picture, write_parquet, write_tar
from tests.support.shop import LONG_AGO
from tests.support.web import Site


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, with a page for each folder, and says nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL under which a web server lists it."""
    folder = tmp_path / "served"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def put(folder: Path, *names: str) -> None:
    """Write a picture under each name."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(picture(number))


def test_pages_are_followed_below_the_one_that_is_named(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder, "in/a.png", "in/sub/b c.png", "in/.hidden/x.png", "out.png", "in/notes.txt")
    found = find_images([f"{url}/in"])
    assert [each.path for each in found.files] == [f"{url}/in/a.png", f"{url}/in/sub/b%20c.png"]
    assert found.roots == [f"{url}/in"] and not found.skipped
    assert read_file(found.files[1].path) == picture(1)
    assert [each.size for each in found.files] == [len(picture(0)), len(picture(1))]


def test_a_page_may_be_named_as_people_write_it(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder, "möbel neu/a.png")
    [file] = find_images([f"{url}/möbel neu/"]).files
    assert file.path == f"{url}/m%C3%B6bel%20neu/a.png" and read_file(file.path) == picture(0)


def test_a_url_with_a_query_is_a_picture(site: Site) -> None:
    url = site.serve("/image?id=7", picture(1))
    assert [each.path for each in find_images([url]).files] == [url]


def test_a_state_changes_with_what_the_server_says(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder, "1.png")
    [first] = find_images([f"{url}/1.png"]).files
    assert [first] == find_images([f"{url}/1.png"]).files
    os.utime(folder / "1.png", (LONG_AGO, LONG_AGO))
    [other] = find_images([f"{url}/1.png"]).files
    assert other.mtime_ns == LONG_AGO * 10**9 and other.inode not in (None, first.inode)


def test_what_has_no_version_is_opened_by_every_run(site: Site) -> None:
    from engine.ingest.comparison import looks_same
    from index.records import KnownImage

    [state] = find_images([site.serve("/1.png", picture(1))]).files
    row = KnownImage(1, state.path, state.size, state.mtime_ns, 2**62, "", None, False)
    assert not looks_same(state, row)


def test_a_list_names_one_url_a_line(served: tuple[Path, str]) -> None:
    folder, url = served
    put(folder, "a.png", "sub/b.png")
    lines = ["# a list", "", "a.png", f"{url}/sub/b.png", "gone.png", f"{url}/a.png"]
    (folder / "list.txt").write_text("\n".join(lines))
    found = find_images([f"{url}/list.txt"])
    assert [each.path for each in found.files] == [f"{url}/a.png", f"{url}/sub/b.png"]
    assert set(found.roots) == {f"{url}/a.png", f"{url}/sub/b.png", f"{url}/gone.png"}
    assert [each.reason for each in found.skipped] == ["it is not there"] and not found.unseen


@pytest.mark.parametrize(
    "line",
    ["file:///etc/x.png", "s3://private/x.png", "ftp://host/x.png", "https://host/x.png?token=abc"],
)
def test_a_list_leads_to_no_file_bucket_or_key(served: tuple[Path, str], line: str) -> None:
    folder, url = served
    put(folder, "a.png")
    (folder / "list.lst").write_text(f"a.png\n{line}\n")
    found = find_images([f"{url}/list.lst"])
    assert [each.path for each in found.files] == [f"{url}/a.png"]
    assert len(found.skipped) == 1 and "abc" not in str(found.skipped)


def test_a_page_leads_to_no_other_server_and_not_up(site: Site) -> None:
    links = ["b.png", "../up.png", "http://other.example/x.png", "?C=N", "sub/", "javascript:x"]
    page = "".join(f'<a href="{link}">x</a>' for link in links)
    site.serve("/in/", page.encode())
    site.serve("/in/sub/", b'<a href="/in/">up</a><a href="c.png">c</a>')
    for name in ("/in/b.png", "/in/sub/c.png", "/up.png"):
        site.serve(name, picture(1))
    found = find_images([f"{site.url}/in"])
    assert [each.path for each in found.files] == [
        f"{site.url}/in/b.png",
        f"{site.url}/in/sub/c.png",
    ]
    assert "/up.png" not in {path for _, path, _ in site.asked}


def test_a_page_that_is_denied_hides_nothing_below_it(site: Site) -> None:
    site.serve("/in/", b'<a href="sub/">x</a><a href="b.png">x</a>')
    site.serve("/in/sub/", status=403)
    site.serve("/in/b.png", picture(1))
    found = find_images([f"{site.url}/in"])
    assert found.unseen == [f"{site.url}/in/sub"] and len(found.files) == 1
    assert "403" in found.skipped[0].reason


def test_a_root_that_cannot_be_listed_is_one_line(closed_port: str) -> None:
    for url in (f"{closed_port}/in", f"{closed_port}/list.txt", f"{closed_port}/x.tar"):
        found = find_images([url])
        assert (found.unseen, found.roots) == ([url], []) and len(found.skipped) == 1


def test_nothing_is_asked_where_urls_are_not_allowed(site: Site) -> None:
    site.serve("/in/", b'<a href="b.png">x</a>')
    url = site.serve("/in/b.png", picture(1))
    for root in (f"{site.url}/in", url, f"{site.url}/x.tar", "s3://bucket/x"):
        found = find_images([root], urls=UrlLimits(allowed=False))
        assert "ENGINE_NO_URLS" in found.skipped[0].reason and found.unseen == [root]
    with pytest.raises(ImageError, match="ENGINE_NO_URLS"):
        read_file(url, urls=UrlLimits(allowed=False))
    assert site.asked == []


def test_the_environment_says_so_by_default(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    url = site.serve("/b.png", picture(1))
    monkeypatch.setenv("ENGINE_NO_URLS", "1")
    with pytest.raises(ImageError, match="ENGINE_NO_URLS"):
        read_file(url)
    assert site.asked == []


def test_internal_addresses_are_not_asked_where_that_is_not_allowed(site: Site) -> None:
    url = site.serve("/b.png", picture(1))
    limits = UrlLimits(internal=False)
    with pytest.raises(ImageError, match="internal network"):
        read_file(url, urls=limits)
    assert find_images([url], urls=limits).unseen == [url] and site.asked == []


def test_a_picture_that_is_too_large_is_not_read(site: Site) -> None:
    url = site.serve("/b.png", bytes(3000))
    reserved: list[int] = []
    with pytest.raises(ImageError, match="larger than"):
        read_file(url, 2999, reserved.append)
    assert reserved == []
    read_file(url, 3000, reserved.append)
    assert reserved == [3000]


def test_an_archive_is_fetched_once_however_many_images_it_has(site: Site, tmp_path: Path) -> None:
    inside = {f"{number}.png": picture(number) for number in range(9)}
    url = site.serve("/x.tar", write_tar(tmp_path / "x.tar", inside).read_bytes())
    found = list_images([url])
    assert [each.path for each in found.archives] == [url] and not found.files
    assert not any(method == "GET" for method, _, _ in site.asked)
    from engine.pictures.sources.opened import open_archives
    from engine.pictures.walk import members

    files = members(found.archives[0]).files
    # The server of the test gives no version: what is read later is what was copied now.
    assert [read_file(each.path) for each in files] == list(inside.values())
    assert sum(method == "GET" for method, _, _ in site.asked) == 1
    assert open_archives() is open_archives()


def test_a_table_of_urls_leads_to_the_web_alone(site: Site, tmp_path: Path) -> None:
    good = site.serve("/b.png", picture(1))
    local = tmp_path / "private.png"
    local.write_bytes(picture(2))
    columns = {"url": [good, "b.png", str(local), f"file://{local}", "s3://bucket/x.png"]}
    data = write_parquet(tmp_path / "x.parquet", columns).read_bytes()
    found = find_images([site.serve("/x.parquet", data)])
    assert [each.path for each in found.files] == [good]
    assert all("elsewhere" in each.reason or "not there" in each.reason for each in found.skipped)


def test_a_kind_of_url_that_is_not_read_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="ftp:// is not read"):
        require_one(["ftp://host/x"])
