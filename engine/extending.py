"""What a head learned from before, found again: so that it can learn more without the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.dataset import label_numbers
from engine.errors import TrainingError
from engine.heads.head import Head
from engine.heads.record import Learned
from engine.heads.train import Examples
from engine.views import ORIGINAL
from index.catalog import Catalog
from index.records import Vectors

Views = dict[str, Vectors]


def extended(examples: Examples, head: Head, catalog: Catalog) -> tuple[Examples, int]:
    """Return examples with those that a head learned from, and how many of these are lost.

    Their embeddings are looked for by content, among the pictures that were trained on before
    and among the catalog's images. A picture that is there anew has its new category.

    Raises
    ------
    TrainingError
        The head does not know what it learned from, or nothing of it is left.
    """
    learned = head.record.learned if head.record else None
    if learned is None:
        raise TrainingError(
            head.name,
            "it was made by a release that did not note what it learned from",
            "Train it once on all its pictures; then it can be extended",
        )
    new = set(examples.hashes)
    old = [
        (content, head.categories[label])
        for content, label in zip(learned.hexadecimal(), learned.labels.tolist(), strict=True)
        if content not in new
    ]
    found = _embeddings([content for content, _ in old], learned, catalog)
    there = [(content, label) for content, label in old if ORIGINAL in found[content]]
    if old and not there:
        raise TrainingError(
            head.name,
            f"none of the {len(old)} embeddings that it learned from is in this store",
            "Extend it in the store where it was trained, or train it on all its pictures",
        )
    views = tuple(dict.fromkeys((*examples.views, *learned.views)))
    return _joined(examples, there, found, views), len(old) - len(there)


def _embeddings(hashes: Sequence[str], learned: Learned, catalog: Catalog) -> dict[str, Views]:
    """Return the embeddings at hand of each content, by view."""
    found: dict[str, Views] = {content: {} for content in hashes}
    wanted = set(learned.views)
    for (content, view), vectors in catalog.views.get(hashes).items():
        if view in wanted:
            found[content][view] = vectors
    missing = {content for content, views in found.items() if ORIGINAL not in views}
    images = {
        each.content_hash: each.id
        for each in catalog.images.contents()
        if each.content_hash in missing
    }
    ids, vectors = catalog.images.vectors_of(list(images.values()))
    row = {image_id: number for number, image_id in enumerate(ids.tolist())}
    for content, image_id in images.items():
        place = row[image_id]
        found[content][ORIGINAL] = vectors[place : place + 1]
    return found


def _joined(
    examples: Examples,
    there: Sequence[tuple[str, str]],
    found: dict[str, Views],
    views: tuple[str, ...],
) -> Examples:
    texts = [examples.categories[label] for label in examples.picture_labels]
    categories, labels = label_numbers([*texts, *(label for _, label in there)])
    first = examples.pictures
    rows = [
        (first + place, view)
        for place, (content, _) in enumerate(there)
        for view in views
        if view in found[content]
    ]
    picture = np.array([place for place, _ in rows], np.int64)
    parts = [found[there[place - first][0]][view] for place, view in rows]
    every = np.concatenate([examples.picture, picture])
    return replace(
        examples,
        categories=categories,
        vectors=Vectors.concatenate([examples.vectors, *parts]),
        labels=labels[every],
        picture=every,
        original=np.concatenate(
            [examples.original, np.array([view == ORIGINAL for _, view in rows], np.bool_)]
        ),
        # Where the old ones are, nobody knows any more.
        paths=(*examples.paths, *(f"(learned before) {content[:12]}" for content, _ in there)),
        hashes=(*examples.hashes, *(content for content, _ in there)),
        views=views,
    )
