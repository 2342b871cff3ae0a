"""What people said that pictures show, remembered: listed, added to and taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.config import LARGEST, require_number
from engine.errors import UnknownImageError, UsageError
from index.errors import briefly

if TYPE_CHECKING:
    from engine.session.session import Session
    from index.catalog.catalog import Catalog

LONGEST_CATEGORY = 200
# Ids that an error names.
NAMED = 5


@dataclass(frozen=True, slots=True)
class JudgedCategory:
    """How much was said of a category.

    Attributes
    ----------
    category
        Its name.
    yes, no
        How many contents were said to show it, and how many not to. Some may be in no image of the
        catalog at the moment.
    """

    category: str
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class Judgements:
    """Which images were said to show a category.

    Attributes
    ----------
    category
        Its name.
    yes, no
        Visible images by their ids, of each content the oldest.
    """

    category: str
    yes: Sequence[int]
    no: Sequence[int]


class JudgementCollection:
    """The judgements of one store.

    A judgement is about the content of an image's file: it stays when the file is moved, and when
    the image is forgotten and indexed again.

    Parameters
    ----------
    session
        What the engine holds open.

    Examples
    --------
    engine.judgements.add("bed", yes=[7, 12], no=[3])
    engine.train(from_judgements=True, head="furniture")
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[JudgedCategory]:
        """Iterate over the categories of which something was said, by name.

        Raises
        ------
        StoreNotFoundError
            There is no catalog.
        """
        counts = self._session.catalog().judgements.counts()
        return iter([JudgedCategory(name, *counts[name]) for name in counts])

    def __getitem__(self, category: str) -> Judgements:
        """Return what was said of a category, nothing where nothing was.

        Raises
        ------
        UsageError
            No category can have such a name.
        StoreNotFoundError
            There is no catalog.
        """
        catalog = self._session.catalog()
        with catalog.database.snapshot():
            name = spelled(catalog, category)
            found = catalog.judgements.images(name)
        return Judgements(
            name,
            [image_id for image_id, yes in found if yes],
            [image_id for image_id, yes in found if not yes],
        )

    def add(self, category: str, yes: Sequence[int] = (), no: Sequence[int] = ()) -> Judgements:
        """Remember that images show a category, or do not, in place of what was said of them.

        Raises
        ------
        UsageError
            No category can have such a name, or an image is said both to show it and not to.
        UnknownImageError
            There is no image of one of the ids.
        StoreLockedError
            Another process is writing.
        """
        return self.change(category, yes, no)

    def change(
        self,
        category: str,
        yes: Sequence[int] = (),
        no: Sequence[int] = (),
        forget: Sequence[int] = (),
    ) -> Judgements:
        """Do what `add` and `forget` do in one go.

        Raises
        ------
        UsageError, UnknownImageError, StoreLockedError
            As of `add`; nothing is changed then.
        """
        require_one_answer(yes, no)
        if both := sorted({*yes, *no} & set(forget)):
            raise UsageError(f"image {both[0]}", "it is judged and forgotten at once", "Do one")
        with self._session.writing(create=False) as catalog:
            name = spelled(catalog, category)
            hashes = hashes_of(catalog, [*yes, *no, *forget])
            said = {hashes[image_id]: True for image_id in yes}
            for image_id in no:
                if said.setdefault(hashes[image_id], False):
                    raise _both(f"image {image_id}", "a copy of it is among those that do")
            catalog.judgements.forget(name, [hashes[image_id] for image_id in forget])
            catalog.judgements.put(name, said)
            return self[name]

    def forget(self, category: str, ids: Sequence[int]) -> int:
        """Take back what was said of images and a category; return how many judgements that were.

        Raises
        ------
        UsageError, UnknownImageError, StoreLockedError
            As of `add`.
        """
        with self._session.writing(create=False) as catalog:
            hashes = hashes_of(catalog, ids)
            return catalog.judgements.forget(spelled(catalog, category), list(hashes.values()))


def spelled(catalog: Catalog, category: str) -> str:
    """Return how the catalog's judgements spell a category; names that differ in case are one.

    Raises
    ------
    UsageError
        No category can have such a name.
    """
    from engine.ingest.labels.label_text import Spelling

    text = category_text(category)
    return Spelling(catalog.judgements.counts()).of(text)


def category_text(category: str) -> str:
    """Return a category's name as labels are written.

    Raises
    ------
    UsageError
        No category can have such a name.
    """
    from engine.ingest.labels.label_text import label_text

    text = label_text(category)
    if not text or len(text) > LONGEST_CATEGORY or not text.isprintable():
        raise UsageError(
            "category",
            f"{briefly(category, 40)!r} is no name of a category",
            f"Use 1 to {LONGEST_CATEGORY} characters that can be seen",
        )
    return text


def require_one_answer(yes: Sequence[int], no: Sequence[int]) -> None:
    """Refuse ids that cannot be, and those that are both in `yes` and in `no`.

    Raises
    ------
    UsageError
        There is one.
    """
    for image_id in (*yes, *no):
        require_number("id", image_id, 1, LARGEST, whole=True)
    if both := sorted(set(yes) & set(no)):
        raise _both(f"image {both[0]}", "it is among those that show the category, too")


def hashes_of(catalog: Catalog, ids: Sequence[int]) -> dict[int, str]:
    """Return the content hash of each image.

    Raises
    ------
    UnknownImageError
        There is no such image; the message names the ids.
    """
    for image_id in ids:
        require_number("id", image_id, 1, LARGEST, whole=True)
    facts = catalog.contents.facts(sorted(set(ids)))
    if unknown := sorted(set(ids) - set(facts)):
        if len(unknown) == 1:
            raise UnknownImageError.of(unknown[0])
        more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
        thing = f"images {', '.join(map(str, unknown[:NAMED]))}{more}"
        raise UnknownImageError(thing, "the catalog has no such images", "List the images anew")
    return {image_id: facts[image_id].content_hash for image_id in ids}


def _both(thing: str, reason: str) -> UsageError:
    return UsageError(thing, f"it is said not to show the category, and {reason}", "Give it once")
