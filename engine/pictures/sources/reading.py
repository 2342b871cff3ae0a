"""The bytes of images that are no files of their own: behind URLs, and in archives."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from engine.config import MAX_FILE_BYTES, UrlLimits
from engine.errors import ImageError
from engine.pictures.read import content_hash, require_hash, too_many_bytes
from engine.pictures.sources.opened import open_archives
from engine.pictures.sources.paths import archive_parts
from engine.pictures.sources.states import require_allowed
from engine.pictures.sources.table import scheme_of, store_of
from engine.pictures.threads.memory import Reserve, in_words


def read_elsewhere(
    path: str,
    max_bytes: int,
    reserve: Reserve | None = None,
    *,
    urls: UrlLimits | None = None,
    size: int | None = None,
) -> bytes:
    """Return the bytes of an image behind a URL or in an archive.

    Parameters
    ----------
    max_bytes, reserve
        As of `read_file`.
    urls
        Within which limits URLs are read; by default what the environment allows.
    size
        Its bytes, where a listing said so.

    Raises
    ------
    ImageError
        It is missing, empty, too large, or cannot be read.
    """
    urls = urls or UrlLimits()
    scheme = scheme_of(path)
    if scheme is not None:
        require_allowed(path, urls)
    data = _member(path, max_bytes, reserve, urls)
    if data is None:
        if scheme is None:
            raise ImageError(path, "there is no such file", "Check the path")
        data = store_of(scheme).read(path, urls, max_bytes, size, reserve)
    if not data:
        raise ImageError(path, "there is nothing in it (0 bytes)", "Write it to its source again")
    return data


def open_elsewhere(path: str, expected_hash: str) -> BinaryIO:
    """Return a copy of an image behind a URL or in an archive, opened at its start.

    Raises
    ------
    ImageError
        As of `read_elsewhere`; or it holds something else than what has this hash.
    """
    data = read_elsewhere(path, MAX_FILE_BYTES)
    require_hash(path, content_hash(data), expected_hash)
    file = tempfile.TemporaryFile(prefix="engine-")  # noqa: SIM115 - who asks for it closes it
    file.write(data)
    file.seek(0)
    return file


def _member(path: str, max_bytes: int, reserve: Reserve | None, urls: UrlLimits) -> bytes | None:
    """Return the bytes of a member; None where no part of the path is an archive."""
    for archive, name in archive_parts(path):
        if scheme_of(path) is None and not os.path.isfile(archive):
            continue
        table = open_archives().current(archive, urls)
        if table is None:
            continue
        member = table.members.get(name)
        if member is None or table.read is None:
            raise ImageError(path, "the archive has no such member", "Index the archive again")
        if member.size > max_bytes:
            raise too_many_bytes(path, member.size, max_bytes)
        if reserve is not None:
            reserve(member.size)
        with _told(path):
            data = table.read(member, max_bytes)
        if reserve is not None and not member.size:
            reserve(len(data))
        if member.size and len(data) != member.size:
            raise ImageError(path, "the archive ends before it does", "Copy it again")
        return data
    return None


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Say of a member, within a `with` block, what went wrong with its archive."""
    try:
        yield
    except ImageError as error:
        raise ImageError(path, error.reason, error.remedy) from None
    except MemoryError:
        raise
    except Exception as error:  # what reads an archive has errors of its own
        reason = f"its archive cannot be read ({in_words(error)})"
        raise ImageError(path, reason, "Copy or download the archive again") from None
