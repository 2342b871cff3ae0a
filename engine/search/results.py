"""What `Engine.embed`, `search` and `duplicates` return; the command line renders exactly these."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.skipped import Skipped

if TYPE_CHECKING:
    from index.records import Vectors


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedImages:
    """Images handed in that were embedded: `Engine.search` and `Engine.classify` take them as such.

    Attributes
    ----------
    names
        What to call each of them.
    vectors
        Their embeddings, one row each.
    fingerprint
        Of the backbone that has made these.
    """

    names: Sequence[str]
    vectors: Vectors
    fingerprint: str

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, slots=True)
class Understood:
    """What words of a query were taken for.

    Attributes
    ----------
    text
        The words.
    categories
        Those whose looks were searched for, the most important first; none where the words were
        not understood.
    similarity
        Of the words and the name that is most like them, -1 to 1.
    subtracted
        Whether they were taken away from the query.
    """

    text: str
    categories: Sequence[str]
    similarity: float
    subtracted: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture found: `score` is the cosine similarity, -1 to 1.

    `missing` is set where there is no file at the path any more, or its drive is not mounted.
    `rank_score` is what hits are ordered by, but for the picture itself, which comes first.
    `id` is the image's number in the catalog.
    """

    rank: int
    score: float
    path: str
    label: str | None
    category: str | None
    missing: bool = False
    rank_score: float = math.nan
    id: int = 0


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What `Engine.search` found; iterating over it gives the hits, best first.

    `category` is set where the query was classified first, to search within its category.
    `why_empty` says which condition let no image through, where nothing was found.
    `close` is False where even the most similar image is unlike the query, None where it is not
    known: no image fits, it was not measured for the backbone, or the query has more than pictures
    that are added.
    `order` says what the hits are ordered by: `fused`, or the `plain` score.
    `understood` says what words were taken for, those that were added and then those that were
    subtracted. `without` names the pictures that were subtracted.
    """

    query: str
    images: Sequence[str]
    results: Sequence[Hit]
    category: str | None = None
    skipped: Sequence[Skipped] = ()
    why_empty: str | None = None
    close: bool | None = None
    order: str = "plain"
    understood: Sequence[Understood] = ()
    without: Sequence[str] = ()

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, rank: int) -> Hit:
        return self.results[rank]


@dataclass(frozen=True, slots=True)
class DuplicateImage:
    """A picture of a group, as it was indexed.

    Attributes
    ----------
    id
        The image's number in the catalog.
    path
        One of the group's `paths`.
    width, height
        Pixels, as a viewer shows it.
    bytes
        Of its file.
    label
        What a person says it is.
    """

    id: int
    path: str
    width: int
    height: int
    bytes: int
    label: str | None


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Pictures that are the same, or alike; each file once, however many names it has.

    Attributes
    ----------
    kind
        `exact` in content, `copy` (compressed, resized, cropped, mirrored, framed), `similar`, or
        `blank`: there is hardly anything to see in them, so nobody can say.
    score
        Cosine similarity of the two that are least alike; of copies, of `keep` and the one that is
        least like it.
    paths
        The one that should stay, then the others by path.
    keep
        The one that should stay, as `Engine.duplicates` was asked: the largest, of these the
        oldest, then the first by path.
    removable
        Those that may go while `keep` stays. Both are as they were indexed; no link of the catalog
        leads to or through one that may go, and none is needed to reach `keep`. A pattern that was
        asked for names none of them.
    query
        The picture that was asked about, one of `paths`; None where none was.
    images
        What the catalog knows of each of `paths`, in their order; nothing of a picture that was
        asked about and is not in it.
    """

    kind: str
    score: float
    paths: Sequence[str]
    keep: str
    removable: Sequence[str]
    query: str | None = None
    images: Sequence[DuplicateImage] = field(default=(), compare=False)
