"""The pictures of the page in the docs, drawn anew: `python -m tests.browser.screenshots FOLDER`.

All that is seen on them was drawn by `demo/`.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from demo.tour import BACKBONE, DrawnImages, draw_images
from engine import Engine
from engine.progress import SILENT
from tests.support.browser import NO_BROWSER, chromium, launched, serving

WIDE, TELEPHONE = (1280, 800), (360, 740)
QUALITY = 82
# Until nothing is asked for any more, in milliseconds.
SETTLED = 1500


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the page.

    Attributes
    ----------
    address
        What is shown, below the service's address.
    act
        What is done there before.
    size
        Of the window.
    dark
        Whether in dark colours.
    """

    address: str
    act: Callable[[Page, DrawnImages], object] | None = None
    size: tuple[int, int] = WIDE
    dark: bool = False


def _ask(page: Page, images: DrawnImages) -> None:
    page.locator("input[type=file]").set_input_files(images.first("test", "chair"))


def _answer(page: Page, _: DrawnImages) -> None:
    for _key in range(4):
        page.keyboard.press("y")


def _look(page: Page, _: DrawnImages) -> None:
    page.get_by_role("button", name="Look", exact=True).click()
    page.locator(".found").get_by_text("to look at").or_(
        page.locator(".group").first
    ).first.wait_for()


def _look_for_copies(page: Page, images: DrawnImages) -> None:
    page.get_by_label("Look for").select_option("copy")
    _look(page, images)


def _index(page: Page, _: DrawnImages) -> None:
    page.get_by_text("Index pictures").click()
    page.get_by_role("button", name="Index", exact=True).click()


SHOTS: Mapping[str, Shot] = {
    "page-search": Shot("#/search", _ask),
    "page-part": Shot("#/search?id=56&crop=0.12,0.42,0.72,0.55&show=60", dark=True),
    "page-teach": Shot("#/teach?category=lamp", _answer),
    "page-map": Shot("#/map", dark=True),
    "page-heads": Shot("#/heads"),
    "page-duplicates": Shot("#/duplicates", _look_for_copies),
    "page-suspects": Shot("#/suspects", _look, dark=True),
    "page-jobs": Shot("#/jobs", _index),
    "page-telephone": Shot("#/search", size=TELEPHONE),
}


def stock(folder: Path) -> DrawnImages:
    """Draw pictures, index some and learn from others; the store is `.engine`."""
    images = draw_images(folder, 0, SILENT)
    with Engine.open(folder / ".engine", backbone=BACKBONE) as engine:
        engine.index([images.part("catalog")], label="parent")
        engine.train(images.part("train"), head="furniture")
        _disturb(engine, images)
    return images


def _disturb(engine: Engine, images: DrawnImages) -> None:
    """Put copies of some pictures beside the others, and two wrong labels."""
    (images.folder / "copies").mkdir()
    for number, category in enumerate(("bed", "chair", "sofa")):
        with Image.open(images.first("catalog", category)) as whole:
            small = whole.convert("RGB").resize((whole.width * 3 // 4, whole.height * 3 // 4))
        small.save(images.folder / "copies" / f"{category} small.jpg", quality=70 + number)
    engine.index([images.folder / "copies"])
    for image_id, label in ((3, "lamp"), (40, "bed")):
        engine.images.relabel(image_id, label)


def shoot(browser: Browser, address: str, shot: Shot, images: DrawnImages) -> Image.Image:
    """Return a picture of the page."""
    width, height = shot.size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.dark else "light",
        device_scale_factor=1.5,
        has_touch=shot.size == TELEPHONE,
        is_mobile=shot.size == TELEPHONE,
    )
    try:
        page = context.new_page()
        page.goto(address + shot.address)
        page.wait_for_timeout(SETTLED)
        if shot.act is not None:
            shot.act(page, images)
            page.wait_for_timeout(SETTLED)
        return Image.open(io.BytesIO(page.screenshot()))
    finally:
        context.close()


def main() -> None:
    """Draw all, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*", choices=list(SHOTS), default=list(SHOTS))
    options = parser.parse_args()
    program = chromium()
    if program is None:
        parser.error(NO_BROWSER)
    with tempfile.TemporaryDirectory(prefix="furniture-") as folder:
        images = stock(Path(folder))
        with serving(Path(folder, ".engine")) as address, launched(program) as browser:
            for name in options.only:
                found = shoot(browser, address, SHOTS[name], images)
                found.convert("RGB").save(
                    options.folder / f"{name}.webp", quality=QUALITY, method=6
                )
                print(options.folder / f"{name}.webp")


if __name__ == "__main__":
    main()
