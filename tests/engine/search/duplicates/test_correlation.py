"""What is found of one picture in another: by its pixels, cropped, framed, mirrored or turned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from engine.search.duplicates.correlation import BLANK, BLUR, INNER, TURNED, Miniature

EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half its size": lambda image: image.resize((160, 120)),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "mirrored": ImageOps.mirror,
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "half cropped away": lambda image: image.crop((47, 35, 273, 205)),
    "a corner of it": lambda image: image.crop((0, 0, 250, 190)),
    "framed": lambda image: ImageOps.expand(image, border=20, fill=(20, 20, 20)),
    "turned": lambda image: image.rotate(10, Image.Resampling.BICUBIC),
    "mirrored and cropped": lambda image: ImageOps.mirror(image).crop((30, 20, 290, 215)),
}


def scene(number: int) -> Image.Image:
    """Draw a picture of some forty shapes."""
    drawn = np.random.default_rng(number)
    image = Image.new("RGB", (320, 240), tuple(drawn.integers(0, 255, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(40):
        left, top = drawn.integers(-20, 300), drawn.integers(-20, 220)
        width, height = drawn.integers(10, 90, 2)
        shape = pen.ellipse if drawn.random() < 0.5 else pen.rectangle
        shape((left, top, left + width, top + height), fill=tuple(drawn.integers(0, 255, 3)))
    return image


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_picture_is_found_in_its_original(edit: str) -> None:
    for number in range(5):
        one, other = Miniature.of(scene(number)), Miniature.of(EDITS[edit](scene(number)))
        assert one.correlation(other) > 0.7
        assert one.correlation(other) == pytest.approx(other.correlation(one), abs=0.05)


def test_other_pictures_are_not_found() -> None:
    miniatures = [Miniature.of(scene(number)) for number in range(12)]
    found = [
        one.correlation(other) for row, one in enumerate(miniatures) for other in miniatures[:row]
    ]
    assert max(found) < 0.7


def test_a_picture_lies_on_itself() -> None:
    one = Miniature.of(scene(1))
    assert one.aligned(one) == pytest.approx(1.0, abs=1e-3)
    assert one.correlation(one) == pytest.approx(1.0, abs=1e-3)
    assert one.lies_on(Miniature.of(scene(1).resize((100, 75))), 0.95) is False


def test_a_mirrored_picture_lies_on_it_mirrored() -> None:
    one, mirrored = Miniature.of(scene(1)), Miniature.of(ImageOps.mirror(scene(1)))
    assert one.lies_on(mirrored, 0.95) is True
    assert one.lies_on(Miniature.of(scene(2)), 0.95) is None


def test_the_correlation_is_that_of_numpy() -> None:
    """Oracle: every place of every shrunk picture, by `numpy.corrcoef`."""
    one, other = Miniature.of(scene(3)), Miniature.of(EDITS["half cropped away"](scene(3)))
    sizes, _ = other._templates
    detail, grey = one._detail.astype(np.float64), other.made_of[0]
    best = 0.0
    for height, width in sizes[: -len(TURNED)]:
        whole = width + 8, height + 8
        small = np.asarray(grey.resize(whole, Image.Resampling.BILINEAR), np.float32)
        blurred = Image.fromarray(small.astype(np.uint8)).filter(ImageFilter.GaussianBlur(BLUR))
        part = (small - np.asarray(blurred, np.float32))[INNER, INNER].ravel()
        for top in range(64 - height + 1):
            for left in range(64 - width + 1):
                place = detail[top : top + height, left : left + width].ravel()
                best = max(best, float(np.corrcoef(part, place)[0, 1]))
    assert other._match_in(one).correlation == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("level", [0, 4, 128, 255])
def test_frames_without_anything_to_see_are_blank(level: int) -> None:
    noise = np.random.default_rng(level).normal(level, 3, (240, 320, 3))
    assert Miniature.of(Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))).is_blank
    light = np.linspace(level / 2, level / 2 + 60, 320)[None, :, None] + np.zeros((240, 1, 3))
    assert Miniature.of(Image.fromarray(light.astype(np.uint8))).is_blank


def test_a_page_of_text_is_not_blank() -> None:
    page = Image.new("RGB", (480, 480), "white")
    for line in range(4):
        ImageDraw.Draw(page).text((60, 60 + 40 * line), "some words on a page", "black")
    miniature = Miniature.of(page)
    assert miniature._detail.std() > BLANK
    assert not miniature.is_blank
