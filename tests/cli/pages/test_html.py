"""Pages are HTML of ours whatever they are about, and take the place of nobody else's file."""

from __future__ import annotations

import fnmatch
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from PIL import Image

from cli.pages.html import (
    FACTS,
    Card,
    Guess,
    Plot,
    Section,
    ThumbnailLimits,
    page_html,
    require_own_page,
    require_page_file,
    thumbnail,
    write_page,
)
from engine.errors import EngineError, UsageError
from tests.support import REPOSITORY
from tests.support.page import Page

TEMPLATES = sorted((REPOSITORY / "cli" / "pages" / "templates").iterdir())
ATTRIBUTES = {
    "html": {"lang"},
    "meta": {"charset", "name", "content"},
    "div": {"class"},
    "a": {"href"},
    "i": {"style"},
    "img": {"alt", "src", "loading"},
    "table": {"class"},
    "td": {"class"},
}
HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title><meta http-equiv=refresh content='0;url=//evil.example'>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '" style="background:url(//evil.example)',
    "<!-- ",
    "]]><svg/onload=alert(1)>",
    "&lt;script&gt;&#60;b&#62;",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}{# gone #}",
    "javascript:alert(1)",
    "javascript://example.org/%0aalert(1)",
    "JaVaScRiPt://x",
    "data:text/html,<script>alert(1)</script>",
    "data:image/svg+xml;base64,PHN2Zz4=",
    "vbscript:x",
    "file:///etc/passwd",
    "file://evil.example/share",
    "//evil.example/x.jpg",
    "http://evil.example/\" onclick='x",
    "https:\n//evil.example/",
    "\x00\x01\x1b[2J\x7f\x9b\u202e\u2028\ufeff",
    "\ud800 half a pair, and a byte \udce9",
    "\r\n\t",
    "",
)
ANY = st.text(st.characters(exclude_categories=()), max_size=40)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    ANY,
    st.lists(st.one_of(st.sampled_from(HOSTILE), ANY), min_size=2, max_size=3).map("".join),
)


def page_of(text: str, path: str = "/gone.jpg") -> Page:
    """Return a page with everything on it that can be, one text in all places."""
    guesses = [Guess(text, 0.5, True), Guess(text, 0.25, False)]
    cards = [Card(path, text, [text, text], 0.5, wrong=True), Card(path, text, guesses=guesses)]
    tables = [
        Section(text, text, text, cards, [[text] * 3] * 3, plots=[Plot(b"<svg/>", text)]),
        Section(text, table=[[text] * 2] * 2, layout=FACTS),
    ]
    html = page_html(text, text, tables)
    assert all(char.isprintable() or char == "\n" for char in html)
    return Page(html)


def shape(page: Page) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return tags and attributes without the one that holds a text, the words of a drawing."""
    return [
        (tag, sorted((name, value) for name, value in found.items() if name != "alt"))
        for tag, found in page.elements
    ]


@pytest.mark.slow
@given(text=TEXTS.filter(bool))
def test_no_text_becomes_an_element_or_an_attribute(text: str) -> None:
    assert shape(page_of(text)) == shape(page_of("bed"))


@given(text=TEXTS)
def test_every_text_can_be_read_on_the_page(text: str) -> None:
    page = Page(page_html(text, "", [Section("", cards=[Card("/gone.jpg", "")])]))
    safe = "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )
    assert page.text.count(safe) >= 2, "as the title and as the heading"


@given(path=TEXTS)
@example(path="https://example.org/bed.jpg?a=1&b='2'")
def test_a_link_leads_to_the_web_or_to_a_file_that_was_opened(path: str) -> None:
    page = page_of("bed", path)
    for link in page.links:
        if link.startswith("file:///"):
            assert os.path.isfile(unquote_to_bytes(link.removeprefix("file://")))
        else:
            assert link.lower().startswith(("http://", "https://")) and link == path


@given(path=TEXTS)
def test_no_path_is_fetched_when_the_page_is_opened(path: str) -> None:
    page = page_of("bed", path)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.images)
    assert all(set(found) <= ATTRIBUTES.get(tag, set()) for tag, found in page.elements)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.binary(min_size=1, max_size=30).filter(lambda name: not {0, 47} & set(name)))
def test_a_file_of_any_name_is_linked_to_by_its_bytes(name: bytes, tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/x" + name
    try:
        Image.new("RGB", (2, 2)).save(os.fsdecode(file), "PNG")
    except OSError:
        return  # a file system that takes only UTF-8
    for link in page_of("bed", os.fsdecode(file)).links:
        assert unquote_to_bytes(link.removeprefix("file://")) == file
    os.unlink(file)


@pytest.mark.parametrize("share", [float("nan"), float("inf"), -float("inf"), -1.0, 2.0, 0.834])
def test_a_bar_is_as_long_as_its_share_and_never_longer_than_all(share: float) -> None:
    page = Page(page_html("", "", [Section("", cards=[Card("/gone.jpg", "", share=share)])]))
    [style] = page.values("style")
    assert style == {0.834: "width:83%", 2.0: "width:100%"}.get(share, "width:0%")


def test_a_page_says_in_its_head_who_wrote_it_and_in_which_encoding() -> None:
    html = page_html("椅子", "", [])
    assert html.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert ("meta", {"name": "generator", "content": "image-engine"}) in Page(html).elements


def test_what_a_template_asks_for_and_does_not_get_is_an_error() -> None:
    broken: Any = [object()]
    with pytest.raises(UndefinedError):
        page_html("", "", broken)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    assert "safe" not in source and "autoescape" not in source
    assert "={{" not in source.replace(" ", ""), "an attribute without quotes"


def test_every_file_that_is_no_module_is_part_of_an_installation() -> None:
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = [
        os.path.join(package.replace(".", os.sep), pattern)
        for package, patterns in setup["tool"]["setuptools"]["package-data"].items()
        for pattern in patterns
    ]
    for root in ("cli", "demo", "engine", "index"):
        for path in (REPOSITORY / root).rglob("*"):
            name = os.fspath(path.relative_to(REPOSITORY))
            if path.is_file() and path.suffix != ".py" and "__pycache__" not in name:
                assert any(fnmatch.fnmatch(name, pattern) for pattern in shipped), name


def test_templates_are_read_by_nobody_who_writes_no_page() -> None:
    code = (
        "import sys, cli.main, cli.pages.gallery, cli.pages.report, cli.pages.compare\n"
        "import cli.pages.demo\n"
        "print(sorted({'jinja2', 'matplotlib', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of 60 x 40 pixels."""
    Image.new("RGB", (60, 40), "red").save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ThumbnailLimits(bytes=10), "the limit of"),
        (ThumbnailLimits(pixels=2399), "60 x 40 pixels, more than the limit"),
    ],
)
def test_a_photo_beyond_a_limit_leaves_a_placeholder(
    photo: Path, limits: ThumbnailLimits, reason: str
) -> None:
    shown = thumbnail(os.fspath(photo), limits)
    assert reason in shown.reason
    assert (shown.source, shown.link) == ("", "")
    assert thumbnail(os.fspath(photo), replace(limits, bytes=1 << 20, pixels=2400)).source


@pytest.mark.skipif(sys.platform != "linux", reason="memory can be limited so only on Linux")
def test_a_photo_beyond_memory_leaves_a_placeholder(tmp_path: Path) -> None:
    with open(tmp_path / "huge.jpg", "wb") as file:
        file.truncate(200 << 30)
    code = (
        "import json, resource, sys\n"
        "from cli.pages.html import ThumbnailLimits, thumbnail\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "all = [thumbnail(sys.argv[1]), thumbnail(sys.argv[1], ThumbnailLimits(bytes=1 << 60))]\n"
        "print(json.dumps([(each.source, each.reason) for each in all]))"
    )
    command = [sys.executable, "-c", code, os.fspath(tmp_path / "huge.jpg")]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    [(_, limited), (_, unlimited)] = json.loads(done.stdout)
    assert "the limit of" in limited
    assert "memory" in unlimited or "the limit of" in unlimited


@pytest.mark.parametrize("kind", ["relative", "gone", "folder", "pipe", "text"])
def test_what_is_no_photo_in_a_file_leaves_a_placeholder(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("root:x:0:0")
    (tmp_path / "relative").write_text("")
    os.mkfifo(tmp_path / "pipe")
    shown = thumbnail(kind if kind == "relative" else os.fspath(tmp_path / kind))
    assert shown.reason
    assert (shown.source, shown.link) == ("", "")


def written(file: Path, title: str, *, force: bool = False) -> str:
    """Return the title of the page that was written to a file."""
    write_page(file, title, "", [], force=force)
    return file.read_text(encoding="utf-8").partition("<title>")[2].partition("<")[0]


def test_a_page_takes_the_place_of_a_page_only_where_that_is_asked_for(tmp_path: Path) -> None:
    assert written(tmp_path / "page.html", "first") == "first"
    with pytest.raises(UsageError, match="exists already"):
        written(tmp_path / "page.html", "second")
    assert written(tmp_path / "page.html", "third", force=True) == "third"
    assert os.listdir(tmp_path) == ["page.html"]


@pytest.mark.parametrize("content", [b"", b"notes", b"<!doctype html><title>mine</title>", b"\xff"])
def test_a_file_of_somebody_else_is_left_and_named_with_a_remedy(
    content: bytes, tmp_path: Path
) -> None:
    file = tmp_path / "mine.html"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="exists already") as caught:
        write_page(file, "page", "", [])
    assert (caught.value.thing, file.read_bytes()) == (str(file), content)
    assert "--force" in caught.value.remedy
    assert os.listdir(tmp_path) == ["mine.html"]


def test_a_file_of_somebody_else_goes_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("notes")
    assert written(tmp_path / "mine.html", "page", force=True) == "page"


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_ordinary_file_is_never_replaced(force: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        before = os.lstat(tmp_path / name).st_ino
        with pytest.raises(EngineError, match="not an ordinary file"):
            write_page(tmp_path / name, "page", "", [], force=force)
        assert os.lstat(tmp_path / name).st_ino == before


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link.html").symlink_to(tmp_path / "there" / "page.html")
    assert written(tmp_path / "link.html", "first") == "first"
    assert written(tmp_path / "link.html", "second", force=True) == "second"
    assert (tmp_path / "link.html").is_symlink()
    (tmp_path / "there" / "page.html").write_text("notes")
    with pytest.raises(UsageError, match="exists already"):
        write_page(tmp_path / "link.html", "third", "", [])


def test_a_page_that_cannot_be_drawn_leaves_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    before = written(file, "first")
    broken: Any = [object()]
    with pytest.raises(UndefinedError):
        write_page(file, "second", "", broken, force=True)
    assert f"<title>{before}</title>" in file.read_text(encoding="utf-8")
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_page_whose_folder_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    for file in (tmp_path / "none" / "page.html", tmp_path / ("x" * 300)):
        with pytest.raises(EngineError, match="the page cannot be written"):
            write_page(file, "page", "", [])


def test_a_file_can_be_asked_for_before_the_work_is_done(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("notes")
    require_page_file(tmp_path / "new.html")
    with pytest.raises(UsageError, match="exists already"):
        require_page_file(tmp_path / "mine.html")
    require_page_file(tmp_path / "mine.html", force=True)
    assert os.listdir(tmp_path) == ["mine.html"]


def test_a_page_of_the_engine_s_own_is_told_from_others(tmp_path: Path) -> None:
    written(tmp_path / "page.html", "page")
    (tmp_path / "mine.html").write_text("notes")
    require_own_page(tmp_path / "new.html")
    require_own_page(tmp_path / "page.html")
    with pytest.raises(EngineError, match=r"the engine did not write it\. Name another folder"):
        require_own_page(tmp_path / "mine.html", "Name another folder")
