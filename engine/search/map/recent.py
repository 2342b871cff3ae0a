"""The principal components that were computed last."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.search.map.positions import Positions
    from engine.session.session import Session


class RecentComponents:
    """The principal components that were computed last, for any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: Positions | None = None

    def of(self, session: Session) -> Positions:
        """Return those of the catalog as it is now."""
        from engine.search.map.components import components

        catalog, reporter = session.catalog(), session.reporter
        with self._lock, catalog.database.snapshot():
            if self._last is None or self._last.state != catalog.state():
                self._last = components(
                    catalog,
                    lambda done, total: reporter.progress("mapping", done, total, "steps"),
                )
            return self._last
