"""What an index of vectors is to the rest of the project, whichever library answers.

`index/sync.py` keeps an implementation in step with the catalog through these members alone. An
implementation is a class that has them; nothing is inherited, and no library is imported here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index.records import Floats, Ids, Rows
from index.state import CatalogState, Preference
from index.vectors.graph import NeighbourGraph

# Is told how many images of how many a long build has added.
Progress = Callable[[int, int], None]
# Says whether the catalog was once in a state, or is in it.
WasIn = Callable[[CatalogState], bool]


@dataclass(frozen=True, slots=True)
class Hits:
    """The nearest images of each of `n` queries, best first.

    Attributes
    ----------
    scores
        float32 `[n, k]`, cosine similarity, in -1 to 1.
    ids
        int64 `[n, k]`, image ids; -1 where fewer than `k` images exist.
    """

    scores: Floats
    ids: Ids


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """What is saved of an index, checked to the last byte.

    Attributes
    ----------
    state
        The state of the catalog that it shows, None where there is nothing usable.
    note
        Why there is nothing usable: `missing`, `damaged`, `filled in part`, `out of reach`, or
        `made by an earlier release`.
    count
        How many images it shows.
    kind
        What kind of index it is, for people.
    recall
        Share of the 10 nearest images that a search finds, as measured when it was built.
    size
        Bytes on the disk.
    damaged
        Files that are not as they were written.
    problem
        Why it could not be read at all, a sentence; empty where it could.
    """

    state: CatalogState | None
    note: str = ""
    count: int = 0
    kind: str = ""
    recall: float = 0.0
    size: int = 0
    damaged: tuple[str, ...] = ()
    problem: str = ""


class Mask(Protocol):
    """The ids that may be found, made ready for one index.

    Valid until images are added to that index or hidden in it.
    """

    @property
    def count(self) -> int:
        """How many ids were named, unknown ones included."""


class Source(Protocol):
    """Every visible embedding of a catalog in one state, read from one transaction."""

    @property
    def state(self) -> CatalogState:
        """That state."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def preference(self) -> Preference:
        """What a person asks of the index."""

    def was_in(self, state: CatalogState) -> bool:
        """Say whether the catalog was once in a state, or is in it."""

    def changed(self, since: int) -> Ids:
        """Return the images that were changed, hidden or forgotten after a generation, int64."""

    def chunks(self, since: int | None = None) -> Iterator[tuple[Ids, Floats]]:
        """Yield ids and unit vectors float32 `[n, dim]`, in order of id.

        Parameters
        ----------
        since
            Only of images that changed after this generation.
        """

    def count_changed(self, since: int) -> int:
        """Return how many images have changed after a generation."""

    def sample(self, size: int) -> tuple[Ids, Floats]:
        """Return ids and unit vectors of `size` images chosen at random, in random order."""

    def rows(self) -> Iterator[Rows]:
        """Yield ids and vectors as the bytes that are stored, in order of id."""


class VisibleImages(Protocol):
    """What an index that holds no vectors itself asks of the catalog that it was made from.

    Inside a snapshot of the caller's all answers are of that one state.
    """

    def ids(self) -> Ids:
        """Return all visible images, ascending, int64."""

    def count(self) -> int:
        """Return how many there are."""

    def vectors(self, ids: Ids) -> tuple[Ids, Floats]:
        """Return those of some images that are visible and sound, ascending, and unit vectors."""

    def was_in(self, state: CatalogState) -> bool:
        """Say whether the catalog was once in a state, or is in it."""

    def changed(self, since: int) -> Ids:
        """Return the images that were changed, hidden or forgotten after a generation, int64."""


class Gathered(Protocol):
    """The vectors of `n` images, as an index holds them; zeros for unknown images."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which of the images the index holds, bool `[n]`."""

    def take_in(self, ids: Ids) -> None:
        """Read the vectors of more images, int64."""

    def products(self, query: Floats, start: int = 0) -> Floats:
        """Return products with a query `[dim]`, those from `start` on, float32 `[n - start]`.

        `start` is 0, or what `n` was before images were taken in.
        """

    def combined(self, weights: Floats) -> Floats:
        """Return the sum of all vectors, each times its weight of float32 `[n]`, `[dim]`."""


class VectorIndex(Protocol):
    """Unit vectors under the ids of their images, searched, and saved between processes.

    Invariants, which every implementation holds and its tests show:

    1. Of `k` images that it holds and a mask allows, `k` are found, best first, with their cosines.
    2. What was hidden, or is not allowed by the mask, is never found.
    3. An id is held at most once: `add` takes only ids that it does not hold.
    4. `add`, `hide`, `build`, `settle` and `compact` change this object alone; what is saved
       changes by `save` and `rewrite`, to which only the holder of the writer's lock may come.
    5. What is saved shows one whole state of one catalog at every moment, whenever a process is
       killed. It is replaced only by who started from it, or where the catalog was never in the
       state that it shows, and never by an older state.
    6. `open` trusts nothing: what is missing, cut, damaged or foreign is no state, not an error.
    7. Any number of threads may search at once, as long as none changes it.
    """

    @property
    def state(self) -> CatalogState | None:
        """The state that was opened or saved, None where nothing usable was."""

    @property
    def shared(self) -> bool:
        """Whether what is saved is one thing that all share, changed where it is.

        Such an index is brought in step by `follow` and `rewrite` alone, under the lock of shared
        vectors: `build` refuses, `save` has nothing to do. What `add` and `hide` are told lies over
        it, in this object. Who has asked it looks by `moved` whether the answer holds.
        """

    def moved(self) -> bool:
        """Say whether what is saved was changed since it was opened, so that answers may lie."""

    def discard(self) -> None:
        """Remove all that is saved; for who holds the locks. It is not to be used after that."""

    def follow(
        self, source: Source, progress: Progress | None = None, *, anew: bool = False
    ) -> None:
        """Bring what is saved in step with a source where all share it, or fill it anew."""

    def open(self) -> bool:
        """Take up what is saved; return whether all of it was usable.

        Where it was not, but `state` says that enough was, it should be saved again. Called once,
        before anything else but `rewrite` and `status`.
        """

    def __len__(self) -> int:
        """How many images can be found."""

    @property
    def ids(self) -> Ids:
        """The images that can be found, int64 `[n]`, in no particular order."""

    @property
    def approximate(self) -> bool:
        """Whether scores come from codes that stand for the vectors, and not from these."""

    @property
    def coarse(self) -> bool:
        """Whether vectors are held on some of their directions only.

        Scores are then too low or high by what the others hold, and the nearest are among more
        than are asked for: who knows the vectors compares these.
        """

    @property
    def from_disk(self) -> bool:
        """Whether it was read from files, which a disk may have changed since."""

    def mask(self, ids: Ids) -> Mask:
        """Return a mask that lets only these ids be found; unknown ones are ignored."""

    def search(self, queries: Floats, k: int, mask: Ids | Mask | None = None) -> Hits:
        """Find the nearest images of each query.

        Parameters
        ----------
        queries
            Unit vectors, float32 `[n, dim]`.
        k
            How many to find.
        mask
            Only these may be found; ids for a single search, a `Mask` for many.

        Raises
        ------
        IndexDamagedError
            What is saved contradicts itself.
        """

    @property
    def graph(self) -> NeighbourGraph | None:
        """The nearest neighbours of the images in it, None where it was never arranged."""

    def candidates(
        self, query: Floats, count: int, promised: int, mask: Ids | Mask | None = None
    ) -> Ids:
        """Return about the nearest images to a query, each once, int64.

        Parameters
        ----------
        query
            A unit vector, float32 `[dim]`.
        count
            About so many.
        promised
            So many at least, where the mask allows so many: the nearest are among them with the
            recall of a search for as many. The others are what the same search comes across.
        mask
            As in `search`.

        Returns
        -------
        Ids
            First those that the graph may know, roughly best first, then those that are newer.

        Raises
        ------
        IndexDamagedError
            What is saved contradicts itself.
        """

    def gathered(self, ids: Ids) -> Gathered:
        """Read the vectors of images int64 `[n]`, each once, for several products with them."""

    def vectors(self, ids: Ids) -> Floats:
        """Return the unit vectors of images, float32 `[n, dim]`, zeros for unknown ones."""

    def add(self, ids: Ids, unit: Floats) -> None:
        """Add unit vectors float32 `[n, dim]` under ids that it does not hold."""

    def hide(self, ids: Ids) -> None:
        """Let these images be found no more; unknown ids are nothing to hide."""

    def build(self, source: Source, progress: Progress | None = None) -> None:
        """Forget everything and take up all vectors of a source, as suits their number best."""

    def settle(self, source: Source, progress: Progress | None = None) -> bool:
        """Reorganise what it holds where that is due; return whether it was.

        Parameters
        ----------
        source
            What it holds already, in case it is to be built anew.
        """

    def arrange(self, source: Source, progress: Progress | None = None) -> bool:
        """Find the neighbours of all images anew where that is due; return whether it was.

        Parameters
        ----------
        source
            What it holds.
        """

    def compact(self, source: Source, progress: Progress | None = None) -> bool:
        """Build anew where hidden vectors take room; return whether it did.

        Parameters
        ----------
        source
            What it holds already.
        """

    def rewrite(self, source: Source, progress: Progress | None = None) -> bool:
        """Save all vectors of a source without holding them in memory; return whether it did.

        An implementation does so where that costs no more than to catch up; what killed processes
        left is removed in any case. A disk that is full is no error: it costs time at the next
        `open`.
        """

    def save(self, state: CatalogState, was_in: WasIn) -> bool:
        """Save what it holds; return whether it did.

        Parameters
        ----------
        state
            The state of the catalog that it shows.
        was_in
            The catalog's history as it is now, under the writer's lock.
        """

    def status(self) -> IndexStatus:
        """Read all that is saved, whole, and say what it is; nothing is changed."""

    def warm_up(self, stopped: Callable[[], bool]) -> None:
        """Read what is on the disk, for a process that will go on searching.

        Parameters
        ----------
        stopped
            Is asked from time to time whether to give up.
        """

    def close(self) -> None:
        """Release files and memory; no search may be under way, and none may follow."""


def best_of(k: int, scores: tuple[Floats, Floats], ids: tuple[Ids, Ids]) -> tuple[Floats, Ids]:
    """Return the `k` best of two answers `[n, k]`, best first; what is nothing comes last."""
    all_scores, all_ids = np.concatenate(scores, axis=1), np.concatenate(ids, axis=1)
    ranked = np.where(all_ids >= 0, all_scores, -np.inf)
    order = np.argsort(-ranked, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(all_scores, order, axis=1), np.take_along_axis(all_ids, order, axis=1)
