"""Every colour comes out as sRGB means it, and nothing is transparent."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from engine.pictures.decode import BROKEN_PROFILE, DecodedImage, decode
from tests.support.formats import WRITERS, wide_profile

LIMIT = 10**8
CLEAR = (0, 0, 0, 0)


def decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> DecodedImage:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return decode(buffer.getvalue(), "x", LIMIT)


def glyph(shape: str, colour: tuple[int, int, int]) -> Image.Image:
    """A sign of one colour on nothing."""
    image = Image.new("RGBA", (64, 64), CLEAR)
    draw = ImageDraw.Draw(image)
    getattr(draw, shape)((12, 20, 52, 44), fill=(*colour, 255))
    return image


def pixels(image: DecodedImage) -> Any:
    return np.asarray(image.pixels).astype(int)


def test_white_signs_on_nothing_are_not_all_one_picture() -> None:
    one, other = (
        pixels(decoded(glyph(each, (255, 255, 255)))) for each in ("ellipse", "rectangle")
    )
    assert np.abs(one - other).max() == 255
    assert one[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 30, 30), (128, 128, 128), (200, 190, 180)])
def test_whatever_can_be_seen_on_white_lies_on_white(colour: tuple[int, int, int]) -> None:
    found = pixels(decoded(glyph("ellipse", colour)))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[32, 32].tolist() == list(colour)


def test_a_few_dark_letters_on_a_pale_sign_keep_it_on_white() -> None:
    image = glyph("rectangle", (255, 255, 255))
    ImageDraw.Draw(image).rectangle((12, 20, 24, 44), fill=(0, 0, 0, 255))
    assert pixels(decoded(image))[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (255, 0, 0)])
def test_colours_under_full_transparency_never_count(hidden: tuple[int, int, int]) -> None:
    shown = glyph("ellipse", (250, 250, 250))
    other = Image.new("RGBA", shown.size, (*hidden, 0))
    other.paste(shown, mask=shown.getchannel("A"))
    other.putalpha(shown.getchannel("A"))
    assert np.array_equal(pixels(decoded(shown)), pixels(decoded(other)))


def test_an_image_of_nothing_is_white() -> None:
    assert (pixels(decoded(Image.new("RGBA", (8, 8), CLEAR))) == 255).all()


def test_a_wider_colour_space_is_converted() -> None:
    image = Image.new("RGB", (8, 8), (200, 60, 60))
    data = WRITERS["PNG in Display P3"][1](image)
    with Image.open(io.BytesIO(data)) as stored:
        raw = np.asarray(stored)[0, 0].astype(int)
    assert np.abs(raw - [200, 60, 60]).max() > 10
    assert np.abs(pixels(decode(data, "x", LIMIT))[0, 0] - [200, 60, 60]).max() <= 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_profile_is_honoured_in_every_kind_that_holds_one(kind: str) -> None:
    plain = Image.new("RGB", (16, 16), (60, 200, 60))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    found = pixels(decoded(plain, kind, icc_profile=wide_profile(), **options))[8, 8]
    # The same numbers mean a green beyond sRGB's there.
    assert found[0] < 20
    assert found[1] > 200


@pytest.mark.parametrize("broken", [b"", b"rubbish", wide_profile()[:200], bytes(400)])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_a_broken_profile_is_ignored_and_said(broken: bytes, mode: str) -> None:
    image = Image.new("RGB", (8, 8), (120, 120, 120)).convert(mode)
    found = decoded(image, icc_profile=broken)
    assert pixels(found)[0, 0].tolist() == [120, 120, 120]
    assert found.note == (BROKEN_PROFILE if broken else "")


def test_a_profile_of_another_colour_space_is_broken() -> None:
    found = decoded(Image.new("CMYK", (8, 8)), "TIFF", icc_profile=wide_profile())
    assert found.note == BROKEN_PROFILE


def test_four_inks_are_the_same_with_and_without_adobe_s_marker() -> None:
    image = Image.new("RGB", (16, 16), (180, 90, 40))
    marked, plain = (
        pixels(decode(WRITERS[f"CMYK {kind}"][1](image), "x", LIMIT)) for kind in ("JPEG", "TIFF")
    )
    assert np.abs(marked - plain).max() <= 3
    assert np.abs(plain[0, 0] - [180, 90, 40]).max() <= 1
