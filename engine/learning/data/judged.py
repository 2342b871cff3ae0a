"""Examples from judgements: what people said that pictures of the catalog show, and do not show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from engine.errors import TrainingError
from engine.learning.data.examples import Examples, label_positions
from engine.learning.data.phrases import count
from engine.learning.data.refused import Refused
from engine.learning.data.requirements import Requirements, chosen_categories, sizes_of
from index.catalog.catalog import Catalog
from index.names import same_name
from index.records import JudgedContent, Vectors

THING = "--from-judgements"
# A category with fewer yes is left out: a single picture can be learned, and not tested.
JUDGED = Requirements(min_images=2)


def collect_judged(
    catalog: Catalog, only: Sequence[str] = (), requirements: Requirements = JUDGED
) -> Examples:
    """Return the catalog's judged images; no file is opened.

    An image that shows a category is an example of it. One that shows several is an example of the
    one with the fewest. One that shows none of them, and of which it was said of some that it does
    not show these, is `Examples.refused`.

    Parameters
    ----------
    only
        Learn these categories alone; none for all.
    requirements
        How many images a category must have.

    Raises
    ------
    TrainingError
        Nothing was judged, or no category has enough images that show it.
    """
    wanted = set(map(same_name, only))
    judged = [
        each
        for each in catalog.judgements.all()
        if each.image_id is not None and (not wanted or same_name(each.category) in wanted)
    ]
    if not any(each.yes for each in judged):
        raise TrainingError(
            THING,
            f"no picture of the catalog was judged to show {' or '.join(only) or 'a category'}",
            "Answer in the view Teach of `engine serve`, or with PUT /v1/judgements",
        )
    label_of, several = _labels(judged)
    chosen, notes = chosen_categories(THING, sizes_of(label_of.items()), requirements)
    image_of = {each.content_hash: int(each.image_id or 0) for each in judged}
    hashes = [digest for digest, label in label_of.items() if label in chosen]
    categories, positions = label_positions([label_of[digest] for digest in hashes])
    paths = {key: row.path for key, row in catalog.images.rows(list(image_of.values())).items()}
    examples = Examples(
        hashes=tuple(hashes),
        paths=tuple(paths[image_of[digest]] for digest in hashes),
        categories=categories,
        labels=positions,
        vectors=_embeddings(catalog, [image_of[digest] for digest in hashes]),
        image=np.arange(len(hashes)),
        view=np.zeros(len(hashes), np.int64),
        refused=_refused(judged, set(hashes), categories, catalog, image_of),
    )
    return _with_notes(examples, notes, several)


def _labels(judged: Sequence[JudgedContent]) -> tuple[dict[str, str], int]:
    """Return what each content is an example of, and how many show several categories."""
    shown: dict[str, list[str]] = {}
    for each in judged:
        if each.yes:
            shown.setdefault(each.content_hash, []).append(each.category)
    sizes = Counter(category for categories in shown.values() for category in categories)
    label_of = {
        digest: min(categories, key=lambda category: (sizes[category], category))
        for digest, categories in shown.items()
    }
    return label_of, sum(len(categories) > 1 for categories in shown.values())


def _refused(
    judged: Sequence[JudgedContent],
    learned: set[str],
    categories: Sequence[str],
    catalog: Catalog,
    image_of: Mapping[str, int],
) -> Refused | None:
    position = {category: at for at, category in enumerate(categories)}
    barred: dict[str, list[int]] = {}
    for each in judged:
        if not each.yes and each.category in position and each.content_hash not in learned:
            barred.setdefault(each.content_hash, []).append(position[each.category])
    if not barred:
        return None
    mask = np.zeros((len(barred), len(categories)), np.bool_)
    for row, positions in enumerate(barred.values()):
        mask[row, positions] = True
    vectors = _embeddings(catalog, [image_of[digest] for digest in barred])
    return Refused(tuple(barred), vectors, mask)


def _embeddings(catalog: Catalog, ids: Sequence[int]) -> Vectors:
    """Return the embeddings of different images, in the order of these."""
    found, vectors = catalog.embeddings.of(ids)
    return vectors[np.searchsorted(found, np.array(ids, np.int64))]


def _with_notes(examples: Examples, notes: Sequence[str], several: int) -> Examples:
    told = list(notes)
    if examples.refused is not None:
        told.append(f"{count(len(examples.refused), 'picture')} said to show none of these")
    if several:
        told.append(
            f"said to show several categories, and learned as the rarest of them: "
            f"{count(several, 'picture')}"
        )
    return replace(examples, notes=tuple(told))
