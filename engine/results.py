"""What the verbs of the engine return; the command line renders exactly these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from index.errors import EngineError


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that could not be used: where, why, and what to do about it.

    `format` is set where it is a picture of a kind that this installation cannot read.
    """

    path: str
    reason: str
    hint: str
    format: str | None = None

    @classmethod
    def of(cls, path: str, error: EngineError) -> Self:
        """Return what an error means for a file."""
        return cls(path, error.reason, error.remedy, getattr(error, "format", None))


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `Engine.index` did.

    The first six counts are of image files: `updated` have new content, `moved` were found under
    another path, `removed` are gone from below the given paths, `came_back` were gone before. Of
    images that were known, whatever else became of them, `relabelled` have another label now, or
    none any more. `images` is how many the catalog shows now, `embedded` for how many the backbone
    ran. `unused_labels` are rows of the table of labels that no image could use.
    `left_out` counts hidden files and folders, and those of systems and tools, that were not looked
    at, `excluded` those that a pattern names.
    """

    added: int
    updated: int
    moved: int
    unchanged: int
    removed: int
    came_back: int
    relabelled: int
    skipped: Sequence[Skipped]
    images: int
    embedded: int
    backbone: str
    precision: str
    seconds: float
    images_per_second: float
    left_out: int = 0
    excluded: int = 0
    notes: Sequence[str] = ()
    unused_labels: Sequence[Skipped] = ()

    @property
    def changed(self) -> bool:
        """Whether the catalog shows anything else than before."""
        return any((self.added, self.updated, self.moved, self.removed, self.came_back))


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What `Engine.compact` did: bytes of the catalog and of the index, before and after."""

    catalog_bytes_before: int
    catalog_bytes: int
    index_bytes_before: int
    index_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture found: `score` is the cosine similarity, -1 to 1.

    `missing` is set where there is no file at the path any more, or its drive is not mounted.
    """

    rank: int
    score: float
    path: str
    label: str | None
    category: str | None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What `Engine.search` found; iterating over it gives the hits, best first.

    `category` is set where the query was classified first, to search within its category.
    `why_empty` says which condition let no image through, where nothing was found.
    `close` is False where even the most similar image is unlike the query, None where it is not
    known: no image fits, or it was not measured for the backbone.
    """

    query: str
    images: Sequence[str]
    results: Sequence[Hit]
    category: str | None = None
    skipped: Sequence[Skipped] = ()
    why_empty: str | None = None
    close: bool | None = None

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, rank: int) -> Hit:
        return self.results[rank]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One answer to "what is this?"; `source` is the head it comes from."""

    category: str
    probability: float
    source: str


@dataclass(frozen=True, slots=True)
class Classification:
    """What one picture shows, best first; `unknown` where nothing is convincing."""

    image: str
    predictions: Sequence[Prediction]
    unknown: bool

    @property
    def category(self) -> str | None:
        """The best category, None where nothing is convincing."""
        return None if self.unknown or not self.predictions else self.predictions[0].category


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """How well one label is recognised."""

    images: int
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What `Engine.evaluate` measured.

    `classifier` says who answered: a head, the joint distribution, or the nearest neighbours.
    `confusion[label][category]` counts pictures. `precision_at_k` and `map` come from searching
    the data set with each of its own pictures, itself and its copies left out: of those that could
    be among the first k, how many are. They are NaN where no picture has another of its label.
    `copies` is how many pictures are copies of others in the data set, exact or nearly so; nearest
    neighbours that answer are no copies of what is asked about, either.

    A picture counts by its likeliest category, in all figures alike, `unknown` or not; `unknown`
    is how many are.

    `learned` is how many of the pictures the heads that answered, or the fine-tuned backbone that
    they see with, have learned from: by content, and copies of what the store still knows. It is
    None where one of them, of an older release, does not know. `accuracy_without_learned` is the
    accuracy on the others, NaN where there are none or it is not known which they are.

    `balanced_accuracy` is the mean recall of the labels, `majority_baseline` the accuracy of always
    answering the most frequent one. `notes` say how the folders were read,
    `unused_labels` are rows of the table of labels that no picture could use.
    """

    images: int
    classifier: str
    accuracy: float
    balanced_accuracy: float
    majority_baseline: float
    learned: int | None
    accuracy_without_learned: float
    per_category: Mapping[str, CategoryScore]
    confusion: Mapping[str, Mapping[str, int]]
    precision_at_1: float
    precision_at_10: float
    map: float
    copies: int
    unknown: int
    skipped: Sequence[Skipped]
    unused_labels: Sequence[Skipped] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Pictures that are the same, or alike; each file once, however many names it has.

    Attributes
    ----------
    kind
        `exact` in content, `copy`, or `similar`.
    score
        Cosine similarity of the two that are least alike.
    paths
        The one that should stay, then the others by path.
    keep
        The one that should stay: the largest, of these the oldest, then the first by path.
    removable
        Those that may go while `keep` stays. Both are as they were indexed; no link of the catalog
        leads to or through one that may go, and none is needed to reach `keep`.
    """

    kind: str
    score: float
    paths: Sequence[str]
    keep: str
    removable: Sequence[str]


@dataclass(frozen=True, slots=True)
class HeadInfo:
    """What identifies a head, and how good it is.

    `changed_labels` is of how many images, whose labels in the catalog it learned, the label is
    another now.
    """

    name: str
    categories: Sequence[str]
    layers: Sequence[int]
    images: int
    validation_accuracy: float
    created_at: str
    backbone: str
    changed_labels: int = 0


@dataclass(frozen=True, slots=True)
class BackboneInfo:
    """A row of the table of backbones, and whether its weights are at hand.

    `parameters`, `gflops` and `imagenet_top1` (percent) are what the publisher says.
    `fingerprint` is what a new catalog with these weights would record.
    """

    name: str
    dim: int
    input_size: int
    parameters: int
    gflops: float
    imagenet_top1: float
    source: str
    weights: str
    sha256: str | None
    size_mb: float
    fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Status:
    """What the store holds, and whether it is in order."""

    store: str
    backbone: str
    fingerprint: str
    dim: int
    precision: str
    dtype: str
    images: int
    missing: int
    labelled: int
    embeddings: int
    views: int
    heads: Sequence[HeadInfo]
    categories: Mapping[str, int]
    index: str
    index_recall: float
    index_state: str
    catalog_bytes: int
    index_bytes: int
    writer: str | None
    consistent: bool
    problems: Sequence[str]


@dataclass(frozen=True, slots=True)
class RemoveReport:
    """What `Engine.remove` forgot."""

    removed: int
    images: int
    not_found: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RelocateReport:
    """What `Engine.relocate` did: how many images lie elsewhere, and which have no file there."""

    relocated: int
    not_found: Sequence[str]


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What `Engine.export` wrote."""

    file: str
    images: int
    dim: int
