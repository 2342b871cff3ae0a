"""Views of an image: as it is, mirrored, and parts of it with other colours.

A head that has seen an image in several views is less misled by where in the image its subject
stands, how large it is and how it is lit. Each view is drawn from the image's content and its
own name alone, so it is always the same one, and its embedding can be cached.
"""

from __future__ import annotations

import hashlib
from math import exp, log, sqrt

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from engine.pictures.preprocess import Pixels, Preprocessing, mirrored
from engine.pictures.resize import INTERPOLATIONS

ORIGINAL, MIRROR = "original", "mirror"
_DRAWN = "drawn-"
# These numbers are part of what a view's name means: its embedding is cached under that name.
# Of an image's area, and width by height of the part that is shown, before it is made square
# (Szegedy et al., "Going Deeper with Convolutions", 2015, section 6, with a larger least area: the
# backbone is frozen, and was trained on larger parts).
LEAST_AREA, ASPECTS = 0.35, (3 / 4, 4 / 3)
# By how much brightness, contrast and saturation may change.
COLOURS = 0.2
TRIES = 10


def view_names(drawn: int) -> tuple[str, ...]:
    """Return the names of the views to learn from: two, and so many drawn ones."""
    return (ORIGINAL, MIRROR, *(f"{_DRAWN}{number}" for number in range(1, drawn + 1)))


def view_pixels(
    image: Image.Image, preprocessing: Preprocessing, view: str, content: str
) -> Pixels:
    """Return a view of an RGB image as a backbone takes it, uint8 `[crop, crop, 3]`.

    Parameters
    ----------
    view
        A name that `view_names` gives.
    content
        What the image is known by: the same content gives the same view.
    """
    if view == ORIGINAL:
        return preprocessing.pixels(image)
    if view == MIRROR:
        return mirrored(preprocessing.pixels(image))
    seed = hashlib.sha256(f"{view} {content}".encode()).digest()
    return _drawn(image, preprocessing, np.random.default_rng(list(seed)))


def _drawn(image: Image.Image, preprocessing: Preprocessing, rng: np.random.Generator) -> Pixels:
    size = (preprocessing.crop, preprocessing.crop)
    box = _box(image.width, image.height, rng)
    part = image.resize(size, INTERPOLATIONS[preprocessing.interpolation], box=box)
    if rng.random() < 0.5:
        part = ImageOps.mirror(part)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        part = enhance(part).enhance(float(rng.uniform(1 - COLOURS, 1 + COLOURS)))
    return np.array(part, np.uint8)


def _box(width: int, height: int, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom of a part of an image."""
    for _ in range(TRIES):
        area = width * height * rng.uniform(LEAST_AREA, 1)
        least, most = map(log, ASPECTS)
        aspect = exp(rng.uniform(least, most))
        across, down = sqrt(area * aspect), sqrt(area / aspect)
        if across <= width and down <= height:
            left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
            return left, top, left + across, top + down
    # So long a strip has no part of that shape: its middle, as it is kept otherwise.
    side = float(min(width, height))
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side
