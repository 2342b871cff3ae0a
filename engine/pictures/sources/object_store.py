"""Object stores by fsspec: S3 and what speaks like it, Google's, Azure's.

Credentials are those of each store's own tools, from the environment and from profiles; nothing of
them is kept, and no message repeats what a server says of them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.read import too_many_bytes
from engine.pictures.sources.store import UNKNOWN_TIME, Listing, version_number
from engine.pictures.sources.table import Scheme
from engine.pictures.threads.memory import Reserve, in_words
from index.records import FileState

# Of an object that is copied: one request brings so much of it.
BLOCK = 32 << 20
_VERSIONS = ("ETag", "etag", "versionId", "generation", "md5Hash", "content_md5")
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "timeCreated", "created")
_USER, _QUERY = re.compile(r"//[^/@\s]*@"), re.compile(r"\?[^\s\"']*")
_DENIED = ("NoCredentials", "Credential", "Token", "Forbidden", "Authentication", "Unauthorized")


@dataclass(frozen=True, slots=True)
class ObjectLimits:
    """How long an object may take to be read; one that takes longer is skipped.

    Attributes
    ----------
    seconds
        Of every object.
    rate
        Bytes a second at least, for which larger ones get more time.
    """

    seconds: float = 60.0
    rate: float = 100_000.0

    def of(self, size: int) -> float:
        """Return the seconds that so many bytes may take."""
        return self.seconds + size / self.rate


class ObjectStore:
    """The objects behind URLs of one scheme.

    Parameters
    ----------
    scheme
        Its row.
    limits
        How long reading may take.
    """

    def __init__(self, scheme: Scheme, limits: ObjectLimits = ObjectLimits()) -> None:
        self._scheme = scheme
        self._limits = limits
        self._lock = threading.Lock()
        self._opened: Any = None

    def listing(self, url: str, urls: UrlLimits, progress: Callable[[int], None]) -> Listing:
        """Return the objects at or below a URL; see `SourceStore`."""
        with self._told(url):
            found = self._files().find(self._inside(url), detail=True)
        files = [self._state(name, info) for name, info in found.items() if _is_object(name, info)]
        progress(len(files))
        if not files:
            self._require_bucket(url)
        return Listing(files, [url], [], [])

    def state(self, url: str, urls: UrlLimits) -> FileState | None:
        """Return what an object is like; see `SourceStore`."""
        with self._told(url):
            try:
                info = self._files().info(self._inside(url))
            except FileNotFoundError:
                return None
        return self._state(self._inside(url), info) if _is_object("", info) else None

    def read(
        self, url: str, urls: UrlLimits, max_bytes: int, size: int | None, reserve: Reserve | None
    ) -> bytes:
        """Return an object's bytes; see `SourceStore`."""
        if not size:
            state = self.state(url, urls)
            if state is None:
                raise ImageError(url, "there is no such object", "Check the URL")
            size = state.size
        if size > max_bytes:
            raise too_many_bytes(url, size, max_bytes)
        if reserve is not None:
            reserve(size)
        if not size:
            return b""
        with self._told(url):
            data = self._bytes(url, max_bytes, self._limits.of(size))
        if len(data) > max_bytes:
            raise too_many_bytes(url, len(data), max_bytes)
        return data

    def _bytes(self, url: str, most: int, seconds: float) -> bytes:
        """Return an object's bytes in time, and one more than there may be where it has grown."""
        from fsspec.asyn import sync

        files = self._files()
        arguments = {"start": 0, "end": most + 1}
        data: bytes = sync(
            files.loop, files._cat_file, self._inside(url), timeout=seconds, **arguments
        )
        return data

    def copy(self, url: str, urls: UrlLimits, write: Callable[[bytes], object]) -> None:
        """Hand over an object's bytes piece by piece; see `SourceStore`."""
        with (
            self._told(url),
            self._files().open(
                self._inside(url), "rb", block_size=BLOCK, cache_type="readahead"
            ) as opened,
        ):
            while data := opened.read(BLOCK):
                write(data)

    def _files(self) -> Any:
        """Return the file system of fsspec, made when it is first needed."""
        self._scheme.require(f"{self._scheme.name}://")
        with self._lock:
            if self._opened is None:
                import fsspec

                # What is listed is listed again by each run, whatever was seen before.
                self._opened = fsspec.filesystem(self._scheme.name, use_listings_cache=False)
            return self._opened

    def _inside(self, url: str) -> str:
        return url.partition("://")[2]

    def _state(self, name: str, info: Mapping[str, Any]) -> FileState:
        version = next((info[key] for key in _VERSIONS if info.get(key)), None)
        times = (_nanoseconds(info.get(key)) for key in _TIMES)
        modified = next((time for time in times if time is not None), UNKNOWN_TIME)
        number = None if version is None else version_number(version)
        size = int(info.get("size") or 0)
        return FileState(f"{self._scheme.name}://{name.lstrip('/')}", size, modified, number)

    def _require_bucket(self, url: str) -> None:
        """Insist that the bucket of a URL is there, below which nothing was found."""
        bucket = self._inside(url).partition("/")[0]
        with self._told(url):
            try:
                self._files().info(bucket)
            except FileNotFoundError:
                raise self._no_bucket(url) from None

    def _no_bucket(self, url: str) -> ImageError:
        bucket = self._inside(url).partition("/")[0]
        remedy = "Check its name, and which server it is on"
        return ImageError(url, f"there is no bucket {bucket}", remedy)

    @contextmanager
    def _told(self, url: str) -> Iterator[None]:
        """Say of a URL, within a `with` block, what a server or its client says of it."""
        try:
            yield
        except ImageError:
            raise
        except FileNotFoundError as error:
            if "bucket" in str(error).lower():
                raise self._no_bucket(url) from None
            raise ImageError(url, "there is no such object", "Check the URL") from None
        except MemoryError:
            raise
        except Exception as error:  # each client has errors of its own
            raise self._failure(url, error) from None

    def _failure(self, url: str, error: Exception) -> ImageError:
        name = type(error).__name__
        if isinstance(error, PermissionError) or any(part in name for part in _DENIED):
            missing = "NoCredentials" in name or "DefaultCredentials" in name
            reason = "there are no credentials for it" if missing else "access is denied"
            return ImageError(url, reason, self._scheme.access)
        # What stands before a host, or behind a question mark, may be somebody's key.
        if isinstance(error, TimeoutError):
            return ImageError(url, "its server takes too long", "Try again later")
        said = _QUERY.sub("", _USER.sub("//", in_words(error)))
        remedy = "Check the server's address and the connection, and try again"
        return ImageError(url, f"it cannot be read ({said})", remedy)


def _is_object(name: str, info: Mapping[str, Any]) -> bool:
    return info.get("type", "file") == "file" and not name.endswith("/") and "\0" not in name


def _nanoseconds(value: object) -> int | None:
    """Return a time as nanoseconds since 1970, as whole microseconds allow; None where it is none.

    Parameters
    ----------
    value
        A datetime, a text of ISO 8601, or seconds.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime):
        since = value.replace(tzinfo=value.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 9e9:
        return int(value * 1e9)
    return None
