"""The text box of the Search view: what is written is searched for, and what it was taken for."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from engine import Config, Engine
from tests.browser.conftest import Served, faults_in_all_looks
from tests.browser.test_search import bring, first_hit


@pytest.fixture(scope="module", autouse=True)
def named(stocked: object, served: Served) -> None:
    """Have the names of categories embedded before a page waits for them."""
    with Engine(Config.at(served.folder / "store")) as engine:
        engine.search(text="lamp", k=1)


def test_words_are_written_by_keys_alone_and_told_as_understood(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator(".tile").first).to_be_visible()
    page.keyboard.press("w")
    expect(page.get_by_label("Search in words")).to_be_focused()
    page.keyboard.type("Lamp")
    page.keyboard.press("Enter")
    expect(page.locator(".found")).to_have_text(
        re.compile(r"60 pictures most alike\. Searched for: lamp \(Lamp\)")
    )
    expect(page).to_have_url(re.compile(r"text=Lamp"))
    assert first_hit(page).startswith("lamp")
    page.get_by_role("button", name="New search").click()
    expect(page.get_by_label("Search in words")).to_have_value("")
    expect(page.locator(".drop-zone")).to_be_visible()


def test_an_address_says_words_a_picture_and_what_is_not_meant(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?id=3&text=bed&not=lamp&k=9")
    expect(page.locator(".found")).to_have_text(
        re.compile(r"9 pictures most alike\. Searched for: bed \(bed\)\. Taken away: lamp \(lamp\)")
    )
    expect(page.get_by_label("Search in words")).to_have_value("bed")
    expect(page.get_by_label("But not")).to_have_value("lamp")
    expect(page.locator(".crop-stage")).to_be_visible()
    with Engine(Config.at(served.folder / "store")) as engine:
        wanted = engine.search(ids=[3], text="bed", without_text="lamp", k=10)
    ids = [hit.id for hit in wanted if hit.id != 3][:9]
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(9)
    names = [str(tile.get_attribute("aria-label")) for tile in tiles.all()]
    by_id = {hit.id: hit.path.rsplit("/", 1)[1] for hit in wanted}
    assert [by_id[each] in name for each, name in zip(ids, names, strict=True)] == [True] * 9


def test_a_picture_that_is_added_stays_beside_the_words(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?text=chair")
    expect(page.locator(".found")).to_contain_text("Searched for: chair")
    with page.expect_file_chooser() as chosen:
        page.get_by_role("button", name="Add pictures").click()
    chosen.value.set_files(served.image("chair", 2))
    expect(page.locator(".crop-stage")).to_be_visible()
    expect(page.locator(".found")).to_contain_text("Searched for: chair")
    assert first_hit(page).startswith("chair")
    bring(page, served.image("lamp", 1), "drop")
    expect(page.get_by_label("Search in words")).to_have_value("")
    expect(page.locator(".found")).to_have_text("60 pictures most alike")


def test_words_that_are_not_understood_are_told_as_such(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?text=nevertheless")
    expect(page.locator(".results")).to_contain_text("'nevertheless' is not understood")
    # Colours of what a closed form hides would never have passed over.
    page.emulate_media(reduced_motion="reduce")
    assert faults_in_all_looks(page) == []
    page.get_by_label("Search in words").fill("chair + lamp")
    page.get_by_label("Search in words").press("Enter")
    expect(page).to_have_url(re.compile(r"text=chair&text=lamp"))
    expect(page.locator(".found")).to_contain_text("Searched for: lamp (lamp)")
    assert faults_in_all_looks(page) == []
