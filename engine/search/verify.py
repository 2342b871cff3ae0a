"""The scores of an answer, from the catalog's own vectors where an index has only codes of them."""

from __future__ import annotations

import numpy as np

from engine.search.ranking import Ranked
from index.catalog.catalog import Catalog
from index.errors import IndexDamagedError
from index.records import Floats
from index.vectors.index import VectorIndex

# No code that was made of its vector is this far off; `tests/index/vectors` measures the coarsest.
FAR_OFF = 0.1
# Of one that was made of some directions of its vector, what the others hold comes on top.
FAR_OFF_COARSE = 0.5


def verified(
    catalog: Catalog, index: VectorIndex, query: Floats, ranked: Ranked
) -> tuple[Ranked, list[int]]:
    """Return the images of an answer with the cosines of the stored vectors, in their order.

    What a disk has changed in a code can then keep an image from being found, but not put one
    where it does not belong. The score of an image whose stored vector is damaged stays that of its
    code: it was made from the vector as it was.

    Parameters
    ----------
    query
        A unit vector, float32 `[dim]`.

    Returns
    -------
    ranked
        The same images, and their scores.
    damaged
        Those among them whose stored vector is not as it was stored.

    Raises
    ------
    IndexDamagedError
        An index that was read from the disk has a score that is far off.
    """
    if not index.approximate:
        return ranked, []
    far_off = FAR_OFF_COARSE if index.coarse else FAR_OFF
    ids, vectors = catalog.embeddings.sound(ranked.ids.tolist())
    cosines = dict(zip(ids.tolist(), np.clip(vectors.unit @ query, -1, 1).tolist(), strict=True))
    scores, damaged = ranked.scores.copy(), []
    for row, image_id in enumerate(ranked.ids.tolist()):
        cosine = cosines.get(image_id)
        if cosine is None:
            damaged.append(image_id)
            continue
        # What was built in this process is as the catalog is: its codes can only be coarse.
        if index.from_disk and not abs(cosine - float(scores[row])) <= far_off:
            raise IndexDamagedError(
                "the index",
                f"it holds another vector than the catalog of image {image_id}",
                "It is built anew from the catalog",
            )
        scores[row] = cosine
    return ranked.with_scores(scores), damaged
