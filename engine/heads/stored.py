"""The heads that a catalog holds, each parsed once; damaged ones are named and left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from engine.errors import HeadError, HeadFormatError
from engine.heads.file import UPGRADE, head_from_bytes
from engine.heads.head import Head
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity, HeadRow


@dataclass(frozen=True, slots=True)
class _Parsed:
    """When a head was stored, and what became of it."""

    created_at: datetime
    head: Head | HeadError


class StoredHeads:
    """The heads of one catalog. One thread at a time may call `read`."""

    def __init__(self) -> None:
        self._parsed: dict[str, _Parsed] = {}

    def read(self, catalog: Catalog, announce: Callable[[str], None]) -> list[Head]:
        """Return the heads that can be used, by name; one is parsed anew where it was replaced.

        Parameters
        ----------
        announce
            Hears of each that cannot be used, when it is met first.
        """
        times = catalog.heads.times()
        self._parsed = {
            name: each for name, each in self._parsed.items() if each.created_at == times.get(name)
        }
        for row in catalog.heads.named(sorted(times.keys() - self._parsed.keys())):
            head = _parsed(row, catalog.identity)
            self._parsed[row.name] = _Parsed(row.created_at, head)
            if isinstance(head, HeadError):
                announce(f"left out: {head}")
        parsed = [self._parsed[name].head for name in sorted(self._parsed)]
        return [head for head in parsed if isinstance(head, Head)]

    @property
    def damaged(self) -> dict[str, HeadError]:
        """Why heads that were met by `read` cannot be used, by name."""
        found = {name: self._parsed[name].head for name in sorted(self._parsed)}
        return {name: head for name, head in found.items() if isinstance(head, HeadError)}


def _parsed(row: HeadRow, identity: CatalogIdentity) -> Head | HeadError:
    thing = f"head {row.name}"
    remedy = (
        f"`engine heads delete {quote(row.name)}` forgets it; then train it again or import it "
        "from its file"
    )
    try:
        head = head_from_bytes(row.file, thing)
        head.require(identity.backbone, identity.fingerprint, identity.dim)
    except HeadError as error:
        newer = error.remedy == UPGRADE
        return type(error)(thing, error.reason, f"{UPGRADE}; {remedy}" if newer else remedy)
    if head.name != row.name:
        return HeadFormatError(thing, f"it says that its name is {head.name}", remedy)
    return head
