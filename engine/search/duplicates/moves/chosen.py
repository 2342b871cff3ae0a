"""From images that a person chose to groups that a `Mover` takes: something alike has to stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engine.errors import UnknownImageError, UsageError
from engine.pictures.sources.paths import is_local_file
from engine.search.duplicates.files import Disk, ImageFile
from engine.search.duplicates.level import COPY, EXACT
from engine.search.duplicates.rules import Edited
from engine.search.results import DuplicateGroup
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.records import ImageFacts

AGAIN = "Run `engine index`, then try again"
ELSEWHERE = "it is behind a URL or in an archive, and only files of this machine are moved"


@dataclass(frozen=True, slots=True)
class ChosenLimits:
    """How many images may be chosen, and what is alike.

    Attributes
    ----------
    images
        At a time, those that stay included.
    least_cosine
        Of an image that goes to one that stays; no two copies that are found have a lower one.
    """

    images: int = 1000
    least_cosine: float = Edited().least_cosine - 1e-3


@dataclass(frozen=True, slots=True)
class Chosen:
    """What may go, and what may not after all.

    Attributes
    ----------
    groups
        Each of an image that stays and those that go because it does.
    skipped
        Those that stay, and why.
    """

    groups: Sequence[DuplicateGroup]
    skipped: Sequence[Skipped]


def chosen_groups(
    catalog: Catalog,
    trash: Sequence[int],
    keep: Sequence[int],
    limits: ChosenLimits = ChosenLimits(),
) -> Chosen:
    """Return which of the chosen images may go, each with the one that is most like it and stays.

    Parameters
    ----------
    trash, keep
        Ids of images that are to go, and that stay.

    Raises
    ------
    UnknownImageError
        There is no such image.
    UsageError
        One is to go and to stay, or nothing that is like it would stay: nothing may go.
    """
    facts = _facts(catalog, trash, keep, limits)
    alike = _alike(catalog, facts, trash, keep, limits)
    disk = Disk(catalog.folders.all())
    stays = {file.id: file for each in keep for file in disk.files({each: facts[each]})}
    names = _files(catalog, disk, {facts[each].content_hash for each in trash})
    groups: list[DuplicateGroup] = []
    skipped: list[Skipped] = []
    for each in dict.fromkeys(trash):
        path, own = facts[each].file.path, facts[each].content_hash
        if not is_local_file(path):
            skipped.append(Skipped(path, ELSEWHERE, "Delete it where it lies, then index again"))
            continue
        reason = _reason(names.get(each), [stays[other] for other in alike[each]])
        if reason is not None:
            skipped.append(Skipped(path, reason, AGAIN))
            continue
        staying = next(other for other in alike[each] if stays[other].vouches)
        kind = EXACT if facts[staying].content_hash == own else COPY
        stay = facts[staying].file.path
        groups.append(DuplicateGroup(kind, alike[each][staying], [stay, path], stay, [path]))
    return Chosen(groups, skipped)


def _facts(
    catalog: Catalog, trash: Sequence[int], keep: Sequence[int], limits: ChosenLimits
) -> Mapping[int, ImageFacts]:
    """Return what is known of the images, all of which have to be there."""
    every = dict.fromkeys([*trash, *keep])
    if not trash or len(every) > limits.images:
        reason = f"{len(every)} images are no 1 to {limits.images}"
        raise UsageError("trash", reason, "Name some that go, and some that stay")
    if both := sorted(set(trash) & set(keep)):
        raise UsageError(f"image {both[0]}", "it is to go and to stay", "Name it once")
    facts = catalog.contents.facts([*every])
    if unknown := [each for each in every if each not in facts]:
        raise UnknownImageError.of(unknown[0])
    return facts


def _alike(
    catalog: Catalog,
    facts: Mapping[int, ImageFacts],
    trash: Sequence[int],
    keep: Sequence[int],
    limits: ChosenLimits,
) -> dict[int, dict[int, float]]:
    """Return for each image that goes those that stay and are like it, the most alike first.

    Raises
    ------
    UsageError
        There is none.
    """
    ids, vectors = catalog.embeddings.of([*trash, *keep])
    rows = dict(zip(ids.tolist(), vectors.unit, strict=True))
    staying = np.stack([rows[each] for each in keep]) if keep else np.empty((0, 0), np.float32)
    found: dict[int, dict[int, float]] = {}
    for each in trash:
        cosines = (staying @ rows[each]).tolist() if keep else []
        scores = {
            other: 1.0 if facts[other].content_hash == facts[each].content_hash else cosine
            for other, cosine in zip(keep, cosines, strict=True)
        }
        alike = sorted(
            (-score, one) for one, score in scores.items() if score >= limits.least_cosine
        )
        if not alike:
            raise UsageError(
                facts[each].file.path,
                "nothing that is like it would stay",
                "Name an image in `keep` of which it is a duplicate",
            )
        found[each] = {one: -negative for negative, one in alike}
    return found


def _files(catalog: Catalog, disk: Disk, hashes: Iterable[str]) -> dict[int, ImageFile]:
    """Return the files of contents by the image that stands for each: links are seen so."""
    found: dict[int, ImageFile] = {}
    for digest in hashes:
        images = [each.id for each in catalog.images.with_content(digest) if not each.missing]
        found |= {file.id: file for file in disk.files(catalog.contents.facts(images))}
    return found


def _reason(file: ImageFile | None, stays: Sequence[ImageFile]) -> str | None:
    """Return why an image may not go, None where it may."""
    if file is None:
        return "it is gone, or another name of a file that is listed"
    if not file.unchanged:
        return "it is not as it was indexed"
    if not file.removable:
        return "a link leads to it or through it"
    if not any(each.vouches for each in stays):
        path = stays[0].path
        return f"what would stay is not as it was indexed, behind a link or in the trash: {path}"
    return None
