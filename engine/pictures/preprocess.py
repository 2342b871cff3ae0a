"""From an image to the pixels a backbone wants: the weights' own resize and crop.

The geometry is torchvision's `Resize` and `CenterCrop` on a Pillow image, which timm uses too:
shorter side to `resize` pixels with the longer one truncated, then a centred square whose corner
is rounded half to even. `resize.py` computes that square.

Subtracting the mean and dividing by the deviation happen inside the compiled model, where they
cost nothing, so the pixels stay 8-bit until then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from engine.pictures.resize import Pixels as Pixels
from engine.pictures.resize import Resize, Square, fastest


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

    def pixels(self, image: Image.Image, resize: Resize | None = None) -> Pixels:
        """Return the input for one RGB image, uint8 `[crop, crop, 3]`.

        Parameters
        ----------
        resize
            What computes it; by default the fastest that is installed.
        """
        width, height = _resized(image.width, image.height, self.resize)
        left = round((width - self.crop) / 2.0)
        top = round((height - self.crop) / 2.0)
        square = Square(width, height, left, top, self.crop, self.interpolation)
        return (resize or fastest())(image, square)


def mirrored(pixels: Pixels) -> Pixels:
    """Return the image as a mirror shows it, uint8 `[..., height, width, 3]`."""
    return np.ascontiguousarray(pixels[..., ::-1, :])


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter
