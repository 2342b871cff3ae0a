"""The page of `search --html`: one file, safe, complete in itself."""

from __future__ import annotations

import base64
import io
import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
from PIL import Image

from cli.pages.gallery import write_search_page
from engine import Engine
from engine.errors import EngineError
from engine.search.results import Hit, SearchReport
from tests.support.page import Page, read_page

CHROMIUM = "/usr/bin/chromium"
NASTY = "a <b>&\"x\" 'y'.jpg"

pytestmark = pytest.mark.slow


@pytest.fixture
def report(fake_engine: Engine, images: Path) -> SearchReport:
    """What was found for a picture with a nasty name, in folders with nasty labels."""
    (images / "bed").rename(images / "<i>bed & more")
    first = min((images / "<i>bed & more").iterdir())
    shutil.copy2(first, first.with_name(NASTY))
    fake_engine.index([images], label="parent")
    return fake_engine.search(first.with_name(NASTY), k=5)


@pytest.fixture
def page(report: SearchReport, tmp_path: Path) -> Path:
    """The page of `report`."""
    write_search_page(report, tmp_path / "found.html")
    return tmp_path / "found.html"


@pytest.fixture
def read(page: Path) -> Page:
    """What is on the page, each of whose elements is closed."""
    return read_page(page)


def test_nothing_is_run_and_nothing_is_fetched(read: Page, page: Path) -> None:
    assert not {"script", "link", "iframe", "object"} & set(read.tags)
    assert all(source.startswith("data:image/jpeg;base64,") for source in read.images)
    assert "http" not in page.read_text(encoding="utf-8")


def test_names_are_text_whatever_they_look_like(read: Page) -> None:
    assert NASTY in read.text
    assert "<i>bed & more" in read.text
    assert not {"b>", "i>"} & set(read.tags)


def test_thumbnails_are_images_of_a_modest_size(read: Page) -> None:
    assert len(read.images) == 6
    for source in read.images:
        data = base64.b64decode(source.partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert max(image.size) <= 440


def test_links_lead_to_the_files(read: Page, report: SearchReport) -> None:
    paths = [os.fsdecode(unquote_to_bytes(link.removeprefix("file://"))) for link in read.links]
    assert paths[1:] == [hit.path for hit in report]
    assert all(os.path.isfile(path) for path in paths)


def test_scores_are_there(read: Page, report: SearchReport) -> None:
    assert all(f"{hit.rank}.  {hit.score:.3f}" in read.text for hit in report)


def test_an_image_that_has_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    hit = Hit(1, 0.5, str(tmp_path / "gone.jpg"), None, None)
    write_search_page(SearchReport("q", ["q"], [hit]), tmp_path / "found.html")
    page = read_page(tmp_path / "found.html")
    assert "there is no such file" in page.text


@pytest.mark.parametrize("close", [True, False, None])
def test_a_page_says_where_nothing_is_close(tmp_path: Path, close: bool | None) -> None:
    hit = Hit(1, 0.2, str(tmp_path / "bed.jpg"), None, None)
    report = SearchReport("q", ["q"], [hit], close=close)
    write_search_page(report, tmp_path / "found.html")
    assert ("Nothing is close" in read_page(tmp_path / "found.html").text) is (close is False)


def test_a_name_that_is_no_utf8_still_makes_a_page(images: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(images) + b"/caf\xe9.jpg")
    try:
        shutil.copy2(next(images.rglob("*.jpg")), odd)
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    report = SearchReport(odd, [odd], [Hit(1, 1.0, odd, None, None)])
    write_search_page(report, tmp_path / "found.html")
    page = read_page(tmp_path / "found.html")
    assert page.links == [f"file://{images}/caf%E9.jpg"] * 2
    assert r"caf\udce9.jpg" in page.text


def test_a_page_that_cannot_be_written_leaves_nothing_behind(
    report: SearchReport, tmp_path: Path
) -> None:
    (tmp_path / "taken").mkdir()
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(EngineError, match="the page cannot be written"):
        write_search_page(report, tmp_path / "taken")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(not os.path.exists(CHROMIUM), reason=f"there is no browser at {CHROMIUM}")
def test_a_real_browser_opens_it(page: Path, tmp_path: Path) -> None:
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync"
    )
    command = [CHROMIUM, *flags.split(), f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, timeout=90)
    seen = Page(done.stdout.decode())
    assert "Pictures that look alike" in seen.text
    assert NASTY in seen.text
    assert len(seen.images) == 6
    assert "script" not in seen.tags
