"""What a catalog and its index must agree on: the state shown, and the kind wanted."""

from __future__ import annotations

from dataclasses import dataclass

from index.errors import CatalogError

# What may be asked of the index.
KINDS = ("auto", "exact", "compressed")


@dataclass(frozen=True, slots=True)
class CatalogState:
    """One state of one catalog's visible embeddings: equal values mean equal contents.

    Attributes
    ----------
    catalog
        The catalog's random id. A copy of a catalog has it, too.
    generation
        How many changes there were before.
    token
        128 random bits, as hex, drawn in the transaction that made this generation. Two catalogs
        that were copies of each other and went separate ways count the same generations, but have
        drawn other tokens.
    """

    catalog: str
    generation: int
    token: str


@dataclass(frozen=True, slots=True)
class Preference:
    """What a person asks of the index.

    Attributes
    ----------
    kind
        `auto`, `exact`, or `compressed` whatever the size (for measurements).
    memory
        Bytes that the index should fit into, None for no limit.

    Raises
    ------
    CatalogError
        There is no such kind.
    """

    kind: str = "auto"
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise CatalogError(
                f"index {self.kind!r}", "there is no such kind", f"Use one of {', '.join(KINDS)}"
            )
