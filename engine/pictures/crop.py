"""A part of a picture, in place of the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image

from engine.errors import ImageError, UsageError
from engine.pictures.decode import DecodedImage

CropLike: TypeAlias = "Crop | str | Sequence[float]"
# Of a side: less is no pixel of any picture.
LEAST = 1e-5
REMEDY = "Write x,y,width,height from the upper left: in pixels, or in fractions such as .25,0,.5,1"


@dataclass(frozen=True, slots=True)
class Crop:
    """A rectangle of an upright picture, from its upper left corner.

    Where no number is above 1 they are fractions of the picture's sides, else pixels of the
    picture as a viewer shows it.

    Attributes
    ----------
    left, top, width, height
        The rectangle.
    """

    left: float
    top: float
    width: float
    height: float

    @classmethod
    def of(cls, given: CropLike) -> Crop:
        """Return a crop by what a person or a program wrote.

        Raises
        ------
        UsageError
            These are not four numbers, or they are no rectangle.
        """
        if isinstance(given, Crop):
            return given
        parts = given.split(",") if isinstance(given, str) else list(given)
        try:
            left, top, width, height = (float(part) for part in parts)
        except (TypeError, ValueError):
            raise _refused(given, "a crop is four numbers") from None
        numbers = (left, top, width, height)
        if not all(map(math.isfinite, numbers)) or min(numbers) < 0 or not width or not height:
            raise _refused(given, "this is no rectangle")
        crop = cls(*numbers)
        if crop.is_relative and min(width, height) < LEAST:
            raise _refused(given, "it is too small")
        if crop.is_relative and (left + width > 1 + 1e-6 or top + height > 1 + 1e-6):
            raise _refused(given, "it reaches beyond the picture")
        return crop

    @property
    def is_relative(self) -> bool:
        """Whether the numbers are fractions of a picture's sides."""
        return max(self.left, self.top, self.width, self.height) <= 1

    def enough(self, side: int) -> int | None:
        """Return the side that a picture may be reduced to for its crop to keep `side` pixels.

        None where only the picture itself tells.
        """
        return math.ceil(side / min(self.width, self.height)) if self.is_relative else None

    def pixels(self, image: DecodedImage, name: str) -> Image.Image:
        """Return the part of a picture.

        Parameters
        ----------
        image
            The picture, which may have been reduced.
        name
            What to call it in an error.

        Raises
        ------
        ImageError
            The crop reaches beyond the picture.
        """
        across, down = (1, 1) if self.is_relative else (image.width, image.height)
        right, bottom = self.left + self.width, self.top + self.height
        if not self.is_relative and (right > across or bottom > down):
            size = f"{image.width} x {image.height}"
            raise ImageError(name, f"the crop {self} reaches beyond its {size} pixels", REMEDY)
        wide, high = image.pixels.width / across, image.pixels.height / down
        left, top = min(int(self.left * wide), image.pixels.width - 1), int(self.top * high)
        top = min(top, image.pixels.height - 1)
        return image.pixels.crop(
            (
                left,
                top,
                min(max(round(right * wide), left + 1), image.pixels.width),
                min(max(round(bottom * high), top + 1), image.pixels.height),
            )
        )

    def __str__(self) -> str:
        return ",".join(f"{each:.6g}" for each in (self.left, self.top, self.width, self.height))


def _refused(given: object, reason: str) -> UsageError:
    return UsageError(f"crop {given}", reason, REMEDY)
