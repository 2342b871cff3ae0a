"""A square of a resized image: by Pillow, or in a third of the time by a library of its kind.

Both do the same: an antialiasing filter in two passes, rounded to 8 bits in between and cut off
where it overshoots. Of the resized image only the square is computed.

`cykooz.resizer` (the Rust crate fast_image_resize) uses what the processor has for many bytes at a
time. It goes down first where Pillow goes across first, which gives values up to 27 levels away, so
each pass is asked for by itself, in Pillow's order. Then at most two levels are left between them:
it rounds its coefficients to 16 bits, and Pillow holds the corners of a part as float32. Of
embeddings of photographs the cosine is at least 0.9999, so that it matters to no catalog which of
the two has resized its pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

LONGEST = 16  # times the shorter side: up to here a picture is resized whole
Pixels = npt.NDArray[np.uint8]
Resize = Callable[[Image.Image, "Square"], Pixels]
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# What `cykooz.resizer` calls them, and how many pixels a filter takes in to each side where it does
# not shrink. Pillow's bicubic filter is that of Catmull and Rom.
FILTERS = {"bilinear": ("bilinear", 1.0), "bicubic": ("catmull_rom", 2.0)}


@dataclass(frozen=True, slots=True)
class Square:
    """A square of a resized image.

    Attributes
    ----------
    width, height
        Of the whole image when it is resized, in pixels.
    left, top
        Where the square begins in that.
    side
        Of the square.
    interpolation
        `bilinear` or `bicubic`, both with antialiasing.
    """

    width: int
    height: int
    left: int
    top: int
    side: int
    interpolation: str

    def box(self, image: Image.Image) -> tuple[float, float, float, float]:
        """Return what becomes the square: left, top, right and bottom in the image's pixels."""
        # Multiplied first: a right edge must not come out beyond the image by a rounding.
        return (
            self.left * image.width / self.width,
            self.top * image.height / self.height,
            (self.left + self.side) * image.width / self.width,
            (self.top + self.side) * image.height / self.height,
        )


@cache
def fastest() -> Resize:
    """Return what resizes soonest of what is installed."""
    try:
        import cykooz_resizer
    except ImportError:
        return by_pillow
    return _ByCykooz(cykooz_resizer)


def by_pillow(image: Image.Image, square: Square) -> Pixels:
    """Return a square of a resized RGB image, uint8 `[side, side, 3]`."""
    filter_ = INTERPOLATIONS[square.interpolation]
    whole, size = (square.width, square.height), (square.side, square.side)
    same_order = across_first(image, whole) == across_first(image, size)
    # A very long strip resized whole could fill the memory.
    if same_order or max(whole) > LONGEST * min(whole):
        return np.array(image.resize(size, filter_, box=square.box(image)), np.uint8)
    right, bottom = square.left + square.side, square.top + square.side
    part = image.resize(whole, filter_).crop((square.left, square.top, right, bottom))
    return np.array(part, np.uint8)


class _ByCykooz:
    """Resizes as `by_pillow` does.

    Parameters
    ----------
    library
        The module `cykooz_resizer`.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        self._algorithms = {
            name: library.ResizeAlg.convolution(library.FilterType[theirs])
            for name, (theirs, _) in FILTERS.items()
        }

    def __call__(self, image: Image.Image, square: Square) -> Pixels:
        """Return a square of a resized RGB image, uint8 `[side, side, 3]`."""
        library, side = self._library, square.side
        algorithm = self._algorithms[square.interpolation]
        left, top, right, bottom = square.box(image)
        # Nothing else of the image is read: no more of it is copied.
        x, width = _read(left, right, image.width, square)
        y, height = _read(top, bottom, image.height, square)
        part = image.crop((x, y, x + width, y + height)).tobytes()
        data = library.ImageData(width, height, library.PixelType.U8x3, part)
        box = library.CropBox
        if across_first(image, (square.width, square.height)):
            only_across = box(left - x, 0, right - left, height)
            then_down = box(0, top - y, side, bottom - top)
            stages = ((side, height, only_across), (side, side, then_down))
        else:
            only_down = box(0, top - y, width, bottom - top)
            then_across = box(left - x, 0, right - left, side)
            stages = ((width, side, only_down), (side, side, then_across))
        # It holds a lock while it works, so that each call has its own.
        resizer = library.Resizer()
        for to_width, to_height, part_of in stages:
            options = library.ResizeOptions(algorithm, use_alpha=False, crop_box=part_of)
            made = library.ImageData(to_width, to_height, library.PixelType.U8x3)
            resizer.resize(data, made, options)
            data = made
        return np.frombuffer(bytearray(data.get_buffer()), np.uint8).reshape(side, side, 3)


def _read(start: float, end: float, most: int, square: Square) -> tuple[int, int]:
    """Return the first pixel that filters read for a part of an image's side, and how many."""
    _, support = FILTERS[square.interpolation]
    around = support * max(1.0, (end - start) / square.side) + 1
    first = max(0, math.floor(start - around))
    return first, min(most, math.ceil(end + around)) - first


def across_first(image: Image.Image, size: tuple[int, int]) -> bool:
    """Say whether Pillow resizes to `size` across before it does down.

    It rounds to 8 bits in between, and cuts off what a bicubic filter overshoots: the other order
    gives values up to 27 levels away. A release of Pillow that always goes across first makes
    this a waste of some time, no more.
    """
    shrinks = image.height - size[1]
    return not (shrinks > 0 and shrinks > 2 * (image.width - size[0]))
