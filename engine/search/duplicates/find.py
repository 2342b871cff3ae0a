"""Images that are there more than once: the same content, copies of it, and what looks alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL.Image import Image

from engine.config import require_number
from engine.errors import UsageError
from engine.search.duplicates.copies import Copies, Star
from engine.search.duplicates.correlation import Miniature
from engine.search.duplicates.files import Disk, Identity, ImageFile
from engine.search.duplicates.keep import LARGEST_STAYS, Keep
from engine.search.duplicates.linkage import DIGITS, batches, complete_linkage
from engine.search.duplicates.neighbours import Neighbours, neighbours
from engine.search.duplicates.pixels import Pixels
from engine.search.duplicates.rules import Edited, PairRule, SamePixels
from engine.search.results import DuplicateGroup
from index.catalog.catalog import Catalog
from index.records import Ids, ImageFacts
from index.vectors.index import VectorIndex

EXACT, COPY, SIMILAR = LEVELS = ("exact", "copy", "similar")
# Of pictures in which there is hardly anything to see: nobody can say whether they are copies.
BLANK = "blank"
# The least cosine similarity of what looks alike where nobody says another.
SIMILAR_IMAGES = 0.9
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Level:
    """What is listed: the same content always.

    Attributes
    ----------
    copies
        Copies, too.
    min_score
        The least cosine similarity, -1 to 1, of what is similar; None where it is not listed.
    least_copy
        That of every copy to the one that stays, where a person asked for it.
    """

    copies: bool
    min_score: float | None = None
    least_copy: float = -1.0

    @classmethod
    def of(cls, name: str | None, min_score: float | None) -> Level:
        """Return a level by its name.

        Parameters
        ----------
        name
            `exact`, `copy` or `similar`; None for `copy`, or for `similar` where there is a
            `min_score`.
        min_score
            Of `similar` alone.

        Raises
        ------
        UsageError
            There is no such level or score, or the level does not take one.
        """
        if min_score is not None:
            require_number("min_score", min_score, -1, 1)
        if name is None:
            name = COPY if min_score is None else SIMILAR
        if name not in LEVELS:
            raise UsageError(
                "level", f"{name!r} is not a choice", f"Use one of {', '.join(LEVELS)}"
            )
        if name == SIMILAR:
            if min_score is None:
                return cls(True, SIMILAR_IMAGES)
            return cls(True, float(min_score), float(min_score))
        if min_score is not None:
            raise UsageError(
                "min_score", f"the level {name} has a bound of its own", "Use the level similar"
            )
        return cls(name == COPY)


@dataclass(frozen=True, slots=True)
class DuplicateLimits:
    """How much a search for duplicates compares at a time, and when two images are copies.

    Attributes
    ----------
    block
        Images whose neighbours are looked at at a time; pairs that are grouped at a time.
    rounding, coarse
        By how much the index may understate a cosine, as it is and where its codes are coarse.
    same, edited
        When two images are copies.
    """

    block: int = 1024
    rounding: float = 1e-3
    coarse: float = 0.1
    same: SamePixels = field(default_factory=SamePixels)
    edited: Edited = field(default_factory=Edited)


def find_duplicates(
    catalog: Catalog,
    index: VectorIndex,
    level: Level,
    read: Pixels,
    limits: DuplicateLimits = DuplicateLimits(),
    keep: Keep = LARGEST_STAYS,
) -> list[DuplicateGroup]:
    """Return groups of duplicates: exact ones, copies, blank ones, similar ones, by falling score.

    Pairs are found through their nearest neighbours, a block of images at a time: no table of all
    pairs is made, and memory grows with the duplicates that are found, not with the catalog. A
    content stands in one of the other groups once, however many files have it, and a picture with
    copies in one of those that are similar.

    Parameters
    ----------
    read
        Gives the pixels of files that may be copies.
    keep
        Which file of a group stays.
    """
    return _Search(catalog, index, read, limits, keep).groups(level)


class _Search:
    """One search for duplicates: which image stands for which others."""

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        read: Pixels,
        limits: DuplicateLimits,
        keep: Keep,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._pixels = read
        self._limits = limits
        self._slack = limits.coarse if index.coarse else limits.rounding
        self._disk = Disk(catalog.folders.all(), keep)
        # The file that stands for others, by the id of its image, and all images but these.
        self._first: dict[int, ImageFile] = {}
        self._later: set[int] = set()

    def groups(self, level: Level) -> list[DuplicateGroup]:
        groups = self._exact()
        if level.copies:
            copies = list(self._copies(level.least_copy))
            groups += sorted(
                copies, key=lambda group: (group.kind == BLANK, -group.score, group.keep)
            )
        if level.min_score is not None:
            similar = list(self._similar(level.min_score))
            groups += sorted(similar, key=lambda group: (-group.score, group.keep))
        return groups

    def _exact(self) -> list[DuplicateGroup]:
        by_content: dict[str, dict[int, ImageFacts]] = defaultdict(dict)
        for image_id, facts in self._catalog.contents.copies().items():
            by_content[facts.content_hash][image_id] = facts
        groups: list[DuplicateGroup] = []
        for images in by_content.values():
            files = self._disk.files(images)
            groups += group_of(EXACT, 1.0, files)
            self._stands_for(files[0], images)
        return sorted(groups, key=lambda group: group.keep)

    def _copies(self, least: float) -> Iterator[DuplicateGroup]:
        """Yield groups of copies, and of what is blank.

        What has the same pixels is one picture by then, or it would be a crowd of its own.
        """
        same = {}
        for star in self._stars(self._pairs_of(self._limits.same)):
            keep = self._files([star.centre, *star.others])[0]
            others = [each for each in (star.centre, *star.others) if each != keep.id]
            same[keep.id] = Star(keep.id, tuple(others), star.blank)
            self._stands_for(keep, others)
        edited = self._pairs_of(self._limits.edited)
        for star in self._stars(edited):
            keep = self._files([star.centre, *star.others])[0]
            others = [each for each in (star.centre, *star.others) if each != keep.id]
            cosines = self._cosines(keep.id, others)
            others = [each for each in others if cosines[each] >= least]
            if not others:
                continue
            certain = others if keep.id == star.centre else edited.among(keep.id, others)
            parts = [same.pop(each, Star(each, ())) for each in (keep.id, *others)]
            images = [each for part in parts for each in (part.centre, *part.others)]
            may_go = {each for part in parts if part.centre in certain for each in part.others}
            may_go = may_go.union(certain, parts[0].others)
            yield from self._copied(images, star.blank, may_go, least)
        for star in same.values():
            images = [star.centre, *star.others]
            yield from self._copied(images, star.blank, set(star.others), least)

    def _copied(
        self, images: Sequence[int], blank: bool, may_go: set[int], least: float
    ) -> Iterator[DuplicateGroup]:
        """Yield the group of some images, those left out that are less like the one that stays."""
        keep, *others = (file.id for file in self._files(images))
        cosines = self._cosines(keep, others)
        members = {keep: 1.0}
        members |= {each: value for each, value in cosines.items() if value >= least}
        self._later -= set(others)
        self._stands_for(self._files([keep])[0], members)
        kind, may_go = (BLANK, set()) if blank else (COPY, may_go)
        yield from group_of(kind, min(members.values()), self._files([*members]), may_go)

    def _pairs_of(self, rule: PairRule) -> Copies:
        found = self._neighbours(rule.least_cosine)
        return Copies(self._catalog, found, self, rule, self._slack)

    def _stars(self, copies: Copies) -> Iterator[Star]:
        return copies.stars(self._ranks, self._limits.block)

    def _similar(self, min_score: float) -> Iterator[DuplicateGroup]:
        """Yield groups of images of which every two are so similar."""
        pairs = self._pairs(min_score)
        for part in batches(pairs, self._limits.block):
            ids, vectors = self._catalog.embeddings.of(np.unique(part).tolist())
            for each in complete_linkage(vectors.unit, np.searchsorted(ids, part), min_score):
                yield from group_of(SIMILAR, each.lowest, self._files(ids[each.rows].tolist()))

    def _pairs(self, min_score: float) -> Ids:
        """Return the pairs of images that may be so similar, each once, int64 `[n, 2]`."""
        found = [np.empty((0, 2), np.int64)]
        for part in self._neighbours(min_score):
            alike = part.cosines >= min_score - self._slack
            rows, ranks = np.nonzero(alike & (part.nearest >= 0))
            # From either side: where very many are alike, only one of two may have the other
            # listed.
            pairs = np.stack([part.ids[rows], part.nearest[rows, ranks]], axis=1)
            found.append(np.unique(np.sort(pairs, axis=1), axis=0))
        return np.unique(np.concatenate(found), axis=0)

    def _neighbours(self, bound: float) -> Iterator[Neighbours]:
        left_out = np.array(sorted(self._later), np.int64)
        block = self._limits.block
        return neighbours(self._catalog, self._index, left_out, bound - self._slack, block)

    def _stands_for(self, file: ImageFile, images: Iterable[int]) -> None:
        self._first[file.id] = file
        self._later |= set(images) - {file.id}

    def _files(self, images: Sequence[int]) -> list[ImageFile]:
        """Return the files of images, each once, the one that should stay first."""
        known = [self._first[image_id] for image_id in images if image_id in self._first]
        facts = self._catalog.contents.facts(
            [image_id for image_id in images if image_id not in self._first]
        )
        return sorted([*known, *self._disk.files(facts)], key=lambda file: file.rank)

    def _ranks(self, images: Sequence[int]) -> dict[int, int]:
        files = self._files(images)
        ranks = {file.id: rank for rank, file in enumerate(files)}
        # Another name of a file that was changed meanwhile.
        return {image_id: ranks.get(image_id, len(files)) for image_id in images}

    def miniatures(self, images: Sequence[int]) -> dict[int, Miniature]:
        """See `copies.Reader`."""
        return self._read(images, self._pixels.miniatures)

    def greys(self, images: Sequence[int]) -> dict[int, Image]:
        """See `copies.Reader`."""
        return self._read(images, self._pixels.greys)

    def _read(
        self, images: Sequence[int], read: Callable[[Sequence[str]], Sequence[Read | None]]
    ) -> dict[int, Read]:
        facts = self._catalog.contents.facts(images)
        seen = zip(facts, read([each.file.path for each in facts.values()]), strict=True)
        return {image_id: each for image_id, each in seen if each is not None}

    def _cosines(self, keep: int, others: Sequence[int]) -> dict[int, float]:
        """Return the cosine of one image and each of some others."""
        ids, vectors = self._catalog.embeddings.of([keep, *others])
        products = vectors.unit @ vectors.unit[np.searchsorted(ids, keep)]
        rounded = np.minimum(np.round(products.astype(np.float64), DIGITS), 1.0)
        return {
            each: value
            for each, value in zip(ids.tolist(), rounded.tolist(), strict=True)
            if each != keep
        }


def group_of(
    kind: str, score: float, files: Iterable[ImageFile], removable: Container[int] | None = None
) -> list[DuplicateGroup]:
    """Return a group of files in a list, which is empty where they are one and the same file.

    Parameters
    ----------
    removable
        Images of which alone others may go; None for any.
    """
    distinct: dict[Identity, ImageFile] = {}
    for file in sorted(files, key=lambda file: file.rank):
        distinct.setdefault(file.identity, file)
    keep, *others = distinct.values()
    if not others:
        return []
    others.sort(key=lambda file: file.path)
    may_go = [
        file.path
        for file in others
        if file.removable and keep.vouches and (removable is None or file.id in removable)
    ]
    paths = [keep.path, *(file.path for file in others)]
    return [DuplicateGroup(kind, score, paths, keep.path, may_go)]
