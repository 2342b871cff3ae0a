"""Masks, and how they become conditions of searches, so that filters are exact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from index.records import Ids


@dataclass(frozen=True, slots=True)
class AskLimits:
    """How much is asked of Milvus at once.

    Attributes
    ----------
    named
        So many ids are named by one condition at most.
    hits
        Milvus gives no more than so many.
    picked, per_hit
        The images of a mask are picked out of the best of all, where `per_hit` times as many as
        should hold enough of them are so many at most.
    queries, answers
        So many queries are asked together, for so many hits in all.
    """

    named: int = 10_000
    hits: int = 16_384
    picked: int = 1000
    per_hit: int = 3
    queries: int = 512
    answers: int = 1 << 20


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


def parts_of(allowed: Ids, others: Ids | None, named: int) -> Iterator[Part]:
    """Yield searches that together find in `allowed` alone, and whatever is in it.

    Parameters
    ----------
    allowed, others
        All images that there may be, parted in two; ascending. Without others each search names
        what it may find.
    named
        So many ids are named by one condition at most.
    """
    if not len(allowed):
        return
    if others is not None and len(others) <= min(named, len(allowed)):
        yield Part(not_among(others), len(allowed))
        return
    for start in range(0, len(allowed), named):
        some = allowed[start : start + named]
        yield Part(among(some), len(some))


def none_of(ids: Ids, ascending: Ids) -> Ids:
    """Return those of `ids` that are not among others."""
    return ids[~np.isin(ids, ascending, assume_unique=True)] if len(ascending) else ids
