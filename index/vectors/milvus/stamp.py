"""The stamp: what a collection shows, in a row of a small collection beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from secrets import token_hex

from index.state import CatalogState

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Stamp:
    """Which state of which catalog a collection shows.

    Attributes
    ----------
    base
        The state that it shows, or is brought from; None while it is filled.
    target
        The state that it is being brought to, None where nobody does. Until then an image that
        has changed between the two may be as in either.
    count
        How many images it had at `base`.
    left_out
        How many images of the catalog were left out, their stored embedding being damaged.
    kind
        A row of `KINDS` in `kinds.py`.
    effort
        How much of an approximate index a search looks at, as measured.
    recall
        Share of the 10 nearest images that a search finds by it.
    measured_on
        How many images there were then.
    nonce
        Random: two stamps that say the same are still told from each other.
    """

    base: CatalogState | None
    target: CatalogState | None = None
    count: int = 0
    left_out: int = 0
    kind: str = ""
    effort: int = 0
    recall: float = 1.0
    measured_on: int = 0
    nonce: str = field(default_factory=lambda: token_hex(16))

    def towards(self, target: CatalogState) -> Stamp:
        """Return the stamp of a collection that is being brought to another state."""
        return replace(self, target=target, nonce=token_hex(16))

    def reached(self) -> Stamp:
        """Return the stamp of a collection that shows its target."""
        return replace(self, base=self.target, target=None, nonce=token_hex(16))

    def encoded(self) -> str:
        """Return it as JSON."""
        return json.dumps({"format": FORMAT, "stamp": asdict(self)})

    @classmethod
    def decoded(cls, text: object) -> Stamp | None:
        """Return what was encoded, None where it is anything else."""
        try:
            outer = json.loads(str(text))
            inner = outer["stamp"]
            states = {
                name: None if inner[name] is None else CatalogState(**inner[name])
                for name in ("base", "target")
            }
            return cls(**{**inner, **states}) if outer["format"] == FORMAT else None
        except (ValueError, TypeError, LookupError, RecursionError):
            return None
