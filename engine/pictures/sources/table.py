"""The kinds of sources there are: a row for each scheme of URLs, and for each kind of archive."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from engine.errors import UsageError

if TYPE_CHECKING:
    from engine.pictures.sources.archive import ReadTable
    from engine.pictures.sources.store import SourceStore

# Two letters at least: `C://` is a drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


@dataclass(frozen=True, slots=True)
class Scheme:
    """One kind of URLs.

    Attributes
    ----------
    names
        As they stand before `://`, in small letters; the first is the one that is remembered.
    store
        Makes what lists and reads.
    package, extra
        What has to be installed, and the extra that does so; empty where nothing is missing.
    access
        What to do where access is denied.
    """

    names: tuple[str, ...]
    store: Callable[[Scheme], SourceStore]
    package: str = ""
    extra: str = ""
    access: str = "Check who may read it"

    @property
    def name(self) -> str:
        """The scheme that is remembered."""
        return self.names[0]

    def require(self, thing: str) -> None:
        """Insist that what reads such URLs is installed.

        Raises
        ------
        UsageError
            It is not.
        """
        _require_installed(thing, f"{self.name}://", self.package, self.extra)


@dataclass(frozen=True, slots=True)
class ArchiveKind:
    """One kind of archives.

    Attributes
    ----------
    extension
        Of a file's name, without the dot, in small letters.
    table
        Makes what reads the table of members.
    package, extra
        As of `Scheme`.
    every
        Whether every member is an image, whatever its name.
    """

    extension: str
    table: Callable[[], ReadTable]
    package: str = ""
    extra: str = ""
    every: bool = False

    def require(self, thing: str) -> None:
        """Insist that what reads such archives is installed.

        Raises
        ------
        UsageError
            It is not.
        """
        _require_installed(thing, f".{self.extension}", self.package, self.extra)


def _require_installed(thing: str, kind: str, package: str, extra: str) -> None:
    """Insist that what reads a kind of URLs or archives is installed, if that takes a package."""
    if package and importlib.util.find_spec(package) is None:
        raise UsageError(
            thing,
            f"what reads {kind} is not installed ({package})",
            f"Run pip install 'image-engine[{extra}]'",
        )


def _objects(scheme: Scheme) -> SourceStore:
    from engine.pictures.sources.object_store import ObjectStore

    return ObjectStore(scheme)


def _web(scheme: Scheme) -> SourceStore:
    from engine.pictures.sources.web import WebStore

    return WebStore()


def _tar() -> ReadTable:
    from engine.pictures.sources.tar import read_tar

    return read_tar


def _parquet() -> ReadTable:
    from engine.pictures.sources.parquet import read_parquet

    return read_parquet


SCHEMES = (
    Scheme(
        ("s3", "s3a"),
        _objects,
        "s3fs",
        "s3",
        "Check the credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), the "
        "server (AWS_ENDPOINT_URL), and what they may read",
    ),
    Scheme(
        ("gs", "gcs"),
        _objects,
        "gcsfs",
        "gcs",
        "Check the credentials (GOOGLE_APPLICATION_CREDENTIALS) and what they may read",
    ),
    Scheme(
        ("az", "abfs", "abfss"),
        _objects,
        "adlfs",
        "azure",
        "Check the credentials (AZURE_STORAGE_ACCOUNT_NAME and the key or the identity) and what "
        "they may read",
    ),
    Scheme(("http",), _web),
    Scheme(("https",), _web),
)
ARCHIVES = (
    ArchiveKind("tar", _tar),
    ArchiveKind("parquet", _parquet, "pyarrow", "parquet", every=True),
)
_BY_SCHEME = {name: scheme for scheme in SCHEMES for name in scheme.names}
_BY_EXTENSION = {kind.extension: kind for kind in ARCHIVES}


def scheme_name(path: str) -> str:
    """Return what stands before `://`, in small letters; nothing for a path."""
    found = _SCHEME.match(path)
    return found[1].lower() if found else ""


def scheme_of(path: str) -> Scheme | None:
    """Return the row of a URL, None for a local path."""
    return _BY_SCHEME.get(scheme_name(path))


def archive_kind(name: str) -> ArchiveKind | None:
    """Return the row of an archive by its name, None where that is none of an archive."""
    return _BY_EXTENSION.get(os.path.splitext(name)[1][1:].lower())


@cache
def store_of(scheme: Scheme) -> SourceStore:
    """Return what lists and reads URLs of a scheme; its connections are shared."""
    return scheme.store(scheme)
