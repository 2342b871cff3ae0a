"""Masks, and how they become conditions of searches, so that filters are exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.records import Ids

# So many ids are named by one condition at most.
NAMED = 10_000
# Milvus gives no more than so many hits.
MOST_HITS = 16_384


@dataclass(frozen=True, slots=True)
class MilvusMask:
    """The ids that may be found.

    Attributes
    ----------
    ids
        Ascending, each once, int64.
    count
        How many were named.
    """

    ids: Ids
    count: int


@dataclass(frozen=True, slots=True)
class Part:
    """One search of several, no two of which can find the same image.

    Attributes
    ----------
    condition
        In Milvus's words; empty for all.
    most
        So many images can fit it, None where nobody has counted.
    """

    condition: str
    most: int | None = None


def among(ids: Ids) -> str:
    """Return the condition that an image is one of these, ascending."""
    if len(ids) > 2 and ids[-1] - ids[0] == len(ids) - 1:
        return f"id >= {ids[0]} and id <= {ids[-1]}"
    return f"id in [{','.join(map(str, ids.tolist()))}]"


def not_among(ids: Ids) -> str:
    """Return the condition that an image is none of these; empty where there are none."""
    return f"id not in [{','.join(map(str, ids.tolist()))}]" if len(ids) else ""


def parts_of(allowed: Ids, others: Ids, named: int = NAMED) -> Iterator[Part]:
    """Yield searches that together find in `allowed` alone, and whatever is in it.

    Parameters
    ----------
    allowed, others
        All images that there may be, parted in two; ascending.
    named
        So many ids are named by one condition at most.
    """
    if not len(allowed):
        return
    if len(others) <= min(named, len(allowed)):
        yield Part(not_among(others), len(allowed))
        return
    for start in range(0, len(allowed), named):
        some = allowed[start : start + named]
        yield Part(among(some), len(some))


def none_of(ids: Ids, ascending: Ids) -> Ids:
    """Return those of `ids` that are not among others."""
    return ids[~np.isin(ids, ascending, assume_unique=True)] if len(ascending) else ids
