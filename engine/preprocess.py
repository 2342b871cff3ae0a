"""From a picture to the pixels a backbone wants: the weights' own resize and crop, exactly.

The arithmetic is torchvision's `Resize` and `CenterCrop` on a Pillow image, which timm uses too:
shorter side to `resize` pixels with the longer one truncated, then a centred square whose corner
is rounded half to even. Subtracting the mean and dividing by the deviation happen inside the
compiled model, where they cost nothing, so the pixels stay 8-bit until then.
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
        """Return the input for one RGB picture, uint8 `[crop, crop, 3]`."""
        width, height = _resized(image.width, image.height, self.resize)
        filter_ = INTERPOLATIONS[self.interpolation]
        left = round((width - self.crop) / 2.0)
        top = round((height - self.crop) / 2.0)
        if max(width, height) <= LONGEST * self.resize:
            resized = image.resize((width, height), filter_)
            square = resized.crop((left, top, left + self.crop, top + self.crop))
        else:
            # A very long strip resized whole could fill the memory; its middle alone is resized.
            across, down = image.width / width, image.height / height
            right, bottom = left + self.crop, top + self.crop
            box = (left * across, top * down, right * across, bottom * down)
            square = image.resize((self.crop, self.crop), filter_, box=box)
        return np.array(square, np.uint8)


def mirrored(pixels: Pixels) -> Pixels:
    """Return the picture as a mirror shows it, uint8 `[..., height, width, 3]`."""
    return np.ascontiguousarray(pixels[..., ::-1, :])


def _resized(width: int, height: int, shorter: int) -> tuple[int, int]:
    if width <= height:
        return shorter, int(shorter * height / width)
    return int(shorter * width / height), shorter
