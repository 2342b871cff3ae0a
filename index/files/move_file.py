"""Files that are moved: never over another, and at no moment nowhere.

Within a file system a file gets its new name (`link`) before it loses the old one (`unlink`). Where
there are no hard links the new name is taken by an empty file first, which the rename replaces. To
another file system it is copied under a temporary name, flushed, compared with what was to be
moved, and then given its name in the same way. Whatever ends the process, the content is under the
old name, the new one, or both.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from index.files.atomic_file import sync_folder
from index.files.regular_file import is_regular, make_regular, open_regular

Link: TypeAlias = Callable[[str, str], None]
PIECE = 1 << 20
# What a file system answers that has no hard links, or not for this file.
_NO_LINKS = frozenset(
    getattr(errno, name)
    for name in ("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")
    if hasattr(errno, name)
)


class ChangedError(Exception):
    """A file is not the one, or not as it was, that was to be moved."""


@dataclass(frozen=True, slots=True)
class FileContent:
    """What a file holds, and when it was last changed.

    Attributes
    ----------
    size
        In bytes.
    sha256
        Of the whole content, 64 hexadecimal digits.
    mtime_ns
        Nanoseconds since 1970.
    """

    size: int
    sha256: str
    mtime_ns: int


def state_with(path: str, content: FileContent) -> os.stat_result | None:
    """Return the state of an ordinary file that holds this, None where it holds something else.

    Raises
    ------
    OSError
        It cannot be read, or is a link, a folder, a pipe or a device.
    """
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        if before.st_size != content.size:
            return None
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    return after if digest == content.sha256 and _as_it_was(before, after) else None


def move_file(
    source: str,
    target: str,
    state: os.stat_result,
    content: FileContent,
    *,
    link: Link = os.link,
) -> None:
    """Move a file to a name that nothing has.

    Parameters
    ----------
    source, target
        Absolute paths; the folder of the target must be there.
    state
        That of the source, when its content was looked at last.
    content
        What it holds. The time of its last change is kept, with that of a copy set anew.
    link
        What makes a hard link.

    Raises
    ------
    FileExistsError
        Something has the name.
    ChangedError
        The source was changed or exchanged meanwhile; it stays as it is.
    OSError
        It cannot be moved; the source stays.
    """
    try:
        _require_unchanged(source, state)
        link(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            _copy(source, target, content, link)
        elif error.errno in _NO_LINKS:
            _rename(source, target)
            return
        else:
            raise
    try:
        # Also what has taken the source's name since it was looked at would have been linked.
        _require_unchanged(source, state)
        sync_folder(Path(target).parent)
        os.unlink(source)
    except BaseException:
        if os.path.lexists(source):
            os.unlink(target)
        raise


def discard_part(path: str) -> None:
    """Remove what a process that was killed has left of a copy that was to become `path`."""
    with suppress(OSError):
        os.unlink(part_name(path))


def part_name(path: str) -> str:
    """Return the name under which a copy is written that is to become `path`; it is hidden."""
    folder, name = os.path.split(path)
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()
    return os.path.join(folder, f".engine-{digest[:16]}.part")


def _require_unchanged(path: str, state: os.stat_result) -> None:
    now = os.lstat(path)
    if not (is_regular(now) and _as_it_was(state, now)):
        raise ChangedError(path)


def _as_it_was(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns) == (
        after.st_dev,
        after.st_ino,
        after.st_size,
        after.st_mtime_ns,
    )


def _copy(source: str, target: str, content: FileContent, link: Link) -> None:
    """Give a copy of a file the name `target`."""
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    part = part_name(target)
    try:
        with open_regular(source) as reading, make_regular(Path(part)) as writing:
            # Until it has those of its source, nobody else may read it.
            os.chmod(part, 0o600)
            digest = hashlib.sha256()
            while piece := reading.read(PIECE):
                digest.update(piece)
                writing.write(piece)
            writing.flush()
            if digest.hexdigest() != content.sha256:
                raise ChangedError(source)
            _copy_state(source, part, content.mtime_ns)
            os.fsync(writing.fileno())
        try:
            link(part, target)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename(part, target)
    finally:
        discard_part(target)


def _copy_state(source: str, copy: str, mtime_ns: int) -> None:
    """Give a copy the owner, permissions and times of its source, as far as this user may."""
    state = os.stat(source)
    if hasattr(os, "chown"):
        with suppress(OSError):
            os.chown(copy, state.st_uid, state.st_gid)
    shutil.copystat(source, copy)
    os.utime(copy, ns=(state.st_atime_ns, mtime_ns))


def _rename(source: str, target: str) -> None:
    """Give a file another name, where there are no hard links."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        os.replace(source, target)
    except BaseException:
        if os.path.lexists(source):
            os.unlink(target)
        raise
