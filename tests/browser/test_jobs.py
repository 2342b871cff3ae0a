"""The Jobs view: begun, followed, cancelled and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Served, Watched, faults_in_all_looks

OwnService = Callable[..., Served]


def test_folders_are_indexed_and_what_came_of_it_is_told(
    page: Page, own_service: OwnService
) -> None:
    served = own_service()
    page.goto(f"{served.address}#/jobs")
    expect(page.locator(".notice")).to_contain_text("No jobs yet")
    (served.images / "new.jpg").write_bytes(served.image("bed").read_bytes() + b"more")
    page.get_by_text("Index pictures").click()
    page.get_by_role("button", name="Index", exact=True).click()
    job = page.locator(".jobs li")
    expect(job.locator(".state")).to_have_text("Done")
    expect(job).to_contain_text("1 added; 61 pictures in the catalog")
    job.get_by_role("link", name="See the pictures").click()
    expect(page.locator(".found")).to_have_text("61 pictures")
    page.go_back()
    job.get_by_role("button", name="Forget").click()
    expect(page.locator(".notice")).to_contain_text("No jobs yet")


def test_pictures_of_one_s_own_are_taken_in(
    page: Page, own_service: OwnService, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    served = own_service("--folder", kept)
    own = tmp_path / "own.jpg"
    own.write_bytes(served.image("sofa").read_bytes() + b"own")
    page.goto(f"{served.address}#/jobs")
    page.get_by_text("Index pictures").click()
    page.get_by_label("Pictures", exact=True).set_input_files(own)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".jobs li")).to_contain_text("1 added; 61 pictures in the catalog")
    assert len(list(kept.rglob("*.jpg"))) == 1


def test_folders_that_nobody_allowed_are_refused(
    page: Page, own_service: OwnService, watched: Watched
) -> None:
    watched.expected = {400, 403}
    page.goto(f"{own_service().address}#/jobs")
    page.get_by_text("Index pictures").click()
    page.get_by_label("Folders, one a line").fill("/etc")
    page.get_by_role("button", name="Index", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("/etc")


def test_a_job_is_cancelled_wherever_it_was_begun(page: Page, own_service: OwnService) -> None:
    page.goto(f"{own_service().address}#/heads")
    page.get_by_label("Name").fill("slow")
    page.get_by_role("button", name="Train").click()
    # It is seen from every view, and others can be used meanwhile.
    indicator = page.locator("#job")
    expect(indicator).to_be_visible()
    page.keyboard.press("Escape")
    indicator.click()
    page.locator(".jobs").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator(".jobs .state")).to_have_text("Cancelled")
    expect(indicator).to_be_hidden()


def test_everybody_can_use_it(page: Page, served: Served) -> None:
    page.goto(f"{served.address}#/jobs")
    page.get_by_text("Index pictures").click()
    expect(page.get_by_role("button", name="Index", exact=True)).to_be_visible()
    assert faults_in_all_looks(page) == []
