"""What a head learned from before, found again: so that it can learn more without the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import TrainingError
from engine.heads.head import Head
from engine.heads.record import Learned
from engine.ingest.labels.label_text import Spelling
from engine.learning.data.examples import Examples, label_positions
from engine.learning.data.refused import Refused
from engine.pictures.augment import ORIGINAL
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import Vectors

Views = dict[str, Vectors]


@dataclass(frozen=True, slots=True)
class _Old:
    """A picture that was learned before; its path is empty where it is not known."""

    content: str
    label: str
    path: str


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
            "Train it once on all its pictures; from then on it is noted",
        )
    new, refused = set(examples.hashes), _refused_names(examples)
    contents = learned.hexadecimal()
    paths = learned.paths or [""] * len(contents)
    old = [
        _Old(content, head.categories[label], path)
        for content, label, path in zip(contents, learned.labels.tolist(), paths, strict=True)
        if content not in new and same_name(head.categories[label]) not in refused.get(content, ())
    ]
    found = _embeddings([each.content for each in old], learned, catalog)
    there = [each for each in old if ORIGINAL in found[each.content]]
    if old and not there:
        raise TrainingError(
            head.name,
            f"none of the {len(old)} embeddings that it learned from is in this store",
            "Ask in the store where it was trained, or train it on all its pictures",
        )
    views = tuple(dict.fromkeys((*examples.views, *learned.views)))
    spelling = Spelling(head.categories)
    return _joined(examples, there, found, views, spelling), len(old) - len(there)


def _refused_names(examples: Examples) -> dict[str, set[str]]:
    """Return which categories each refused content does not show, as `same_name` compares them."""
    if examples.refused is None:
        return {}
    names = np.array([same_name(name) for name in examples.categories])
    return {
        content: set(names[row].tolist())
        for content, row in zip(examples.refused.hashes, examples.refused.barred, strict=True)
    }


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
        for each in catalog.contents.visible()
        if each.content_hash in missing
    }
    ids, vectors = catalog.embeddings.of(list(images.values()))
    row = {image_id: number for number, image_id in enumerate(ids.tolist())}
    for content, image_id in images.items():
        at = row[image_id]
        found[content][ORIGINAL] = vectors[at : at + 1]
    return found


def _joined(
    examples: Examples,
    there: Sequence[_Old],
    found: dict[str, Views],
    views: tuple[str, ...],
    spelling: Spelling,
) -> Examples:
    texts = [spelling.of(examples.categories[label]) for label in examples.labels]
    categories, labels = label_positions([*texts, *(each.label for each in there)])
    rows = [
        (image, view)
        for image, each in enumerate(there)
        for view, name in enumerate(views)
        if name in found[each.content]
    ]
    image, view = np.array(rows, np.int64).reshape(-1, 2).T
    parts = [found[there[image].content][views[view]] for image, view in rows]
    # The new views come first, in their order: their positions stay.
    return replace(
        examples,
        categories=categories,
        labels=labels,
        vectors=Vectors.concatenate([examples.vectors, *parts]),
        image=np.concatenate([examples.image, len(examples) + image]),
        view=np.concatenate([examples.view, view]),
        paths=(*examples.paths, *(each.path for each in there)),
        hashes=(*examples.hashes, *(each.content for each in there)),
        views=views,
        refused=_moved(examples, categories, spelling),
    )


def _moved(examples: Examples, categories: tuple[str, ...], spelling: Spelling) -> Refused | None:
    """Return the refused images with the positions that their categories have now."""
    if examples.refused is None:
        return None
    mask = np.zeros((len(examples.refused), len(categories)), np.bool_)
    for position, name in enumerate(examples.categories):
        if (text := spelling.of(name)) in categories:
            mask[:, categories.index(text)] = examples.refused.barred[:, position]
    return replace(examples.refused, barred=mask)
