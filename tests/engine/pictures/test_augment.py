"""Views of a picture: always the same ones, each a part of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from engine.backbones.table import BACKBONES, Backbone, backbone_named
from engine.pictures.augment import (
    COLOURS,
    LEAST_AREA,
    MIRROR,
    ORIGINAL,
    _box,
    view_names,
    view_pixels,
)
from engine.pictures.preprocess import mirrored

LITE0 = backbone_named("efficientnet_lite0").preprocessing
DRAWN = view_names(6)[2:]


def noise(width: int = 300, height: int = 200) -> Image.Image:
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_names_begin_with_the_image_as_it_is_and_mirrored() -> None:
    assert view_names(0) == (ORIGINAL, MIRROR)
    assert view_names(2)[:2] == view_names(0)
    assert len(set(view_names(64))) == 66
    # The catalog keeps views under their names, in so many characters.
    assert max(map(len, view_names(64))) <= 32


def test_fewer_views_are_the_first_of_more() -> None:
    assert view_names(5)[: len(view_names(3))] == view_names(3)


def test_the_original_is_what_is_embedded_otherwise() -> None:
    image = noise()
    whole = LITE0.pixels(image)
    assert np.array_equal(view_pixels(image, LITE0, ORIGINAL, "a"), whole)
    assert np.array_equal(view_pixels(image, LITE0, MIRROR, "a"), mirrored(whole))


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda each: each.name)
def test_drawn_views_are_what_the_backbone_takes(backbone: Backbone) -> None:
    preprocessing = backbone.preprocessing
    pixels = view_pixels(noise(), preprocessing, DRAWN[0], "a")
    assert pixels.shape == (preprocessing.crop, preprocessing.crop, 3)
    assert pixels.dtype == np.uint8


def test_the_same_image_and_name_give_the_same_view() -> None:
    image = noise()
    for view in DRAWN:
        one, other = (view_pixels(image, LITE0, view, "content") for _ in range(2))
        assert np.array_equal(one, other)


def test_other_images_and_names_give_other_views() -> None:
    image = noise()
    views = [view_pixels(image, LITE0, view, content) for view in DRAWN for content in "ab"]
    assert len({pixels.tobytes() for pixels in views}) == len(views)


def test_colours_change_a_little() -> None:
    grey = Image.new("RGB", (300, 200), (120, 120, 120))
    levels = [float(view_pixels(grey, LITE0, view, "a").mean()) for view in view_names(40)[2:]]
    assert 120 * (1 - COLOURS) - 1 <= min(levels) < 115
    assert 125 < max(levels) <= 120 * (1 + COLOURS) + 1


def test_about_half_of_the_views_are_mirrored() -> None:
    image = Image.new("RGB", (400, 400))
    image.paste((255, 255, 255), (200, 0, 400, 400))
    seen = [view_pixels(image, LITE0, view, "a").astype(float) for view in view_names(40)[2:]]
    left_is_darker = sum(view[:, :20].mean() < view[:, -20:].mean() for view in seen)
    assert 10 <= left_is_darker <= 30


@settings(deadline=None)
@given(width=st.integers(1, 2000), height=st.integers(1, 2000), seed=st.integers(0, 999))
def test_a_part_lies_within_the_image_and_is_not_a_scrap(
    width: int, height: int, seed: int
) -> None:
    left, top, right, bottom = _box(width, height, np.random.default_rng(seed))
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    across, down = right - left, bottom - top
    square = min(width, height)
    assert across * down >= min(LEAST_AREA * width * height, square**2) * (1 - 1e-6)
    assert 3 / 4 - 1e-6 <= across / down <= 4 / 3 + 1e-6


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_the_smallest_images_have_views_too(size: tuple[int, int]) -> None:
    assert view_pixels(noise(*size), LITE0, DRAWN[0], "a").shape == (224, 224, 3)
