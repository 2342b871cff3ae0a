"""Pictures of every kind on a page: the small copy shows what a plain PNG shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.pages.gallery import write_search_page
from demo.catalog import draw
from engine.search.results import Hit, SearchReport
from tests.support.formats import WRITERS, Writer, by_pillow, heic
from tests.support.page import read_page

SIDE = 512
# Of the 256 steps of a colour, on the average.
NEAR = 3.0
# A raw file is developed from half as many pixels of each colour.
NEAR_RAW = 8.0
CLEAR: Mapping[str, tuple[str, Writer]] = {
    "transparent PNG": ("png", by_pillow("PNG")),
    "transparent WEBP": ("webp", by_pillow("WEBP", lossless=True)),
    "transparent TIFF": ("tif", by_pillow("TIFF")),
    "transparent AVIF": ("avif", by_pillow("AVIF", quality=95)),
    "transparent HEIC": ("heic", heic),
    "transparent JPEG2000": ("jp2", by_pillow("JPEG2000")),
}

pytestmark = pytest.mark.slow


def clear(image: Image.Image) -> Image.Image:
    """Return an image as a disc, around which it is transparent and red underneath."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    outside = x**2 + y**2 > (0.45 * SIDE) ** 2
    pixels = np.asarray(image.convert("RGBA")).copy()
    pixels[outside] = (255, 0, 0, 0)
    return Image.fromarray(pixels)


def on_white(image: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image.Image]:
    """What a page of results shows of each file, by the name of its kind."""
    folder = tmp_path_factory.mktemp("album")
    image = draw("chair", 1, SIDE)
    disc = clear(image)
    files = {
        "plain.png": by_pillow("PNG")(image),
        "grey.png": by_pillow("PNG")(image.convert("L")),
        "disc.png": by_pillow("PNG")(on_white(disc)),
    }
    for kind, (extension, write) in WRITERS.items():
        made = image.resize((256, 256)) if kind == "ICO" else image
        files[f"{kind}.{extension}"] = write(made)
    files |= {f"{kind}.{extension}": write(disc) for kind, (extension, write) in CLEAR.items()}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    hits = [Hit(1, 1.0, str(folder / name), None, None) for name in files]
    write_search_page(SearchReport("all", [], hits), folder / "page.html")
    page = read_page(folder / "page.html")
    assert len(page.images) == len(page.links) == len(files)
    return {
        Path(name).stem: _opened(source) for name, source in zip(files, page.images, strict=True)
    }


def _opened(source: str) -> Image.Image:
    kind, _, data = source.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as opened:
        return opened.convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return how far two images are apart, where the smaller one has a pixel."""
    size = min(one.size, other.size)
    one, other = one.resize(size), other.resize(size)
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean())


def test_the_plain_picture_is_shown_as_it_is(shown: dict[str, Image.Image]) -> None:
    assert shown["plain"].size == (440, 440)
    assert difference(draw("chair", 1, SIDE), shown["plain"]) < NEAR


@pytest.mark.parametrize("kind", WRITERS)
def test_a_kind_is_shown_as_a_plain_png_is(kind: str, shown: dict[str, Image.Image]) -> None:
    plain = shown["grey" if "grey" in kind else "plain"]
    assert difference(shown[kind], plain) < (NEAR_RAW if kind == "DNG" else NEAR)


@pytest.mark.parametrize("kind", CLEAR)
def test_what_is_transparent_is_shown_on_white(kind: str, shown: dict[str, Image.Image]) -> None:
    assert difference(shown[kind], shown["disc"]) < NEAR
