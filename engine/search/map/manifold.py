"""UMAP on neighbours that are known already (McInnes, Healy & Melville, arXiv 1802.03426)."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, RLock
from types import ModuleType

import numpy as np
import numpy.typing as npt

from engine.errors import UsageError
from engine.search.duplicates.neighbours import Neighbours
from engine.search.map.positions import Positions, fitted
from index.records import Floats, Ids

Progress = Callable[[int, int], None]
EXTRA = ("umap", "numba", "llvmlite", "pynndescent")
# Numba's threads are started once for a process, and not for two of its threads at a time.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class ManifoldOptions:
    """How positions are found.

    Attributes
    ----------
    neighbours
        Of each image, itself included.
    min_dist
        How close images may come to each other.
    few, epochs_of_few, epochs_of_many
        Up to so many images there are as many rounds, of more as many.
    negatives
        Images that are drawn at random and pushed off, for each neighbour that is pulled.
    seed
        The same embeddings have the same map.
    """

    neighbours: int = 15
    min_dist: float = 0.1
    few: int = 10_000
    epochs_of_few: int = 500
    epochs_of_many: int = 200
    negatives: int = 5
    seed: int = 42


@dataclass(frozen=True, slots=True)
class Nearest:
    """The nearest images of all, each its own nearest.

    Attributes
    ----------
    rows
        Which, int32 `[n, k]`, -1 where there are no more.
    distances
        1 less the cosine, float32 `[n, k]`.
    """

    rows: npt.NDArray[np.int32]
    distances: Floats


def require_umap() -> ModuleType:
    """Return the module that does the work.

    Raises
    ------
    UsageError
        It is not installed.
    """
    try:
        with warnings.catch_warnings():
            # It tells of a part of it that needs TensorFlow.
            warnings.simplefilter("ignore")
            from umap import umap_
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        raise UsageError(
            "map", f"{error.name} is not installed", "pip install 'image-engine[map]'"
        ) from None
    return umap_  # type: ignore[no-any-return]


def nearest(ids: Ids, parts: Iterator[Neighbours], options: ManifoldOptions) -> Nearest:
    """Return the nearest of all images, as rows of their positions.

    Parameters
    ----------
    ids
        All images, ascending.
    parts
        The neighbours of all of them.
    """
    others = options.neighbours - 1
    rows = np.full((len(ids), others), -1, np.int32)
    distances = np.zeros((len(ids), others), np.float32)
    for part in parts:
        found = part.nearest[:, :others]
        at = np.searchsorted(ids, found)
        known = (found >= 0) & (ids[np.minimum(at, len(ids) - 1)] == found)
        own = np.searchsorted(ids, part.ids)
        rows[own] = np.where(known, at, -1)
        distances[own] = np.where(known, np.clip(1 - part.cosines[:, :others], 0, 2), 0)
    # Who has fewer neighbours has the last of them for the others' distance.
    distances = np.maximum.accumulate(distances, axis=1)
    itself = np.arange(len(ids), dtype=np.int32)[:, None]
    nothing = np.zeros((len(ids), 1), np.float32)
    return Nearest(np.hstack([itself, rows]), np.hstack([nothing, distances]))


def laid_out(
    start: Positions, found: Nearest, progress: Progress, options: ManifoldOptions
) -> Positions:
    """Return positions in which neighbours lie side by side.

    Parameters
    ----------
    start
        Where all images lie at first.
    progress
        Hears of every round; what it raises ends the work.
    """
    umap = require_umap()
    count = len(start.ids)
    few = count <= options.few
    epochs = options.epochs_of_few if few else options.epochs_of_many
    random = np.random.RandomState(options.seed)
    with _ONE_AT_A_TIME, _quiet(), _lock_of_its_own():
        a, b = umap.find_ab_params(1.0, options.min_dist)
        graph, *_ = umap.fuzzy_simplicial_set(
            start.xy,
            options.neighbours,
            random,
            "cosine",
            knn_indices=found.rows,
            knn_dists=found.distances,
        )
        xy, _ = umap.simplicial_set_embedding(
            start.xy,
            graph,
            n_components=2,
            initial_alpha=1.0,
            a=a,
            b=b,
            gamma=1.0,
            negative_sample_rate=options.negatives,
            n_epochs=epochs,
            init=_spread(start.xy, random),
            random_state=random,
            metric="cosine",
            metric_kwds={},
            densmap=False,
            densmap_kwds={},
            output_dens=False,
            parallel=False,
            tqdm_kwds={"disable": False, "file": _Told(progress, epochs), "mininterval": 0},
        )
    return Positions(start.ids, fitted(xy), start.state)


def _spread(xy: Floats, random: np.random.RandomState) -> Floats:
    """Return positions of which no two are the same: they would stay so for ever."""
    spread: Floats = (10 * xy + random.normal(0, 1e-3, xy.shape)).astype(np.float32)
    return spread


class _Told:
    """The file that a progress bar of UMAP's is written to: it counts the rounds."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def write(self, text: str) -> None:
        """Tell of one more; what moves the cursor or ends the bar is none."""
        if "%" in text:
            self._progress(min(self._done, self._total), self._total)
            self._done += 1

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


@contextmanager
def _lock_of_its_own() -> Iterator[None]:
    """Let the progress bar lock nothing that others wait for.

    A bar whose file raises never gives back the lock that all bars of a process share.
    """
    from umap.layouts import tqdm

    shared = tqdm.get_lock()
    tqdm.set_lock(RLock())
    try:
        yield
    finally:
        tqdm.set_lock(shared)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let libraries warn of nothing that a person could do anything about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
