"""The Heads view: how good each is, training from labels, and deleting one."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, faults, faults_in_all_looks

OwnService = Callable[..., Served]


def test_a_head_s_report_is_shown(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/heads")
    expect(page.locator(".head-link")).to_contain_text("5 categories from 60 pictures")
    expect(page.get_by_role("region", name="Figures by category")).to_contain_text("chair")
    table = page.get_by_role("region", name="Table of confusions").locator("tbody tr")
    expect(table).to_have_count(5)
    # Every picture that was tested is in it.
    counts = [int(text) for text in table.locator("td").all_text_contents() if text.isdigit()]
    assert sum(counts) == 60
    expect(page.get_by_role("img", name="sure")).to_be_visible()


def test_a_head_that_is_not_there_is_told(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/heads?name=nobody")
    expect(page.locator(".notice")).to_contain_text("nobody")


def test_everybody_can_use_it(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/heads")
    expect(page.get_by_role("region", name="Table of confusions")).to_be_visible()
    assert faults_in_all_looks(page) == []


def test_a_head_is_trained_from_labels_and_deleted(page: Page, own_service: OwnService) -> None:
    page.goto(f"{own_service().address}#/heads")
    page.get_by_label("Name").fill("rooms")
    page.get_by_label("One quick training").check()
    page.get_by_role("button", name="Train").click()
    link = page.locator(".head-link", has_text="rooms")
    expect(link).to_have_attribute("aria-current", "true")
    expect(page.get_by_role("region", name="Figures by category")).to_contain_text("sofa")
    page.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be undone")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(link).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete the head").click()
    expect(link).to_have_count(0)
    expect(page.locator(".head-link")).to_have_count(1)
