"""Pictures that look the same when small: whether they are from close by."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from demo.catalog import draw
from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.detail import (
    LIES_ABOUT,
    LOST,
    SIDE,
    close_comparison,
    differing,
    lost,
    small_enough,
)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Return a picture as it comes out of a JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data)


def receipt(number: int) -> Image.Image:
    """Draw a page whose numbers no other page has."""
    page = Image.new("RGB", (480, 480), "white")
    pen = ImageDraw.Draw(page)
    for line in range(6):
        amount = 3 + 17 * number + 5 * line
        pen.text((60, 60 + 30 * line), f"article {number}-{line}    {amount}.{line}0 EUR", "black")
    return page


def burst(frame: int) -> Image.Image:
    """Draw what a camera sees that moves a little from one frame to the next."""
    return draw("sofa", 3, 496).crop((frame, frame, frame + 480, frame + 480))


@pytest.mark.parametrize("quality", [90, 50, 20])
def test_compression_changes_no_place(quality: int) -> None:
    for category in ("bed", "chair", "lamp"):
        image = draw(category, 1, 480)
        same = small_enough(jpeg(image, quality))
        assert differing(small_enough(image), same) <= 0.01


@pytest.mark.parametrize("side", [240, 333, 481, 960])
def test_a_change_of_size_changes_no_place(side: int) -> None:
    image = draw("sofa", 3, 480)
    other = small_enough(image.resize((side, side), Image.Resampling.LANCZOS))
    assert differing(small_enough(image), other) <= 0.01


def test_a_mirrored_picture_is_compared_mirrored() -> None:
    image = small_enough(draw("sofa", 3, 480))
    assert differing(image, ImageOps.mirror(image), mirrored=True) == 0
    assert differing(image, ImageOps.mirror(image)) > 0.05


def test_receipts_of_one_form_differ() -> None:
    pages = [small_enough(jpeg(receipt(number), 80)) for number in range(8)]
    shares = [differing(one, other) for row, one in enumerate(pages) for other in pages[:row]]
    assert min(shares) > 0.05


def test_frames_of_a_burst_differ() -> None:
    frames = [small_enough(jpeg(burst(frame), 90)) for frame in range(5)]
    shares = [differing(one, other) for row, one in enumerate(frames) for other in frames[:row]]
    assert min(shares) > 0.05


def test_a_small_mark_changes_few_places() -> None:
    squares = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    image = Image.fromarray(squares).resize((480, 480), Image.Resampling.NEAREST)
    marked = image.copy()
    ImageDraw.Draw(marked).rectangle((440, 440, 470, 470), fill=(255, 0, 0))
    assert 0 < differing(small_enough(image), small_enough(marked)) <= 0.05


def test_nothing_more_is_seen_of_small_pictures() -> None:
    small = [small_enough(receipt(number).resize((100, 100))) for number in range(2)]
    assert differing(*small) == 0


def test_pictures_without_detail_do_not_differ() -> None:
    flat = Image.fromarray(np.full((256, 256), 200, np.uint8))
    assert differing(flat, Image.fromarray(np.full((256, 256), 20, np.uint8))) == 0


@pytest.mark.parametrize("size", [(5000, 3000), (3, 5000), (200, 100), (1, 1)])
def test_no_side_is_longer_than_what_is_compared(size: tuple[int, int]) -> None:
    small = small_enough(Image.new("RGB", size))
    assert max(small.size) <= max(SIDE, 1)
    assert (small.mode, min(small.size) >= 1) == ("L", True)


ELSEWHERE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "cropped": lambda image: image.crop((40, 50, 400, 420)),
    "a corner": lambda image: image.crop((0, 0, 340, 330)),
    "framed": lambda image: ImageOps.expand(image, border=36, fill=(20, 20, 20)),
    "turned": lambda image: image.rotate(10, Image.Resampling.BICUBIC),
    "mirrored and cropped": lambda image: ImageOps.mirror(image).crop((60, 30, 420, 400)),
}


@pytest.mark.slow
@pytest.mark.parametrize("edit", ELSEWHERE)
@pytest.mark.parametrize("category", ["bed", "chair", "sofa"])
def test_what_lies_elsewhere_in_its_original_is_the_same(edit: str, category: str) -> None:
    for number in range(3):
        image = draw(category, number, 480)
        edited = jpeg(ELSEWHERE[edit](image), 80)
        for one, other in ((image, edited), (edited, image)):
            comparison = close_comparison(Miniature.of(one), Miniature.of(other))
            assert comparison is not None
            assert comparison.elsewhere is not None
            assert comparison.are_same(small_enough(one), small_enough(other))


@pytest.mark.parametrize(("first", "second"), [(5, 7), (5, 12), (7, 12)])
def test_lamps_of_one_shape_are_others(first: int, second: int) -> None:
    one, other = draw("lamp", first, 320), draw("lamp", second, 320)
    small = Miniature.of(one), Miniature.of(other)
    assert small[0].correlation(small[1]) > LIES_ABOUT, "when small they are much the same"
    comparison = close_comparison(*small)
    assert comparison is not None
    assert not comparison.are_same(small_enough(one), small_enough(other))


def test_where_there_is_no_detail_nothing_is_lost() -> None:
    image = draw("bed", 1, 480)
    comparison = close_comparison(Miniature.of(image), Miniature.of(ELSEWHERE["cropped"](image)))
    assert comparison is not None
    assert comparison.elsewhere is not None
    plain = Image.new("L", (480, 480), 90)
    assert lost(plain, plain, comparison.elsewhere) == 0.0
    assert lost(small_enough(image), plain, comparison.elsewhere) > LOST
