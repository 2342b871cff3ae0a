"""Which kinds of index Milvus is asked to keep: one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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


def choose_kind(asked: str, *, lite: bool) -> Kind:
    """Return the kind of index for what a person asks of it: `auto`, `exact` or `compressed`.

    Milvus Lite compares with every vector faster than it walks a graph, whose rows it filters one
    by one; and it keeps all vectors in memory in any case.
    """
    return FLAT if lite or asked == "exact" else HNSW
