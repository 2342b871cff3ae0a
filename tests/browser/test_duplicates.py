"""The Duplicates view: what goes to the trash comes back, and what is no duplicate is not shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from engine import Config, Engine
from tests.browser.conftest import Served, faults_in_all_looks
from tests.support.aside import Tree, tree

OwnService = Callable[..., Served]
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


def doubled(folder: Path) -> None:
    """Put three pictures there once more, one under a name that wants to be something else."""
    pictures = folder / "pictures"
    for number, name in enumerate(("zz copy.jpg", HOSTILE)):
        shutil.copy2(sorted((pictures / "bed").iterdir())[number], pictures / name)
    with Engine(Config.at(folder / "store")) as made:
        made.index([pictures])


@pytest.fixture
def service(own_service: OwnService) -> Served:
    """A service with two pictures that are there twice."""
    return own_service(change=doubled)


def files(service: Served) -> Tree:
    """All files of pictures, without those in the trash."""
    return {
        name: each for name, each in tree(service.images).items() if ".engine-trash" not in name
    }


def look(page: Page, service: Served, level: str = "exact") -> Locator:
    """Open the view, look for duplicates, and return the groups."""
    page.goto(f"{service.address}#/duplicates")
    page.get_by_label("Look for").select_option(level)
    page.get_by_role("button", name="Look", exact=True).click()
    groups = page.locator(".group")
    expect(groups.first).to_be_visible()
    return groups


def test_what_goes_to_the_trash_is_put_back(page: Page, service: Served) -> None:
    before = files(service)
    groups = look(page, service)
    expect(groups).to_have_count(2)
    expect(groups.first.locator("[aria-pressed=true]")).to_have_count(1)
    groups.first.get_by_role("button", name="Move 1 picture to the trash").click()
    expect(groups).to_have_count(1)
    expect(page.locator(".toast")).to_contain_text("Moved 1 picture to the trash")
    assert len(set(before) - set(files(service))) == 1
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(groups).to_have_count(2)
    expect(page.locator(".toast")).to_contain_text("Everything is as it was")
    assert files(service) == before


def test_all_of_it_is_done_by_keys(page: Page, service: Served) -> None:
    before = files(service)
    groups = look(page, service)
    second = groups.nth(1).locator(".choice")
    groups.first.locator(".choice").first.focus()
    page.keyboard.press("j")
    expect(second.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(second.nth(1)).to_be_focused()
    goes = second.nth(1).get_attribute("aria-pressed")
    page.keyboard.press("Space")
    page.keyboard.press("o")
    expect(second.nth(1)).to_have_attribute("aria-pressed", "false")
    expect(second.first).to_have_attribute("aria-pressed", "true")
    assert goes in ("true", "false")
    page.keyboard.press("Enter")
    expect(groups).to_have_count(1)
    expect(groups.first.locator(".choice").first).to_be_focused()
    page.keyboard.press("n")
    expect(groups).to_have_count(0)
    expect(page.locator(".notice")).to_contain_text("No duplicates")
    # The last act first, then the one before.
    page.keyboard.press("Control+z")
    expect(groups).to_have_count(1)
    page.get_by_text("What can be undone (1)").click()
    page.locator(".undo-list").get_by_role("button", name="Undo").click()
    expect(groups).to_have_count(2)
    assert files(service) == before


def test_all_that_is_marked_goes_and_comes_back_at_once(page: Page, service: Served) -> None:
    before = files(service)
    groups = look(page, service)
    page.get_by_role("button", name="Move all 2 marked pictures to the trash").click()
    expect(groups).to_have_count(0)
    expect(page.locator(".notice")).to_contain_text("No duplicates")
    assert len(set(before) - set(files(service))) == 2
    page.keyboard.press("Control+z")
    expect(groups).to_have_count(2)
    assert files(service) == before


def test_one_of_a_group_has_to_stay(page: Page, service: Served) -> None:
    groups = look(page, service)
    choices = groups.first.locator(".choice")
    stays = choices.and_(page.locator("[aria-pressed=false]"))
    expect(stays).to_have_count(1)
    stays.click()
    expect(page.locator(".toast")).to_contain_text("One of them has to stay")
    expect(stays).to_have_count(1)


def test_what_was_done_is_undone_after_the_page_was_left(page: Page, service: Served) -> None:
    before = files(service)
    groups = look(page, service)
    groups.first.get_by_role("button", name="Move 1 picture to the trash").click()
    expect(groups).to_have_count(1)
    groups.first.get_by_role("button", name="Not duplicates").click()
    expect(groups).to_have_count(0)
    page.reload()
    # What was found before is not shown again.
    expect(page.locator(".notice")).to_contain_text("No duplicates")
    page.get_by_text("What can be undone (2)").click()
    for count in (1, 0):
        page.locator(".undo-list").get_by_role("button", name="Undo").first.click()
        expect(page.locator(".undo-list li")).to_have_count(count)
    expect(groups).to_have_count(2)
    assert files(service) == before


def test_a_name_that_is_markup_is_text(page: Page, service: Served) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    groups = look(page, service)
    hostile = groups.filter(has_text=HOSTILE)
    expect(hostile.locator(".choice-name", has_text=HOSTILE)).to_have_text(HOSTILE)
    hostile.get_by_role("button", name="Move 1 picture to the trash").click()
    expect(groups).to_have_count(1)
    page.get_by_text("What can be undone").click()
    assert page.locator("img[src=x]").count() == 0


def test_a_service_for_reading_shows_them_and_moves_nothing(
    page: Page, own_service: OwnService, watched: object
) -> None:
    watched.expected = {403}  # type: ignore[attr-defined]
    service = own_service("--read-only", change=doubled)
    before = files(service)
    groups = look(page, service)
    groups.first.get_by_role("button", name="Move 1 picture to the trash").click()
    expect(page.locator(".toast")).to_contain_text("nothing may be changed")
    expect(groups).to_have_count(2)
    assert files(service) == before


def test_everybody_can_use_it(page: Page, own_service: OwnService) -> None:
    service = own_service(change=doubled)
    page.goto(f"{service.address}#/duplicates")
    expect(page.locator(".notice")).to_contain_text("Nobody has looked yet")
    assert faults_in_all_looks(page) == []
    groups = look(page, service)
    assert faults_in_all_looks(page) == []
    groups.first.get_by_role("button", name="Not duplicates").click()
    expect(groups).to_have_count(1)
    page.get_by_text("What can be undone (1)").click()
    expect(page.locator(".undo-list li")).to_have_count(1)
    assert faults_in_all_looks(page) == []
