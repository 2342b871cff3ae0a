"""Which kinds of index Milvus is asked to keep: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Where so large a part fits a mask, a search looks at as much as without.
FEW_OUTSIDE = 1.1
# However few images fit a mask, a search looks at no more than so many.
MOST_EFFORT = 32_768


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of index.

    Attributes
    ----------
    name
        Milvus's own.
    build
        How it is built.
    effort
        What Milvus calls the parameter that says how much of it a search looks at; empty where
        every query is compared with every vector.
    """

    name: str
    build: Mapping[str, Any] = field(default_factory=dict)
    effort: str = ""

    def searched(self, effort: int, count: int) -> dict[str, Any]:
        """Return the parameters of a search for `count` images."""
        return {self.effort: max(effort, count)} if self.effort else {}


FLAT = Kind("FLAT")
# More links than the usual 16: embeddings of pictures have many components.
HNSW = Kind("HNSW", {"M": 32, "efConstruction": 360}, "ef")
KINDS = {kind.name: kind for kind in (FLAT, HNSW)}


def masked_effort(effort: int, count: int, fitting: int) -> int:
    """Return the effort of a search within a mask that so many of `count` images fit.

    Of what a walk looks at, no more than the mask's share counts; and a mask, unlike one drawn at
    random, may hold few of those around the query, so that it is to look at twice as much.
    """
    if FEW_OUTSIDE * fitting >= count:
        return effort
    return min(MOST_EFFORT, -(-2 * effort * count // max(1, fitting)))


def choose_kind(asked: str, *, lite: bool) -> Kind:
    """Return the kind of index for what a person asks of it: `auto`, `exact` or `compressed`.

    Milvus Lite compares with every vector faster than it walks a graph, whose rows it filters one
    by one; and it keeps all vectors in memory in any case.
    """
    return FLAT if lite or asked == "exact" else HNSW
