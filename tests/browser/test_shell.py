"""What all views share: the way in, the address, keys, names of strangers, and what goes wrong."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from engine import Config, Engine
from tests.browser.conftest import NewPage, Served, Watched, faults, overflow

OwnService = Callable[..., Served]
VIEWS = ("search", "teach", "duplicates", "suspects", "map", "heads", "jobs")
MARKUP = "<img src=x onerror=document.title='run'>"
# Written from right to left from here on, and what ends a text for some.
REVERSED = "chair\u202egpj.exe"
LONG = "a-very-long-name-" * 12


def test_every_view_is_reached_by_links_and_by_keys(page: Page, served: Served) -> None:
    page.goto(served.address)
    for view in VIEWS:
        page.locator("#views").get_by_role("link", name=view, exact=False).click()
        expect(page).to_have_title(re.compile(view, re.IGNORECASE))
        expect(page.locator("#views [aria-current]")).to_have_attribute("data-view", view)
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page).to_have_url(re.compile("#/heads$"))
    page.go_back()
    expect(page).to_have_url(re.compile("#/jobs$"))
    # Among pictures these keys mean something else.
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.locator(".tile").first.focus()
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("#/jobs$"))


def test_keys_are_told_and_the_dialog_gives_back_the_focus(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.locator(".tile").first.focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("More like this")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.locator(".tile").first).to_be_focused()


def test_what_is_no_view_says_where_to_go(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/nowhere?id=3")
    page.get_by_role("link", name="Go to Search").click()
    expect(page.locator(".tile").first).to_be_visible()


def test_a_picture_that_is_not_there_is_told(page: Page, served: Served, watched: Watched) -> None:
    watched.expected = {404}
    page.goto(f"{served.address}#/search?show=4711")
    expect(page.get_by_role("alert")).to_contain_text("image 4711")
    expect(page.get_by_role("alert")).to_contain_text("List the images anew")


def test_who_has_no_token_is_told_how_to_get_in(
    new_page: NewPage, own_service: OwnService, watched: Watched, tmp_path: Path
) -> None:
    watched.expected = {401}
    (tmp_path / "token").write_text("a-token-for-tests")
    served = own_service("--token-file", tmp_path / "token")
    page = new_page()
    page.goto(f"{served.address}?token=wrong-one-altogether")
    expect(page.get_by_role("heading")).to_have_text("That was not the token")
    page.goto(served.address)
    expect(page.get_by_role("heading")).to_have_text("This service asks for a token")
    assert faults(page) == []
    page.get_by_label("Token").fill("a-token-for-tests")
    page.keyboard.press("Enter")
    expect(page.locator(".tile").first).to_be_visible()
    assert "token" not in page.url
    link = new_page()
    link.goto(f"{served.address}?token=a-token-for-tests#/search?id=3")
    expect(link.locator(".found")).to_contain_text("most alike")


def test_below_a_path_it_is_as_without(page: Page, own_service: OwnService) -> None:
    served = own_service("--root-path", "/shop/pictures")
    page.goto(f"{served.address.rstrip('/')}#/search?id=2&show=3")
    expect(page.locator(".detail-picture img")).to_be_visible()
    expect(page.locator(".found")).to_contain_text("most alike")
    assert "/shop/pictures/#/search" in page.url


def hostile(folder: Path) -> None:
    """Add pictures whose names and labels want to be something else."""
    source = sorted((folder / "pictures" / "chair").iterdir())[0].read_bytes()
    for number, name in enumerate((MARKUP, REVERSED, LONG)):
        (folder / "pictures" / name).mkdir()
        # Another content: it is another image.
        (folder / "pictures" / name / f"{name}.jpg").write_bytes(source + bytes([number]))
    with Engine(Config.at(folder / "store")) as made:
        made.index([folder / "pictures"], label="parent")


@pytest.mark.parametrize("width", [1280, 360])
def test_names_of_strangers_are_text(
    new_page: NewPage, own_service: OwnService, width: int
) -> None:
    served = own_service(change=hostile)
    page = new_page(viewport={"width": width, "height": 800})
    page.goto(f"{served.address}#/search?where=label~*on*&where=path~*a*&k=50")
    for shown in (MARKUP, "chair\\u202egpj.exe", LONG):
        page.goto(f"{served.address}#/search?where=label!=bed&where=label!=chair&where=label!=lamp")
        tile = page.locator(".tile", has_text=shown).first
        expect(tile).to_be_visible()
        tile.click()
        expect(page.locator(".detail h2")).to_contain_text(shown)
        expect(page.get_by_label("Label", exact=True)).to_be_visible()
        assert overflow(page) <= 0
        page.get_by_role("button", name="More like this").click()
        expect(page.locator(".found")).to_contain_text("most alike")
        assert overflow(page) <= 0
    assert page.title() == "Search · Engine"
    assert page.locator("img[src=x]").count() == 0


def test_without_a_service_it_says_so(new_page: NewPage, own_service: OwnService) -> None:
    served = own_service()
    page = new_page()
    page.goto(served.address)
    expect(page.locator(".tile").first).to_be_visible()
    page.context.set_offline(True)
    page.goto(f"{served.address}#/search?id=2")
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.context.set_offline(False)
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    expect(page.locator(".found")).to_contain_text("most alike")


def test_an_empty_catalog_says_what_to_do(page: Page, own_service: OwnService) -> None:
    def emptied(folder: Path) -> None:
        with Engine(Config.at(folder / "store")) as made:
            made.remove([folder / "pictures"])
        shutil.rmtree(folder / "pictures")

    page.goto(own_service(change=emptied).address)
    expect(page.locator(".notice")).to_contain_text("engine index")
    assert faults(page) == []


def test_nothing_turns_for_who_wants_no_motion(new_page: NewPage, served: Served) -> None:
    page = new_page(reduced_motion="reduce")
    page.goto(served.address)
    expect(page.locator(".tile").first).to_be_visible()
    moving = "document.getAnimations().filter((each) => each.playState === 'running').length"
    assert page.evaluate(moving) == 0
