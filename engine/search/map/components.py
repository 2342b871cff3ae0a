"""Principal components of a catalog's embeddings, some at a time (K. Pearson 1901)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from engine.search.map.positions import Positions, fitted
from index.catalog.catalog import Catalog
from index.records import Floats, Ids

if TYPE_CHECKING:
    from engine.session.session import Session

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ComponentLimits:
    """How much is looked at.

    Attributes
    ----------
    block
        Ids whose embeddings are in memory at a time.
    sample
        Directions are found from about so many embeddings, spread over the catalog.
    """

    block: int = 1024
    sample: int = 5_000


def components(
    catalog: Catalog,
    progress: Progress = lambda done, total: None,
    limits: ComponentLimits = ComponentLimits(),
) -> Positions:
    """Return where the visible images lie in the two directions in which they differ most.

    The caller holds a snapshot of the catalog. Memory grows by 16 bytes an image.

    Raises
    ------
    EmbeddingDamagedError
        An embedding is not as it was stored.
    """
    spans = catalog.embeddings.spans(limits.block)
    every = max(1, len(spans) * limits.block // limits.sample)
    total, done = 2 * len(spans), 0
    moments = _Moments(catalog.identity.dim)
    for number, span in enumerate(spans):
        if number % every == 0:
            moments.add(catalog.embeddings.in_span(span, visible=True).packed.vectors.unit)
        done += 1
        progress(done, total)
    mean, directions = moments.directions()
    ids: list[Ids] = [np.empty(0, np.int64)]
    parts: list[Floats] = [np.empty((0, 2), np.float32)]
    for span in spans:
        stored = catalog.embeddings.in_span(span, visible=True)
        ids.append(stored.ids)
        centred: Floats = stored.packed.vectors.unit - mean
        parts.append(centred @ directions)
        done += 1
        progress(done, total)
    return Positions(np.concatenate(ids), fitted(np.concatenate(parts)), catalog.state())


class RecentComponents:
    """The principal components that were computed last, for any number of threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._last: Positions | None = None

    def of(self, session: Session) -> Positions:
        """Return those of the catalog as it is now."""
        catalog, reporter = session.catalog(), session.reporter
        with self._lock, catalog.database.snapshot():
            if self._last is None or self._last.state != catalog.state():
                self._last = components(
                    catalog,
                    lambda done, total: reporter.progress("mapping", done, total, "steps"),
                )
            return self._last


class _Moments:
    """Sums over vectors, of which the mean and the covariance are made."""

    def __init__(self, dim: int) -> None:
        self._count = 0
        self._sum = np.zeros(dim)
        self._products = np.zeros((dim, dim))

    def add(self, vectors: Floats) -> None:
        self._count += len(vectors)
        self._sum += vectors.sum(axis=0, dtype=np.float64)
        self._products += vectors.T @ vectors

    def directions(self) -> tuple[Floats, Floats]:
        """Return the mean, and the two directions as columns; each has a sign of its own."""
        from scipy.linalg import eigh

        dim = len(self._sum)
        mean = self._sum / max(self._count, 1)
        covariance = self._products / max(self._count, 1) - np.outer(mean, mean)
        _, found = eigh(covariance, subset_by_index=[max(0, dim - 2), dim - 1])
        columns: npt.NDArray[np.float64] = found[:, ::-1]
        largest = np.abs(columns).argmax(axis=0)
        columns = columns * np.sign(columns[largest, np.arange(columns.shape[1])])
        return mean.astype(np.float32), columns.astype(np.float32)
