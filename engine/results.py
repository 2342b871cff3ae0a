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

    The six counts are of image files: `updated` have new content, `moved` were found under
    another path, `removed` are gone from below the given paths, `came_back` were gone before.
    `images` is how many the catalog shows now, `embedded` for how many the backbone ran.
    """

    added: int
    updated: int
    moved: int
    unchanged: int
    removed: int
    came_back: int
    skipped: Sequence[Skipped]
    images: int
    embedded: int
    backbone: str
    precision: str
    seconds: float
    images_per_second: float
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """One picture found: `score` is the cosine similarity, -1 to 1."""

    rank: int
    score: float
    path: str
    label: str | None
    category: str | None


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What `Engine.search` found; iterating over it gives the hits, best first.

    `category` is set where the query was classified first, to search within its category.
    """

    query: str
    images: Sequence[str]
    results: Sequence[Hit]
    category: str | None = None
    skipped: Sequence[Skipped] = ()

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
    the data set with each of its own pictures, itself left out: of those that could be among the
    first k, how many are. They are NaN where no picture has another of its label.

    A picture counts by its likeliest category, in all figures alike, `unknown` or not; `unknown`
    is how many are.

    `learned` is how many of the pictures, by content, the heads that answered have learned from;
    None where one of them, of an older release, does not know. `accuracy_without_learned` is the
    accuracy on the others, NaN where there are none or it is not known which they are.

    `balanced_accuracy` is the mean recall of the labels, `majority_baseline` the accuracy of always
    answering the most frequent one. `notes` say how the folders were read.
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
    unknown: int
    skipped: Sequence[Skipped]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Pictures that are the same: `exact` in content, or `near` (lowest score in the group)."""

    kind: str
    score: float
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class HeadInfo:
    """What identifies a head, and how good it is."""

    name: str
    categories: Sequence[str]
    layers: Sequence[int]
    images: int
    validation_accuracy: float
    created_at: str
    backbone: str


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
class ExportReport:
    """What `Engine.export` wrote."""

    file: str
    images: int
    dim: int
