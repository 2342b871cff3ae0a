"""The small values of the ledger: what a run on a cluster has to do, and how far it has come."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any, Literal

from index.errors import CatalogDamagedError
from index.records import FileState

TODO, RUNNING, DONE, FAILED = STATES = ("todo", "running", "done", "failed")
State = Literal["todo", "running", "done", "failed"]


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file to open, and the label that it is to have.

    Attributes
    ----------
    labelled
        Whether `label` counts; else the image keeps the label that it has.
    archive
        Whether it holds pictures, and is none itself.
    """

    file: FileState
    label: str | None = None
    labelled: bool = False
    archive: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one shard, in order of path.

    Attributes
    ----------
    data
        Their states as compressed JSON, under the name of their SHA-256.
    """

    first: str
    last: str
    n: int
    data: bytes
    hash: str

    @classmethod
    def of(cls, files: Sequence[ListedFile], codec: Any) -> Listing:
        """Return the listing of some files, at least one.

        Parameters
        ----------
        codec
            A `PathCodec`, which makes texts of paths.
        """
        encode = codec.encode
        rows = [
            [encode(each.file.path), *astuple(each.file)[1:], *astuple(each)[1:]] for each in files
        ]
        data = zlib.compress(json.dumps(rows).encode(), 6)
        return cls(rows[0][0], rows[-1][0], len(rows), data, hashlib.sha256(data).hexdigest())

    @classmethod
    def read(cls, data: bytes, expected_hash: str, codec: Any) -> list[ListedFile]:
        """Return the files of a listing.

        Raises
        ------
        CatalogDamagedError
            It is not as it was written.
        """
        if hashlib.sha256(data).hexdigest() != expected_hash:
            raise CatalogDamagedError(
                "the ledger", "the listing of a shard is damaged", "Run `engine index` again"
            )
        return [
            ListedFile(FileState(codec.decode(row[0]), *row[1:5]), *row[5:])
            for row in json.loads(zlib.decompress(data))
        ]


@dataclass(frozen=True, slots=True)
class Claim:
    """A shard that a worker has taken for as long as it renews its lease.

    Attributes
    ----------
    attempt
        How often it was taken, this time included. Only the last one can be finished.
    """

    shard: int
    run: str
    attempt: int
    worker: str
    files: Sequence[ListedFile] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run that was divided into shards.

    Attributes
    ----------
    token
        Random, of this run alone.
    source
        What was indexed, for people.
    """

    token: str
    source: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class FailedShard:
    """A shard that could not be done: its first and last path, and why."""

    first: str
    last: str
    n: int
    error: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come.

    Attributes
    ----------
    shards
        How many are in each state.
    images, done
        Pictures in all, and those that are committed or under way.
    failed_images
        Pictures in shards that failed.
    workers
        Who is at work now.
    failures
        Some of the shards that failed.
    """

    run: Run
    shards: Mapping[str, int]
    images: int
    done: int
    failed_images: int
    workers: Sequence[str] = ()
    failures: Sequence[FailedShard] = field(default=())

    @property
    def open(self) -> int:
        """How many shards are still to be done."""
        return self.shards.get(TODO, 0) + self.shards.get(RUNNING, 0)
