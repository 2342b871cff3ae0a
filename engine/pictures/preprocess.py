"""From an image to the pixels a backbone wants: the weights' own resize and crop.

The arithmetic is torchvision's `Resize` and `CenterCrop` on a Pillow image, which timm uses too:
shorter side to `resize` pixels with the longer one truncated, then a centred square whose corner
is rounded half to even. Of the resized image only that square is computed, in half the time.
Pillow holds its corners as float32, so some values are rounded the other way: in photographs
0.02 % of them with `bicubic` and 0.5 % with `bilinear`, by one level or two, which leaves the
embedding where it was (cosine at least 0.99998).

Subtracting the mean and dividing by the deviation happen inside the compiled model, where they
cost nothing, so the pixels stay 8-bit until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

LONGEST = 16  # times the shorter side: up to here a picture is resized whole
Pixels = npt.NDArray[np.uint8]
INTERPOLATIONS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a backbone's weights expect their pictures.

    Attributes
    ----------
    resize
        Pixels of the shorter side after resizing.
    crop
        Side of the centred square that is kept, in pixels: the input size.
    interpolation
        `bilinear` or `bicubic`, both with antialiasing.
    mean, std
        Per channel R, G, B, on a scale of 0 to 1.
    """

    resize: int
    crop: int
    interpolation: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def pixels(self, image: Image.Image) -> Pixels:
        """Return the input for one RGB image, uint8 `[crop, crop, 3]`."""
        width, height = _resized(image.width, image.height, self.resize)
        filter_ = INTERPOLATIONS[self.interpolation]
        left = round((width - self.crop) / 2.0)
        top = round((height - self.crop) / 2.0)
        right, bottom = left + self.crop, top + self.crop
        size, square = (self.crop, self.crop), (left, top, right, bottom)
        same_order = _across_first(image, (width, height)) == _across_first(image, size)
        # A very long strip resized whole could fill the memory.
        if same_order or max(width, height) > LONGEST * self.resize:
            # Multiplied first: a right edge must not come out beyond the image by a rounding.
            box = (
                left * image.width / width,
                top * image.height / height,
                right * image.width / width,
                bottom * image.height / height,
            )
            return np.array(image.resize(size, filter_, box=box), np.uint8)
        return np.array(image.resize((width, height), filter_).crop(square), np.uint8)


def mirrored(pixels: Pixels) -> Pixels:
    """Return the image as a mirror shows it, uint8 `[..., height, width, 3]`."""
    return np.ascontiguousarray(pixels[..., ::-1, :])


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter


def _across_first(image: Image.Image, size: tuple[int, int]) -> bool:
    """Say whether Pillow resizes to `size` across before it does down.

    It rounds to 8 bits in between, and cuts off what a bicubic filter overshoots: the other order
    gives values up to 27 levels away. A release of Pillow that always goes across first makes
    this a waste of some time, no more.
    """
    shrinks = image.height - size[1]
    return not (shrinks > 0 and shrinks > 2 * (image.width - size[0]))
