"""Every error the engine raises, as one tree.

    EngineError                      exit 1   thing: reason. remedy.
    ├── UsageError                   exit 2   the request is wrong; nothing was done
    │   ├── FilterError                       a --where clause that cannot be understood
    │   ├── UnknownBackboneError              no such row in the table of backbones
    │   ├── UnknownCategoryError              no image has it, and no head knows it
    │   ├── UnknownHeadError                  no such head in the catalog
    │   ├── UnknownImageError                 no such image in the catalog
    │   └── UnknownUndoError                  nothing of that name can be undone
    ├── StoreError                            the folder .engine/ cannot be used
    │   ├── StoreNotFoundError
    │   ├── StoreLockedError                  another process is writing
    │   ├── LeaseLostError                    a shard is another worker's by now
    │   ├── BackboneMismatchError             the catalog holds another backbone's embeddings
    │   ├── IndexDamagedError                 what is saved of the index; it is built anew
    │   ├── VectorStoreError                  Milvus is out of reach, or refuses
    │   └── CatalogError                      the SQL catalog cannot be read or written
    │       ├── CatalogDamagedError
    │       ├── EmbeddingDamagedError         one stored vector; its picture is embedded again
    │       ├── CatalogVersionError           written by a newer release
    │       ├── ReadOnlyError                 the store may be read, and not written
    │       └── DiskFullError
    ├── WeightsError                          a backbone's weights cannot be had
    │   ├── WeightsUnreachableError           no network, or the host does not answer
    │   └── WeightsCorruptError               wrong hash, wrong shape, not a weights file
    ├── ClusterError                          a run on a cluster cannot begin, or go on
    ├── ImageError                            one picture cannot be used
    │   ├── FormatError                       it is of a kind that cannot be read here
    │   └── FetchError                        one picture cannot be fetched from a URL
    ├── HeadError                             a head cannot be used
    │   ├── HeadFormatError                   not a head file, or of a newer format
    │   └── HeadMismatchError                 trained on another backbone
    └── TrainingError                         a training that cannot be done

The upper classes live in `index/errors.py`, because `index` imports nothing of `engine`.
"""

from __future__ import annotations

from typing import Self

from index.errors import (
    BackboneMismatchError,
    CatalogDamagedError,
    CatalogError,
    CatalogVersionError,
    DiskFullError,
    EmbeddingDamagedError,
    EngineError,
    FilterError,
    IndexDamagedError,
    LeaseLostError,
    ReadOnlyError,
    StoreError,
    StoreLockedError,
    StoreNotFoundError,
    UsageError,
    VectorStoreError,
    briefly,
)

__all__ = [
    "BackboneMismatchError",
    "CatalogDamagedError",
    "CatalogError",
    "CatalogVersionError",
    "ClusterError",
    "DiskFullError",
    "EmbeddingDamagedError",
    "EngineError",
    "FetchError",
    "FilterError",
    "FormatError",
    "HeadError",
    "HeadFormatError",
    "HeadMismatchError",
    "ImageError",
    "IndexDamagedError",
    "LeaseLostError",
    "ReadOnlyError",
    "StoreError",
    "StoreLockedError",
    "StoreNotFoundError",
    "TrainingError",
    "UnknownBackboneError",
    "UnknownCategoryError",
    "UnknownHeadError",
    "UnknownImageError",
    "UnknownUndoError",
    "UsageError",
    "VectorStoreError",
    "WeightsCorruptError",
    "WeightsError",
    "WeightsUnreachableError",
]


class UnknownBackboneError(UsageError):
    """No such row in the table of backbones."""


class UnknownCategoryError(UsageError):
    """No image of the catalog has the category, and no head knows it."""


class UnknownHeadError(UsageError):
    """No such head in the catalog."""


class UnknownImageError(UsageError):
    """No such image in the catalog."""

    @classmethod
    def of(cls, image_id: int) -> Self:
        """Return the error of an image by its id."""
        return cls(f"image {image_id}", "the catalog has no such image", "List the images anew")


class UnknownUndoError(UsageError):
    """Nothing of that name can be undone."""

    @classmethod
    def of(cls, name: str) -> Self:
        """Return the error of a name that somebody gave."""
        return cls(f"undo {briefly(name, 60)!r}", "there is no such thing", "List them anew")


class WeightsError(EngineError):
    """A backbone's weights cannot be had."""


class WeightsUnreachableError(WeightsError):
    """The weights are not on this machine and cannot be fetched."""


class WeightsCorruptError(WeightsError):
    """A weights file that is not what it should be."""


class ClusterError(EngineError):
    """A run on a cluster cannot begin, or cannot go on; what was finished is kept."""


class ImageError(EngineError):
    """One picture cannot be used. `reason` and `remedy` are what a skip reports."""


class FormatError(ImageError):
    """One picture is of a kind that this installation cannot read.

    Attributes
    ----------
    format
        The kind: `HEIC`, `CR2`, ...
    """

    def __init__(self, thing: object, reason: str, remedy: str, format: str) -> None:
        super().__init__(thing, reason, remedy)
        self.format = format


class FetchError(ImageError):
    """One picture cannot be fetched from a URL.

    Attributes
    ----------
    status
        What the server answered, such as 404; None where it is something else.
    """

    status: int | None = None


class HeadError(EngineError):
    """A head cannot be used."""


class HeadFormatError(HeadError):
    """Not a head file, or one of a newer format."""


class HeadMismatchError(HeadError):
    """A head trained on the embeddings of another backbone."""


class TrainingError(EngineError):
    """A training that cannot be done: too few pictures, or a checkpoint of another run."""
