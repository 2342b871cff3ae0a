"""Pictures that clients send to stay: files of one folder, under names that nobody chooses."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock

from engine.errors import DiskFullError, ReadOnlyError
from engine.image_collection import ImageCollection
from index.errors import reason_of
from index.files.atomic_file import write_atomically
from server.responses.problems import RefusedError

# Of a name that a client gives, and of the content's hash, so many characters stand in a file's.
STEM, DIGITS = 40, 16
_UNSAFE = re.compile(r"[^A-Za-z0-9]+")


class Uploads:
    """The folder for pictures that are sent.

    Parameters
    ----------
    folder
        Where it is; None where no pictures are taken.
    most
        Bytes of all files in it.
    """

    def __init__(self, folder: Path | None, most: int) -> None:
        self._folder = folder
        self._most = most
        self._lock = Lock()

    def require(self) -> None:
        """Insist that pictures are taken.

        Raises
        ------
        RefusedError
            They are not.
        """
        if self._folder is None:
            raise RefusedError(
                403,
                "UploadError",
                "this service",
                "it has no folder for pictures that are sent",
                "Start it with --folder DIR",
            )

    def store(self, pictures: Sequence[bytes], images: ImageCollection) -> list[str]:
        """Write pictures, each once, and return their paths.

        Parameters
        ----------
        pictures
            Contents; one that has a `name` is called by it.
        images
            Say whether they are pictures, before the first is written.

        Raises
        ------
        RefusedError
            No pictures are taken.
        ImageError
            One of them cannot be used; nothing was written.
        DiskFullError, ReadOnlyError
            There is no room in the folder for all, or it cannot be written; none stays there.
        """
        self.require()
        names = [str(getattr(each, "name", f"picture {at}")) for at, each in enumerate(pictures, 1)]
        endings = [
            _ending(each, images.extension_for(each, name))
            for each, name in zip(pictures, names, strict=True)
        ]
        with self._lock:
            try:
                return self._written(pictures, names, endings)
            except OSError as error:
                kind = ReadOnlyError if isinstance(error, PermissionError) else DiskFullError
                raise kind(self._folder, reason_of(error), "Ask who runs the service") from None

    def _written(
        self, pictures: Sequence[bytes], names: Sequence[str], endings: Sequence[str]
    ) -> list[str]:
        """Return paths of files of these contents; those that are not there yet are written."""
        assert self._folder is not None
        there, taken = self._files()
        paths: list[str] = []
        new: dict[str, bytes] = {}
        for content, name, ending in zip(pictures, names, endings, strict=True):
            file = ending, len(content)
            if file not in there:
                there[file] = os.fspath(self._folder / f"{_stem(name)}{ending}")
                new[there[file]] = content
            paths.append(there[file])
        if new and taken + sum(map(len, new.values())) > self._most:
            reason = f"more than {self._most >> 20:,} MiB would be in it"
            raise DiskFullError(self._folder, reason, "Move pictures elsewhere")
        _write_all(new)
        return paths

    def _files(self) -> tuple[dict[tuple[str, int], str], int]:
        """Return paths of the folder's files by the ends of their names and sizes, and bytes."""
        assert self._folder is not None
        there, taken = {}, 0
        with os.scandir(self._folder) as files:
            for file in files:
                if file.is_file(follow_symlinks=False):
                    size = file.stat(follow_symlinks=False).st_size
                    taken += size
                    _, dash, digits = file.name.rpartition("-")
                    there[dash + digits, size] = file.path
        return there, taken


def _write_all(new: Mapping[str, bytes]) -> None:
    """Write files, all or none."""
    written: list[str] = []
    try:
        for path, content in new.items():
            write_atomically(Path(path), content)
            written.append(path)
    except BaseException:
        for path in written:
            with suppress(OSError):
                os.unlink(path)
        raise


def _stem(name: str) -> str:
    """Return what is safe of a name, without its extension; it is no path, nor hidden."""
    plain = unicodedata.normalize("NFKD", os.path.splitext(name)[0])
    letters = _UNSAFE.sub("-", plain.encode("ascii", "ignore").decode())
    return letters.strip("-")[:STEM].strip("-") or "picture"


def _ending(content: bytes, extension: str) -> str:
    return f"-{sha256(content).hexdigest()[:DIGITS]}.{extension}"
