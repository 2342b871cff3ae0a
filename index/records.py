"""The small values that cross rooms: between catalog and vectors, and up to the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]
# A column of some rows of the catalog: values as the database's driver gives them, or an array. In
# an array numbers are numbers, bytes are uint8 `[n, length]`, and texts are their UTF-8.
Values: TypeAlias = Sequence[Any] | npt.NDArray[Any]
# Ids of images, and their vectors as the bytes that the catalog stores.
Rows: TypeAlias = tuple[Values, Values]
# No network has an embedding of more than 999,999 components.
MOST_DIGITS = 6


@dataclass(frozen=True, slots=True)
class CatalogIdentity:
    """Which backbone a catalog belongs to; it never changes once the catalog is made.

    Attributes
    ----------
    backbone, fingerprint
        The backbone's name, and the SHA-256 that pins its weights and preprocessing.
    dim
        Length of an embedding.
    dtype
        How a vector is stored: `float16` or `float32`.
    precision
        The arithmetic its embeddings are made with unless a command says otherwise.
    """

    backbone: str
    fingerprint: str
    dim: int
    dtype: str
    precision: str

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> CatalogIdentity | None:
        """Read the catalog's settings; None while the catalog is empty.

        Raises
        ------
        LookupError, TypeError, ValueError
            They are damaged.
        """
        if "fingerprint" not in settings:
            return None
        dim = settings["dim"]
        if not (dim.isdecimal() and len(dim) <= MOST_DIGITS and int(dim)):
            raise ValueError(f"dim is {dim!r}")
        if settings["dtype"] not in ("float16", "float32"):
            raise ValueError(f"dtype is {settings['dtype']!r}")
        return cls(
            settings["backbone"],
            settings["fingerprint"],
            int(dim),
            settings["dtype"],
            settings["precision"],
        )


@dataclass(frozen=True, slots=True)
class FileState:
    """What the file system says of a file: enough to know it unchanged.

    `inode` and `ctime_ns` are None where they are not known. Of an object behind a URL, and of a
    member of an archive, `inode` holds 63 bits of a SHA-256 of what its server or archive says of
    its version (an ETag; the archive's version with the member's offset), and `ctime_ns` is None,
    or the archive's own where that is a local file.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int | None = None
    ctime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class KnownImage:
    """What the catalog remembers of a file, as far as finding changes needs it."""

    id: int
    path: str
    size: int
    mtime_ns: int
    scanned_ns: int
    content_hash: str
    label: str | None
    missing: bool
    inode: int | None = None
    ctime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """A picture that was read: where it lies and what it is."""

    file: FileState
    scanned_ns: int
    content_hash: str
    width: int
    height: int
    format: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings in rows.

    Attributes
    ----------
    unit
        float32 `[n, dim]`, each row of length 1 (or 0 for a zero embedding).
    norm
        float32 `[n]`, the lengths: `unit * norm[:, None]` are the embeddings.
    """

    unit: Floats
    norm: Floats

    def __len__(self) -> int:
        return len(self.norm)

    def times(self, matrix: Floats) -> Floats:
        """Return the unit vectors times a matrix `[dim, k]`, float32 `[n, k]`."""
        product: Floats = self.unit @ matrix
        return product

    @property
    def raw(self) -> Floats:
        """The embeddings with their lengths, float32 `[n, dim]`."""
        return self.unit * self.norm[:, None]

    def __getitem__(self, rows: npt.NDArray[np.bool_] | Ids | slice) -> Vectors:
        return Vectors(self.unit[rows], self.norm[rows])

    @classmethod
    def of(cls, embeddings: Floats) -> Vectors:
        """Split embeddings `[n, dim]` into unit vectors and lengths."""
        norm = np.linalg.norm(embeddings, axis=1).astype(np.float32)
        unit = embeddings / np.maximum(norm, np.finfo(np.float32).tiny)[:, None]
        return cls(unit.astype(np.float32), norm)

    @classmethod
    def empty(cls, dim: int) -> Vectors:
        """No embeddings at all, of this dim."""
        return cls(np.zeros((0, dim), np.float32), np.zeros(0, np.float32))

    @classmethod
    def concatenate(cls, parts: Sequence[Vectors]) -> Vectors:
        """All rows of `parts`, in order."""
        return cls(
            np.concatenate([part.unit for part in parts]),
            np.concatenate([part.norm for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One image as the catalog shows it to a reader."""

    id: int
    path: str
    content_hash: str
    width: int
    height: int
    format: str
    label: str | None
    category: str | None
    probability: float | None
    indexed_at: datetime


@dataclass(frozen=True, slots=True)
class Content:
    """What one visible image holds, and what a person says it is."""

    id: int
    path: str
    content_hash: str
    label: str | None


@dataclass(frozen=True, slots=True)
class JudgedContent:
    """What a person said of a content and a category.

    Attributes
    ----------
    category
        That it shows, or does not show.
    content_hash
        SHA-256 of the file's content, in hexadecimal.
    yes
        Whether it shows it.
    image_id
        An image that has the content, gone or not; None where there is none at the moment.
    """

    category: str
    content_hash: str
    yes: bool
    image_id: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What the built-in categories make of each of `n` images, as far as heads need to know.

    Attributes
    ----------
    choice
        int64 `[n]`, the number of the best of them; -1 where it was never worked out.
    logit
        float32 `[n]`, the logit of the best.
    log_probability
        float32 `[n]`, of the best among the built-in categories alone.
    """

    choice: Ids
    logit: Floats
    log_probability: Floats

    @property
    def complete(self) -> bool:
        """Whether it was worked out for every image."""
        return bool((self.choice >= 0).all())

    @classmethod
    def concatenate(cls, parts: Sequence[Summary]) -> Summary:
        """All rows of `parts`, in order."""
        return cls(
            np.concatenate([part.choice for part in parts]),
            np.concatenate([part.logit for part in parts]),
            np.concatenate([part.log_probability for part in parts]),
        )


@dataclass(frozen=True, slots=True)
class Named:
    """The best category of each of `n` images.

    Attributes
    ----------
    names
        All categories that competed, as `(source, name)`.
    choice
        int64 `[n]`, positions in `names`.
    probability
        float32 `[n]`.
    unknown
        bool `[n]`, true where nothing was convincing.
    summary
        What the built-in categories make of them, to be remembered; None where nobody asked.
    """

    names: Sequence[tuple[str, str]]
    choice: Ids
    probability: Floats
    unknown: npt.NDArray[np.bool_]
    summary: Summary | None = None

    @classmethod
    def concatenate(cls, parts: Sequence[Named]) -> Named:
        """All images of `parts`, in order; all have the same categories and a summary each."""
        return cls(
            parts[0].names,
            np.concatenate([part.choice for part in parts]),
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.unknown for part in parts]),
            Summary.concatenate([part.summary for part in parts if part.summary is not None]),
        )


@dataclass(frozen=True, slots=True)
class PredictedCategory:
    """What the engine says one image is."""

    image_id: int
    category: str
    source: str
    probability: float
    unknown: bool


@dataclass(frozen=True, slots=True)
class HeadRow:
    """A head as the catalog keeps it."""

    name: str
    created_at: datetime
    file: bytes


@dataclass(frozen=True, slots=True)
class CatalogCounts:
    """How much the catalog holds."""

    images: int
    missing: int
    embeddings: int
    labelled: int
    predictions: int
    views: int
    heads: int
    judgements: int
