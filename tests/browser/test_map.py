"""The Map view: pictures in a plane, reached by pointer, by keyboard and by ear."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, faults_in_all_looks

OwnService = Callable[..., Served]


def open_map(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/map")
    expect(page.get_by_role("listbox", name="Pictures in sight")).to_be_visible()


def coloured(page: Page) -> int:
    """Return how many pixels of the map are drawn on."""
    return int(
        page.evaluate(
            """() => {
              const canvas = document.querySelector("canvas");
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              let count = 0;
              for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
              return count;
            }"""
        )
    )


def test_the_map_is_drawn_and_its_pictures_listed(page: Page, served: Served) -> None:
    open_map(page, served)
    expect(page.locator(".found")).to_contain_text("60 pictures")
    expect(page.locator(".map-list h2")).to_have_text("60 pictures in sight")
    page.wait_for_function("document.querySelector('canvas').width > 300")
    assert coloured(page) > 60


def test_it_is_used_by_keyboard_alone(page: Page, served: Served) -> None:
    open_map(page, served)
    canvas = page.locator("canvas")
    canvas.focus()
    for _ in range(5):
        page.keyboard.press("+")
    expect(page.locator(".map-list h2")).not_to_have_text("60 pictures in sight")
    page.keyboard.press("0")
    expect(page.locator(".map-list h2")).to_have_text("60 pictures in sight")
    options = page.get_by_role("listbox", name="Pictures in sight").get_by_role("option")
    for _ in range(20):
        page.keyboard.press("Tab")
        if options.first.evaluate("each => each === document.activeElement"):
            break
    expect(options.first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(options.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".detail h2")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_have_count(0)
    expect(options.nth(1)).to_be_focused()


def test_a_pointer_shows_a_picture_and_opens_it(page: Page, served: Served) -> None:
    open_map(page, served)
    at = page.evaluate(
        """async () => {
          const { x, y } = await (await fetch("v1/map")).json();
          const box = document.querySelector("canvas").getBoundingClientRect();
          const side = Math.min(box.width, box.height) * 0.92;
          const middle = [box.left + box.width / 2, box.top + box.height / 2];
          return [middle[0] + (x[0] - 0.5) * side, middle[1] - (y[0] - 0.5) * side];
        }"""
    )
    page.mouse.move(*at)
    expect(page.locator(".plane-hint img")).to_be_visible()
    page.mouse.click(*at)
    expect(page.locator(".detail h2")).to_be_visible()
    page.get_by_role("button", name="Close details").click()
    expect(page.locator(".detail")).to_have_count(0)


def test_it_is_moved_and_made_larger(page: Page, served: Served) -> None:
    open_map(page, served)
    listed = page.locator(".map-list h2")
    page.locator("canvas").hover()
    page.mouse.wheel(0, -1500)
    expect(listed).not_to_have_text("60 pictures in sight")
    page.get_by_role("button", name="See all of it").click()
    expect(listed).to_have_text("60 pictures in sight")
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Smaller").click()
    expect(listed).to_have_text("60 pictures in sight")


def test_categories_are_shown_or_not(page: Page, served: Served) -> None:
    open_map(page, served)
    page.get_by_label("Colours").select_option("label")
    legend = page.locator(".legend")
    expect(legend.get_by_role("button")).to_have_count(5)
    bed = legend.get_by_role("button", name="bed")
    expect(bed).to_have_attribute("aria-pressed", "true")
    bed.click()
    expect(bed).to_have_attribute("aria-pressed", "false")
    expect(page.locator(".map-list h2")).to_have_text("48 pictures in sight")


def test_a_better_map_is_a_job(page: Page, own_service: OwnService) -> None:
    open_map(page, own_service())
    expect(page.locator(".found")).to_contain_text("PCA")
    page.get_by_role("button", name="Make a better map").click()
    expect(page.locator(".found")).to_contain_text("UMAP", timeout=120_000)
    expect(page.get_by_role("button", name="Make it anew")).to_be_visible()
    page.get_by_label("Positions").select_option("pca")
    expect(page.locator(".found")).to_contain_text("PCA")


def test_everybody_can_use_it(page: Page, served: Served) -> None:
    open_map(page, served)
    assert faults_in_all_looks(page) == []
    page.get_by_label("Colours").select_option("label")
    expect(page.locator(".legend").get_by_role("button")).to_have_count(5)
    page.locator(".legend").get_by_role("button").first.click()
    assert faults_in_all_looks(page) == []
    page.locator(".map-list").get_by_role("option").first.click()
    expect(page.locator(".detail-picture img")).to_be_visible()
    assert faults_in_all_looks(page) == []
