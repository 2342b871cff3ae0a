"""The Suspects view: a label is set right or stays, and either is taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page, expect

from engine import Config, Engine
from tests.browser.conftest import Served, faults_in_all_looks

OwnService = Callable[..., Served]
HOSTILE = "<img src=x onerror=alert(1)>.jpg"


def mistaken(folder: Path) -> None:
    """Label two beds as lamps, one of them under a name that wants to be something else."""
    pictures = folder / "pictures"
    beds = sorted((pictures / "bed").iterdir())
    beds[0].rename(pictures / "bed" / HOSTILE)
    with Engine(Config.at(folder / "store")) as made:
        made.index([pictures])
        for image in made.images.page(["label=bed"]).images:
            if image.path.endswith((HOSTILE, beds[1].name)):
                made.images.relabel(image.id, "lamp")


@pytest.fixture
def service(own_service: OwnService) -> Served:
    """A service with two wrong labels."""
    return own_service(change=mistaken)


def look(page: Page, service: Served) -> Locator:
    """Open the view, look, and return the pictures whose label is doubted."""
    page.goto(f"{service.address}#/suspects")
    page.get_by_role("button", name="Look", exact=True).click()
    found = page.locator(".suspect")
    expect(found.first).to_be_visible()
    return found


def labels(service: Served, name: str) -> str | None:
    """Return the label of a picture, as the service knows it."""
    with urlopen(f"{service.address}v1/images?limit=1000") as answer:
        images = json.load(answer)["images"]
    (label,) = [each["label"] for each in images if each["path"].endswith(name)]
    return str(label) if label is not None else None


def test_a_suggestion_is_taken_and_taken_back(page: Page, service: Served) -> None:
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    found = look(page, service)
    count = found.count()
    wrong = found.filter(has_text=HOSTILE)
    expect(wrong.get_by_role("heading")).to_have_text(HOSTILE)
    wrong.get_by_role("button", name="Label it bed").click()
    expect(found).to_have_count(count - 1)
    assert labels(service, HOSTILE) == "bed"
    page.locator(".toast").get_by_role("button", name="Undo").click()
    expect(found).to_have_count(count)
    assert labels(service, HOSTILE) == "lamp"
    assert page.locator("img[src=x]").count() == 0


def test_a_label_is_kept_by_keys(page: Page, service: Served) -> None:
    found = look(page, service)
    count = found.count()
    found.first.get_by_role("button").first.focus()
    page.keyboard.press("n")
    expect(found).to_have_count(count - 1)
    expect(page.locator(".toast")).to_contain_text("Kept “lamp”")
    page.keyboard.press("Control+z")
    expect(found).to_have_count(count)
    expect(found.first.get_by_role("button").first).to_be_focused()
    page.keyboard.press("j")
    expect(found.nth(1).get_by_role("button").first).to_be_focused()
    page.keyboard.press("y")
    expect(found).to_have_count(count - 1)


def test_what_was_relabelled_is_not_shown_again(page: Page, service: Served) -> None:
    found = look(page, service)
    count = found.count()
    found.filter(has_text=HOSTILE).get_by_role("button", name="Label it bed").click()
    expect(found).to_have_count(count - 1)
    page.reload()
    expect(page.locator(".found")).to_contain_text("to look at")
    expect(found).to_have_count(count - 1)
    expect(found.filter(has_text=HOSTILE)).to_have_count(0)


def test_a_label_that_was_kept_is_not_doubted_again(page: Page, service: Served) -> None:
    found = look(page, service)
    count = found.count()
    found.filter(has_text=HOSTILE).get_by_role("button", name="Keep lamp").click()
    expect(found).to_have_count(count - 1)
    for again in (page.reload, page.get_by_role("button", name="Look", exact=True).click):
        again()
        expect(page.locator(".found")).to_contain_text(f"{count - 1} label")
        expect(found.filter(has_text=HOSTILE)).to_have_count(0)


def test_everybody_can_use_it(page: Page, own_service: OwnService) -> None:
    service = own_service(change=mistaken)
    page.goto(f"{service.address}#/suspects")
    expect(page.locator(".notice")).to_contain_text("Nobody has looked yet")
    assert faults_in_all_looks(page) == []
    look(page, service)
    assert faults_in_all_looks(page) == []
