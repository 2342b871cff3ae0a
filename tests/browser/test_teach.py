"""The Teach view: a category from nothing to a catalog that shows it, by keys alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, Route, expect

from engine import Config, Engine
from tests.browser.conftest import Served, faults, faults_in_all_looks
from tests.support.browser import serving

OwnService = Callable[..., Served]
ANSWERS = 30


@pytest.fixture(scope="module")
def photographs(
    program: str, real_images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    """A service on a catalog of 1,100 photographs, 100 of them of beds, without labels."""
    folder = tmp_path_factory.mktemp("photographs")
    with Engine(Config.at(folder / "store")) as engine:
        engine.index([real_images / "furniture" / "train", real_images / "catalog"])
    with serving(folder / "store") as address:
        yield Served(address, folder)


def _answer(page: Page, engine: Engine, wanted: int) -> int:
    """Answer truthfully, by keys alone, until so many pictures are; return how many were beds."""
    given, beds = 0, 0
    while given < wanted:
        first = page.get_by_role("listbox", name="Pictures to answer").get_by_role("option")
        ids = [
            int(each) for each in first.evaluate_all("all => all.map((each) => each.dataset.id)")
        ]
        for at, image_id in enumerate(ids[: wanted - given]):
            shown = Path(engine.images[image_id].path).parent.name == "bed"
            expect(first.nth(at)).to_be_focused()
            page.keyboard.press("y" if shown else "n")
            given, beds = given + 1, beds + shown
        if given < wanted:
            expect(page.locator(f".teach [data-id='{ids[0]}']")).to_have_count(0)
    return beds


def _average_precision(engine: Engine, real_images: Path) -> float:
    """Return it of the category `bed` on photographs that are not in the catalog."""
    files = sorted((real_images / "furniture" / "test").rglob("*.jpg"))
    files += sorted((real_images / "imagenet300").iterdir())
    answers = engine.classify(files, k=1001)
    score = np.array(
        [
            next((each.probability for each in one.predictions if each.category == "bed"), 0.0)
            for one in answers
        ]
    )
    right = np.array([file.parent.name == "bed" for file in files])[np.argsort(-score)]
    return float((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())


def test_bed_is_taught_from_nothing_by_keys_alone(
    page: Page, photographs: Served, real_images: Path
) -> None:
    page.goto(f"{photographs.address}#/teach")
    expect(page.get_by_label("What to teach")).to_be_focused()
    page.keyboard.type("bed")
    page.keyboard.press("Enter")
    expect(page.get_by_role("option").first).to_be_focused()
    with Engine(Config.at(photographs.folder / "store")) as engine:
        assert _answer(page, engine, ANSWERS) > 3
        expect(page.get_by_role("status").filter(has_text="yes,")).to_contain_text("no")
        expect(page.get_by_text("pictures of 1,100 show it")).to_be_visible()
        page.get_by_label("Name of the head").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".saved")).to_contain_text("of the catalog show another category now")
        assert faults(page) == []
        assert engine.images.categories()["bed"] > 60
        [said] = list(engine.judgements)
        assert (said.category, said.yes + said.no) == ("bed", ANSWERS)
        assert _average_precision(engine, real_images) >= 0.92


@pytest.fixture
def lesson(page: Page, own_service: OwnService) -> Page:
    """A page that asks about a category that nobody has taught."""
    page.goto(f"{own_service().address}#/teach?category=bright")
    expect(page.get_by_role("option").first).to_be_focused()
    return page


def test_an_answer_is_remembered_and_taken_back(lesson: Page) -> None:
    first = lesson.get_by_role("listbox", name="Pictures to answer").get_by_role("option").first
    lesson.keyboard.press("y")
    expect(first).to_have_attribute("data-answer", "yes")
    lesson.reload()
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 0 no")
    lesson.keyboard.press("n")
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 1 no")
    lesson.keyboard.press("Backspace")
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 0 no")
    lesson.reload()
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 0 no")


def test_an_answer_outlives_a_page_that_is_left_before_it_was_heard(lesson: Page) -> None:
    def unheard(route: Route) -> None:
        if route.request.method != "PUT":
            route.continue_()

    lesson.route("**/v1/judgements*", unheard)
    lesson.keyboard.press("y")
    lesson.wait_for_function("sessionStorage.length == 1")
    lesson.unroute("**/v1/judgements*", unheard)
    lesson.reload()
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 0 no")
    lesson.wait_for_function("sessionStorage.length == 0")
    lesson.reload()
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 0 no")


def test_numbers_answer_the_nth_and_the_rest_is_no(lesson: Page) -> None:
    options = lesson.get_by_role("listbox", name="Pictures to answer").get_by_role("option")
    lesson.keyboard.press("3")
    expect(options.nth(2)).to_have_attribute("data-answer", "yes")
    lesson.keyboard.press("3")
    expect(options.nth(2)).to_have_attribute("data-answer", "no")
    lesson.keyboard.press("2")
    lesson.keyboard.press("Shift+N")
    expect(lesson.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 11 no")


def test_unsure_is_not_asked_again(lesson: Page) -> None:
    options = lesson.get_by_role("listbox", name="Pictures to answer").get_by_role("option")
    first = options.first.get_attribute("data-id")
    lesson.keyboard.press("u")
    lesson.get_by_role("button", name="Ask about others").click()
    expect(lesson.locator(f"[data-id='{first}']")).to_have_count(0)


def test_everybody_can_use_it(page: Page, own_service: OwnService) -> None:
    address = own_service().address
    page.goto(f"{address}#/teach?category=bed")
    page.get_by_role("option").first.focus()
    page.keyboard.press("y")
    page.keyboard.press("n")
    page.keyboard.press("u")
    expect(page.get_by_role("status").filter(has_text="yes,")).to_have_text("1 yes, 1 no")
    expect(page.get_by_text("No other picture is likely")).to_be_visible()
    assert faults_in_all_looks(page) == []
    page.goto(f"{address}#/teach")
    expect(page.get_by_role("link", name="bed")).to_contain_text("1 yes, 1 no")
    assert faults_in_all_looks(page) == []
