"""What a data set must have to be learned from, all that it lacks told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import TrainingError
from engine.learning.data.phrases import count, listed

FEWEST = 2


@dataclass(frozen=True, slots=True)
class Requirements:
    """How many images a category must have.

    Attributes
    ----------
    fewest
        So many that differ; 0 to take what there is.
    min_images
        Categories with fewer are left out; 0 to refuse those with fewer than `fewest`, instead.
    """

    fewest: int = FEWEST
    min_images: int = 0

    @property
    def least(self) -> int:
        """So many images each category has that is learned."""
        return max(self.fewest, self.min_images)


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason not to learn from a data set, and what to do about it."""

    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CategorySize:
    """How many images a category has.

    Attributes
    ----------
    usable
        How many can be read and differ, as far as that was looked at.
    files
        How many there are.
    trouble
        What is the matter with one that cannot be read.
    """

    usable: int
    files: int
    trouble: str = ""


def sizes_of(images: Iterable[tuple[str, str]]) -> dict[str, CategorySize]:
    """Return how many images each category has, of images given by content hash and category."""
    contents: dict[str, list[str]] = {}
    for content, category in images:
        contents.setdefault(category, []).append(content)
    return {
        category: CategorySize(len(set(some)), len(some)) for category, some in contents.items()
    }


def chosen_categories(
    thing: str,
    sizes: Mapping[str, CategorySize],
    requirements: Requirements,
    problems: Sequence[Problem] = (),
) -> tuple[set[str], list[str]]:
    """Return the categories to learn, and a note on those that are left out.

    Parameters
    ----------
    thing
        What to name in an error.
    sizes
        Of all categories there are.
    problems
        What is known to be wrong besides.

    Raises
    ------
    TrainingError
        Something is wrong: a category has too few images, ... All of it is in the message.
    """
    small = {name: size for name, size in sorted(sizes.items()) if size.usable < requirements.least}
    chosen = set(sizes) - set(small) if requirements.min_images else set(sizes)
    problems = list(problems)
    if not requirements.min_images:
        problems += [_too_few(name, size, requirements.fewest) for name, size in small.items()]
    elif not chosen:
        problems.append(
            Problem(
                f"no category has {requirements.least} usable pictures ({_sizes(small)})",
                "Give each category more that differ, or a smaller --min-images",
            )
        )
    refuse(thing, problems)
    left_out = requirements.min_images and small
    note = f"left out, with fewer than {requirements.least} usable pictures: {_sizes(small)}"
    return chosen, [note] if left_out else []


def refuse(thing: str, problems: Sequence[Problem]) -> None:
    """Raise an error of all problems, if there are any.

    Raises
    ------
    TrainingError
        There are.
    """
    if problems:
        reasons, remedies = (
            dict.fromkeys(getattr(each, name) for each in problems) for name in ("reason", "remedy")
        )
        raise TrainingError(thing, "; ".join(reasons), "; ".join(remedies))


def _sizes(sizes: Mapping[str, CategorySize]) -> str:
    return listed([f"{name} ({size.usable})" for name, size in sizes.items()])


def _too_few(name: str, size: CategorySize, fewest: int) -> Problem:
    has = count(size.usable, "usable picture")
    of = f" of {size.files}" if size.files > size.usable else ""
    trouble = f" ({size.trouble})" if size.trouble else ""
    return Problem(
        f"the category {name!r} has {has}{of}{trouble}",
        f"Give each category at least {fewest} that differ, better twenty or more, or leave small "
        f"ones out with --min-images {fewest}",
    )
