"""The bytes of picture files, as many as are allowed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import BinaryIO

from engine.config import MAX_FILE_BYTES, UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.paths import is_local_file, is_remote
from engine.pictures.threads.memory import Reserve, no_memory
from index.errors import reason_of

CHUNK = 1 << 20


class NamedBytes(bytes):
    """The content of an image file that was handed in, and what to call it.

    Attributes
    ----------
    name
        For answers and errors.
    """

    name: str

    @classmethod
    def of(cls, data: bytes, name: str) -> NamedBytes:
        """Return content by this name."""
        named = cls(data)
        named.name = name
        return named


def read_file(
    path: str,
    max_bytes: int = MAX_FILE_BYTES,
    reserve: Reserve | None = None,
    *,
    urls: UrlLimits | None = None,
    size: int | None = None,
) -> bytes:
    """Return the bytes of an image file, of one behind a URL, or of a member of an archive.

    Parameters
    ----------
    max_bytes
        Refuse larger files, before anything of them is read.
    reserve
        Called with the file's size before it is read: see `ImageMemory`.
    urls
        Within which limits URLs are read; by default what the environment allows.
    size
        What a listing said of an object's size: a server need not be asked again.

    Raises
    ------
    ImageError
        It is missing, empty, too large, no ordinary file, or may not be read.
    """
    if is_remote(path):
        from engine.pictures.sources.reading import read_elsewhere

        return read_elsewhere(path, max_bytes, reserve, urls=urls, size=size)
    with _told(path):
        try:
            state = os.stat(path)
        except NotADirectoryError:
            from engine.pictures.sources.reading import read_elsewhere

            return read_elsewhere(path, max_bytes, reserve)
        # A pipe or a device under an image's name would hold the reader up for ever.
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(path, "it is not an ordinary file", "Name a file that holds a picture")
        if state.st_size > max_bytes:
            raise too_many_bytes(path, state.st_size, max_bytes)
        if reserve is not None:
            reserve(state.st_size)
        with _opened(path) as file:
            data = read_stream(file, path, max_bytes, state.st_size)
    if not data:
        raise ImageError(path, "the file is empty (0 bytes)", "Copy or download it again")
    return data


def open_file(path: str, expected_hash: str) -> BinaryIO:
    """Return an image file, opened at its start, whose content has this hash.

    Of an image behind a URL or in an archive it is a temporary copy.

    Raises
    ------
    ImageError
        It is missing, no ordinary file, may not be read, or holds something else.
    """
    if not is_local_file(path):
        from engine.pictures.sources.reading import open_elsewhere

        return open_elsewhere(path, expected_hash)
    with _told(path):
        file = _opened(path)
        try:
            require_hash(path, hashlib.file_digest(file, "sha256").hexdigest(), expected_hash)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Say of the file, within a `with` block, what the system says of it."""
    try:
        yield
    except FileNotFoundError:
        raise ImageError(path, "there is no such file", "Check the path") from None
    except PermissionError:
        raise ImageError(
            path,
            "permission denied",
            f"Allow reading it and entering its folder: chmod u+rX {path}",
        ) from None
    except OSError as error:
        raise ImageError(
            path, f"it cannot be read ({reason_of(error)})", "Check the drive it is on"
        ) from None
    except ValueError as error:
        raise ImageError(path, f"no file has such a name ({error})", "Check the path") from None
    except MemoryError:
        raise no_memory(path) from None


def _opened(path: str) -> BufferedReader:
    """Open an ordinary file, and nothing that has taken its place since it was looked at."""
    # Whoever opens a pipe to read it waits for one who writes.
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    file = os.fdopen(opened, "rb")
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        file.close()
        raise ImageError(path, "it is not an ordinary file", "Name a file that holds a picture")
    return file


def read_stream(stream: BinaryIO, name: str, max_bytes: int, expected: int = 0) -> bytes:
    """Return what is left in a stream, in one read where it is no more than `expected` bytes.

    Raises
    ------
    ImageError
        There are more than `max_bytes`; the rest is not read.
    """
    parts, size, wanted = [], 0, expected + 1
    while chunk := stream.read(wanted):
        size += len(chunk)
        if size > max_bytes:
            raise _too_many_bytes(name, "it has more bytes than", max_bytes)
        parts.append(chunk)
        if len(chunk) < wanted:
            break
        wanted = CHUNK
    return b"".join(parts)


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of a file's whole content, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def require_hash(path: str, found: str, expected: str) -> None:
    """Insist that a file holds what it held when it was indexed.

    Raises
    ------
    ImageError
        It holds something else.
    """
    if found != expected:
        raise ImageError(
            path,
            "the file holds something else than when it was indexed",
            "Index its folder again",
        )


def file_hash(path: str) -> str | None:
    """Return the content hash of a file, read piece by piece; None where it cannot be read."""
    try:
        with _opened(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError, ImageError):
        return None


def too_many_bytes(name: str, size: int, max_bytes: int) -> ImageError:
    """Return the error of an image that has more bytes than it may."""
    return _too_many_bytes(name, f"it has {_size(size)}, more than", max_bytes)


def _too_many_bytes(name: str, what: str, max_bytes: int) -> ImageError:
    return ImageError(
        name,
        f"{what} the limit of {_size(max_bytes)}",
        "If it is to be trusted, raise the limit with --max-file-size (max_file_bytes in Python)",
    )


def _size(count: int) -> str:
    """Return a number of bytes as `--max-file-size` takes it."""
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.4g}{'BKMGT'[power]}"
