"""Which images of a data set were learned from before, so that figures of them say little."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt

from engine.backbones.learned import learned_contents
from engine.backbones.table import Backbone
from engine.heads.head import Head
from engine.learning.data.copies import copy_groups
from engine.learning.data.examples import Examples
from engine.pictures.augment import ORIGINAL
from index.catalog.catalog import Catalog
from index.records import Vectors

# Of more contents that are not among the examples no copies are looked for: it takes a minute.
MOST_COMPARED = 50_000


def learned_images(
    examples: Examples,
    heads: Sequence[Head],
    backbone: Backbone,
    catalog: Catalog | None,
    most_compared: int = MOST_COMPARED,
) -> npt.NDArray[np.bool_] | None:
    """Return which images any of the heads, or the backbone, learned from; None if not known.

    Those are the contents that were learned from, and their copies, as far as the embeddings of
    what was learned from are in the catalog or among the examples.

    Parameters
    ----------
    heads
        Those that answer.
    backbone
        What they, and the neighbours, see with.
    most_compared
        Of more contents that are not among the examples no copies are looked for.
    """
    contents = _contents(heads, backbone)
    if contents is None:
        return None
    learned = np.array([digest in contents for digest in examples.hashes], np.bool_)
    elsewhere = contents.difference(examples.hashes)
    others: dict[str, Vectors] = {}
    if catalog is not None and len(elsewhere) <= most_compared:
        others = _embeddings(elsewhere, catalog)
    count, rows = len(learned), len(examples.vectors)
    unit = Vectors.concatenate([examples.vectors, *others.values()]).unit
    groups = copy_groups(
        (*examples.hashes, *others),
        unit,
        np.concatenate([examples.originals, np.arange(rows, len(unit))]),
        examples.copies,
    )
    return np.isin(groups[:count], [*groups[:count][learned], *groups[count:]])


def _contents(heads: Sequence[Head], backbone: Backbone) -> frozenset[str] | None:
    """Return all contents that were learned from; None where one cannot say."""
    parts = [learned_contents(backbone)]
    for head in heads:
        known = head.record.learned if head.record else None
        parts.append(None if known is None else frozenset(known.hexadecimal()))
    there = [part for part in parts if part is not None]
    return frozenset().union(*there) if len(there) == len(parts) else None


def _embeddings(contents: Collection[str], catalog: Catalog) -> dict[str, Vectors]:
    """Return the embeddings that the catalog has of these contents, a `Vectors` of one row each."""
    found = {
        digest: vectors
        for (digest, view), vectors in catalog.views.get(contents).items()
        if view == ORIGINAL
    }
    missing = frozenset(contents).difference(found)
    images = {
        each.id: each.content_hash
        for each in (catalog.contents.visible() if missing else ())
        if each.content_hash in missing
    }
    ids, vectors = catalog.embeddings.of(list(images))
    for row, image_id in enumerate(ids.tolist()):
        found[images[image_id]] = vectors[row : row + 1]
    return found
