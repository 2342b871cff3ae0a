"""A part of a picture: the same pixels, however it is written and whatever was unpacked."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from engine.errors import ImageError, UsageError
from engine.pictures.crop import Crop
from engine.pictures.decode import DecodedImage, decode

LIMIT = 10**8


def picture(width: int, height: int) -> DecodedImage:
    """A picture each of whose pixels says where it is."""
    across, down = np.arange(width)[None, :], np.arange(height)[:, None]
    cells = np.stack(np.broadcast_arrays(across, down, 0), axis=2).astype(np.uint8)
    return DecodedImage(Image.fromarray(cells), width, height, "PNG")


def corners(image: Image.Image) -> tuple[int, ...]:
    """Left, top, right and bottom as they were in the whole picture."""
    first, last = image.getpixel((0, 0)), image.getpixel((image.width - 1, image.height - 1))
    assert isinstance(first, tuple) and isinstance(last, tuple)
    return (*first[:2], *last[:2])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10,20,30,40", (10, 20, 39, 59)),
        ("0,0,1,1", (0, 0, 99, 79)),
        ("0.5,0.25,0.5,0.5", (50, 20, 99, 59)),
        (".25,0,.5,1", (25, 0, 74, 79)),
        (" 99 , 79 , 1 , 1 ".replace("1 ", "1"), (99, 79, 99, 79)),
        ((0, 0, 100, 80), (0, 0, 99, 79)),
        ([0.99, 0.99, 0.001, 0.001], (99, 79, 99, 79)),
    ],
)
def test_it_is_pixels_or_fractions(written: object, expected: tuple[int, ...]) -> None:
    crop = Crop.of(written)  # type: ignore[arg-type]
    assert corners(crop.pixels(picture(100, 80), "a")) == expected


@pytest.mark.parametrize(
    "written",
    [
        *("", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,0,1,1", "0,0,inf,1", "0,0,0,1", "0,0,1,0"),
        *("-1,0,1,1", "0.6,0,0.5,1", "0,0.6,1,0.5"),
        *([1, 2], [None] * 4, (0, 0, 1, -1)),
    ],
)
def test_what_is_no_rectangle_is_refused(written: object) -> None:
    with pytest.raises(UsageError, match="crop"):
        Crop.of(written)  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["0,0,101,80", "0,0,100,81", "100,0,2,2", "0,80,2,2"])
def test_beyond_the_picture_there_is_nothing(written: str) -> None:
    with pytest.raises(ImageError, match="100 x 80 pixels"):
        Crop.of(written).pixels(picture(100, 80), "a")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("written", ["0.5,0,0.5,0.5", None])
def test_it_is_of_the_picture_as_a_viewer_shows_it(orientation: int, written: str | None) -> None:
    cells = np.zeros((320, 480, 3), np.uint8)
    cells[:160, 240:] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = io.BytesIO()
    Image.fromarray(cells).save(stored, "JPEG", quality=95, exif=exif)
    for enough in (None, 40):
        image = decode(stored.getvalue(), "a", LIMIT, enough)
        half = f"{image.width / 2:g},0,{image.width / 2:g},{image.height / 2:g}"
        shown = np.asarray(Crop.of(written or half).pixels(image, "a"), float)
        whole = np.asarray(image.pixels, float)
        expected = whole[: whole.shape[0] // 2, whole.shape[1] // 2 :]
        assert shown.shape == expected.shape
        assert np.array_equal(shown, expected)


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(1e-6, 1),
    st.floats(1e-6, 1),
)
def test_any_fractions_show_at_least_a_pixel(
    width: int, height: int, left: float, top: float, wide: float, high: float
) -> None:
    crop = Crop(min(left, 1 - wide), min(top, 1 - high), wide, high)
    if crop.left < 0 or crop.top < 0:
        return
    shown = crop.pixels(picture(width, height), "a")
    assert shown.width >= 1 and shown.height >= 1
    assert abs(shown.width - wide * width) <= 2 and abs(shown.height - high * height) <= 2


@pytest.mark.parametrize(("written", "side"), [("0,0,.5,.25", 2048), ("0,0,1,1", 512)])
def test_of_a_small_part_more_of_the_picture_is_unpacked(written: str, side: int) -> None:
    assert Crop.of(written).enough(512) == side


def test_in_pixels_all_of_the_picture_is_unpacked() -> None:
    assert Crop.of("0,0,10,10").enough(512) is None
