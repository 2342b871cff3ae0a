"""What a question about a category comes to: pictures to judge, pictures found, and an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Why a picture is asked about.
UNCERTAIN, TYPICAL, LABEL, CATEGORY = "uncertain", "typical", "label", "category"


@dataclass(frozen=True, slots=True)
class AskedImage:
    """A picture that a person should judge.

    Attributes
    ----------
    id, path
        Of the image.
    probability
        That it shows the category, 0 to 1; None where nothing is known yet.
    why
        `uncertain`: the answer tells most. `typical`: of a group of pictures that look alike.
        `label`, `category`: it has this label, or the engine takes it for this.
    """

    id: int
    path: str
    probability: float | None
    why: str


@dataclass(frozen=True, slots=True)
class FoundImage:
    """A picture that was not judged, and is likely to show the category.

    Attributes
    ----------
    id, path
        Of the image.
    probability
        That it shows the category, 0 to 1.
    """

    id: int
    path: str
    probability: float


@dataclass(frozen=True, slots=True)
class CategoryEstimate:
    """How many images of the catalog show a category.

    Attributes
    ----------
    count
        So many, those judged to show it included.
    low, high
        Nine times of ten it is in this interval.
    precision
        Which share of the images found really shows it; None where that cannot be known.
    """

    count: int
    low: int
    high: int
    precision: float | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known of a category after some answers, and what to ask next.

    Attributes
    ----------
    category
        Its name.
    yes, no
        How many images were judged to show it, and not to.
    ask
        Pictures to judge next, those that tell most first.
    found
        Pictures that were not judged and show it more likely than not, likeliest first.
    estimate
        None where there are too few answers to know.
    images, looked_at
        Visible images of the catalog, and how many of them took part: of a very large catalog a
        sample, with all that looks like what was judged to show the category.
    """

    category: str
    yes: int
    no: int
    ask: Sequence[AskedImage]
    found: Sequence[FoundImage]
    estimate: CategoryEstimate | None
    images: int
    looked_at: int
