"""Pictures that are the same: in content, or nearly so to the eye."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from engine.results import DuplicateGroup
from index.catalog import Catalog
from index.records import Ids, Vectors
from index.vectors import VectorIndex

NEIGHBOURS = 20
BLOCK = 1024


def find_duplicates(catalog: Catalog, index: VectorIndex, min_score: float) -> list[DuplicateGroup]:
    """Return groups of duplicates, exact ones first, then near ones by falling score.

    Near duplicates are joined through their nearest neighbours in the index, so no table of all
    pairs is made. A picture with exact copies stands in a near group once.

    Parameters
    ----------
    min_score
        Least cosine similarity of near duplicates.
    """
    contents = catalog.images.contents()
    by_content: dict[str, list[int]] = defaultdict(list)
    for content in contents:
        by_content[content.content_hash].append(content.id)
    paths = {content.id: content.path for content in contents}
    exact = [
        DuplicateGroup("exact", 1.0, sorted(paths[image_id] for image_id in ids))
        for ids in by_content.values()
        if len(ids) > 1
    ]
    exact.sort(key=lambda group: group.paths[0])
    ids, vectors = catalog.images.vectors()
    first = np.isin(ids, [group[0] for group in by_content.values()])
    return exact + _near(ids[first], vectors[first], index, min_score, paths)


def _near(
    ids: Ids, vectors: Vectors, index: VectorIndex, min_score: float, paths: dict[int, str]
) -> list[DuplicateGroup]:
    group_of = {image_id: image_id for image_id in ids.tolist()}
    weakest: dict[int, float] = {}

    def root(image_id: int) -> int:
        while group_of[image_id] != image_id:
            group_of[image_id] = group_of[group_of[image_id]]
            image_id = group_of[image_id]
        return image_id

    for start in range(0, len(ids), BLOCK):
        part = slice(start, start + BLOCK)
        hits = index.search(vectors.unit[part], min(NEIGHBOURS, len(index)), allowed=ids)
        places = np.argwhere((hits.scores >= min_score) & (hits.ids >= 0))
        for row, rank in places.tolist():
            one, other = int(ids[start + row]), int(hits.ids[row, rank])
            # From either side: where very many are near, only one of two may have the other listed.
            if one != other:
                a, b = sorted((root(one), root(other)))
                score = min(float(hits.scores[row, rank]), weakest.get(a, 1.0), weakest.get(b, 1.0))
                group_of[b] = a
                weakest[a] = score
    members: dict[int, list[int]] = defaultdict(list)
    for image_id in group_of:
        members[root(image_id)].append(image_id)
    groups = [
        DuplicateGroup("near", weakest[key], sorted(paths[image_id] for image_id in group))
        for key, group in members.items()
        if len(group) > 1
    ]
    return sorted(groups, key=lambda group: (-group.score, group.paths[0]))
