"""The Search view: pictures dropped, pasted and picked, parts of them, and what is found."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPage, Served, Watched, faults, overflow, shifted

# Files reach a page by events alone: a browser's own dialogs are out of reach.
BRING = """
([name, text, kind]) => {
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/jpeg" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}
"""


def bring(page: Page, image: Path, kind: str) -> None:
    """Drop or paste a picture."""
    text = base64.b64encode(image.read_bytes()).decode()
    page.evaluate(BRING, [image.name, text, kind])


def first_hit(page: Page) -> str:
    """Return what the first picture found is called to who hears it."""
    expect(page.locator(".results")).not_to_have_attribute("aria-busy", "true")
    return str(page.locator(".tile").first.get_attribute("aria-label"))


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_that_is_brought_is_searched_for(page: Page, served: Served, kind: str) -> None:
    image = served.image("chair", 3)
    page.goto(served.address)
    expect(page.locator(".tile").first).to_be_visible()
    bring(page, image, kind)
    expect(page.locator(".found")).to_have_text("60 pictures most alike")
    assert f"{image.name}, 1.00" in first_hit(page)
    # What it shows stands beside it.
    expect(page.locator(".predictions li").first).to_contain_text("chair")


def test_several_pictures_are_searched_for_by_their_mean(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.locator("input[type=file]").set_input_files(
        [served.image("lamp", 0), served.image("lamp", 1)]
    )
    expect(page.locator(".strip li")).to_have_count(2)
    expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^lamp"))
    page.get_by_role("button", name="Leave out picture 1").click()
    expect(page.locator(".crop-stage")).to_be_visible()
    assert f"{served.image('lamp', 1).name}, 1.00" in first_hit(page)


def test_what_is_no_picture_is_told_with_a_remedy(
    page: Page, served: Served, watched: Watched, tmp_path: Path
) -> None:
    watched.expected = {415, 422}
    (tmp_path / "none.jpg").write_bytes(b"no picture at all")
    page.goto(served.address)
    page.locator("input[type=file]").set_input_files(tmp_path / "none.jpg")
    expect(page.get_by_role("alert")).to_contain_text("picture")
    expect(page.get_by_role("alert").get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator(".unseeable")).to_contain_text("cannot show")


def test_a_part_is_drawn_by_mouse(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?id=7")
    stage = page.locator(".crop-stage")
    expect(page.locator(".tile").first).to_be_visible()
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.75, steps=4)
    with page.expect_response(lambda answer: "/v1/search" in answer.url) as asked:
        page.mouse.up()
    parts = re.search(r"crop=([\d.]+)%2C([\d.]+)%2C([\d.]+)%2C([\d.]+)", asked.value.url)
    assert parts is not None
    for part, wanted in zip(parts.groups(), (0.25, 0.25, 0.5, 0.5), strict=True):
        assert abs(float(part) - wanted) < 0.05
    assert "crop=" in page.url


def test_a_part_is_chosen_by_keys_alone(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?id=7")
    page.get_by_role("button", name="Crop").press("Enter")
    part = page.locator(".crop-part")
    expect(part).to_be_focused()
    expect(page).to_have_url(re.compile("crop=0.2,0.2,0.6,0.6"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page).to_have_url(re.compile("crop=0.22,0.22,0.58,0.6"))
    expect(page.get_by_label("width, in per cent")).to_have_value("58")
    expect(part).to_have_attribute("aria-label", re.compile("Left 22, top 22, width 58"))
    page.get_by_label("left, in per cent").fill("10")
    expect(page).to_have_url(re.compile("crop=0.1,0.22"))
    part.press("Escape")
    expect(page).not_to_have_url(re.compile("crop"))


def test_a_key_that_is_pressed_while_the_address_changes_counts(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?id=7")
    crop = page.get_by_role("button", name="Crop")
    crop.focus()
    press = """() => document.querySelector('.crop-part').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }))"""
    # Chromium tells of the new address by this, and then by what the page listens to.
    page.evaluate(f"addEventListener('popstate', {press}, {{ once: true }})")
    crop.press("Enter")
    expect(page).to_have_url(re.compile("crop=0.22,0.2,0.6,0.6"))


def test_an_address_says_all_that_is_asked(page: Page, served: Served, new_page: NewPage) -> None:
    where = "where=label%3Dbed&where=width%3E%3D10"
    page.goto(f"{served.address}#/search?id=3&{where}&crop=0,0,1,0.5&k=4&show=5")
    expect(page.locator(".detail")).to_contain_text(served.image("bed", 4).name)
    expect(page.locator(".tile")).to_have_count(4)
    expect(page.get_by_role("group", name="Conditions")).to_contain_text("label is bed")
    expect(page.locator(".crop-part")).to_be_visible()
    other = new_page()
    other.goto(page.url)
    expect(other.locator(".tile")).to_have_count(4)


def test_conditions_are_added_and_taken_away(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.get_by_role("group", name="Categories").get_by_role("link", name="sofa").click()
    expect(page.locator(".found")).to_have_text("12 pictures")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Field").select_option("path")
    page.get_by_label("Value").fill("*0001*")
    page.keyboard.press("Enter")
    expect(page.locator(".found")).to_have_text("1 picture")
    page.get_by_role("button", name="Remove category is sofa").click()
    expect(page.locator(".found")).to_have_text("5 pictures")
    page.go_back()
    expect(page.locator(".found")).to_have_text("1 picture")


def test_a_condition_that_nobody_meets_says_so(
    page: Page, served: Served, watched: Watched
) -> None:
    watched.expected = {400}
    page.goto(f"{served.address}#/search?id=3&where=label%3Dbett")
    expect(page.locator(".notice")).to_contain_text("No image has label=bett")
    page.goto(f"{served.address}#/search?where=colour%3Dred")
    expect(page.get_by_role("alert")).to_contain_text("colour")


def test_more_like_a_hit_and_like_several(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?where=label%3Dlamp")
    page.locator(".tile").nth(2).click()
    page.get_by_role("button", name="More like this").click()
    expect(page).to_have_url(re.compile(r"id=\d+"))
    expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^lamp"))
    # What was there before had lamps, too.
    expect(page.locator(".found")).to_contain_text("most alike")
    for number in (0, 1):
        page.locator(".tile").nth(number).click(modifiers=["Control"])
    page.get_by_role("button", name="More like these").click()
    expect(page).to_have_url(re.compile(r"id=\d+&id=\d+"))
    expect(page.locator(".strip li")).to_have_count(2)


def test_keys_alone_lead_from_the_page_to_a_hit_s_details(page: Page, served: Served) -> None:
    page.goto(served.address)
    expect(page.locator(".tile").first).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "option":
            break
    expect(page.locator(".tile").first).to_be_focused()
    for key in ("j", "ArrowRight", "ArrowDown", "k"):
        page.keyboard.press(key)
    columns = page.evaluate(
        "getComputedStyle(document.querySelector('.chunk')).gridTemplateColumns.split(' ').length"
    )
    expect(page.locator(".tile").nth(1 + columns)).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator(".tile").first).to_be_focused()
    page.keyboard.press("m")
    expect(page).to_have_url(re.compile("id=1$"))
    expect(page.locator(".found")).to_contain_text("most alike")
    page.locator(".tile").first.focus()
    page.keyboard.press("Enter")
    heading = page.locator(".detail h2")
    expect(heading).to_be_focused()
    before = heading.text_content()
    page.keyboard.press("j")
    expect(heading).not_to_have_text(str(before))
    page.keyboard.press("Escape")
    expect(page.locator(".detail")).to_have_count(0)
    expect(page.locator(".tile").nth(1)).to_be_focused()


def test_pictures_are_selected_by_keys(page: Page, served: Served) -> None:
    page.goto(served.address)
    page.locator(".tile").first.focus()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    expect(page.locator(".selection")).to_contain_text("3 selected")
    expect(page.locator('[aria-selected="true"]')).to_have_count(3)
    page.keyboard.press("Escape")
    expect(page.locator(".selection")).to_be_hidden()
    page.keyboard.press("Control+a")
    expect(page.locator(".selection")).to_contain_text("60 selected")


def test_a_label_is_changed_and_taken_back(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?show=1")
    field = page.get_by_label("Label", exact=True)
    expect(field).to_have_value("bed")
    field.fill("bunk")
    field.press("Enter")
    expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^bunk"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".tile").first).to_have_attribute("aria-label", re.compile("^bed"))
    expect(field).to_have_value("bed")


def test_labels_of_several_are_changed_and_taken_back_by_keys(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?where=category%3Dtable")
    options = page.locator(".tile")
    options.first.focus()
    for key in ("Space", "j", "Space", "l"):
        page.keyboard.press(key)
    page.get_by_label("Label", exact=True).fill("desk")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("Labelled 2 pictures “desk”")
    expect(options.nth(1)).to_have_attribute("aria-label", re.compile("^desk"))
    page.keyboard.press("Control+z")
    expect(page.locator(".toast")).to_contain_text("The labels are as they were.")
    expect(options.nth(1)).to_have_attribute("aria-label", re.compile("^table"))


def test_the_original_is_saved_by_its_own_name(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?show=2")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download").click()
    assert saved.value.suggested_filename == served.image("bed", 1).name
    assert Path(saved.value.path()).read_bytes() == served.image("bed", 1).read_bytes()


def test_the_catalog_comes_in_pages_as_it_is_scrolled(page: Page, served: Served) -> None:
    fails = [True]

    def small(route: Route) -> None:
        if "cursor" in route.request.url and fails:
            fails.clear()
            route.abort()
        else:
            route.continue_(url=route.request.url.replace("limit=120", "limit=20"))

    page.route("**/v1/images?*", small)
    page.goto(served.address)
    expect(page.locator(".found")).to_have_text("All pictures")
    # The page that does not come says why, and may be asked for again.
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    for last in (39, 59):
        expect(page.locator(f".tile[data-index='{last}']")).to_be_attached()
        page.locator(f".tile[data-index='{last}']").scroll_into_view_if_needed()
    page.locator(".tile").first.focus()
    page.keyboard.press("End")
    expect(page.locator(".tile[data-index='59']")).to_be_focused()
    assert shifted(page) < 0.01


def test_a_busy_service_is_asked_again(page: Page, served: Served, watched: Watched) -> None:
    watched.expected, refused = {503}, []

    def busy(route: Route) -> None:
        refused.append(route)
        if len(refused) < 3:
            route.fulfill(status=503, headers={"Retry-After": "0"}, body="{}")
        else:
            route.continue_()

    page.route("**/v1/search?*", busy)
    page.goto(f"{served.address}#/search?id=4")
    expect(page.locator(".tile").first).to_be_visible()
    assert len(refused) >= 3


def test_a_picture_of_an_earlier_visit_is_asked_for_again(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/search?q=7")
    expect(page.locator(".drop-zone")).to_contain_text("Drop it again")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("address", ["", "#/search?id=3&crop=0.2,0.2,0.5,0.5&show=5"])
def test_everybody_can_use_it(new_page: NewPage, served: Served, scheme: str, address: str) -> None:
    page = new_page(color_scheme=scheme)
    page.goto(served.address + address)
    expect(page.locator(".tile").first).to_be_visible()
    if address:
        expect(page.locator(".similar button").first).to_be_visible()
        expect(page.locator(".predictions li").first).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("address", ["", "#/search?id=3&crop=0.2,0.2,0.5,0.5", "#/search?show=3"])
def test_a_telephone_is_wide_enough(new_page: NewPage, served: Served, address: str) -> None:
    page = new_page(viewport={"width": 360, "height": 740}, has_touch=True)
    page.goto(served.address + address)
    shown = page.locator(".detail-picture") if "show" in address else page.locator(".tile")
    expect(shown.first).to_be_visible()
    assert overflow(page) <= 0
    assert faults(page) == []


@pytest.mark.parametrize("address", ["", "#/search?id=3", "#/search?id=3&show=5"])
def test_nothing_moves_while_it_comes(page: Page, served: Served, address: str) -> None:
    page.goto(served.address + address)
    expect(page.locator(".tile").first).to_be_visible()
    # What is in sight; the others come when they are scrolled to.
    page.evaluate("Promise.all([...document.images].slice(0, 8).map((each) => each.decode()))")
    assert shifted(page) < 0.01
