"""Pictures that clients send to stay: files of one folder, under names that nobody chooses."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
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
            There is no room in the folder, or it cannot be written.
        """
        self.require()
        names = [str(getattr(each, "name", f"picture {at}")) for at, each in enumerate(pictures, 1)]
        endings = [
            _ending(each, images.extension_for(each, name))
            for each, name in zip(pictures, names, strict=True)
        ]
        with self._lock:
            return [
                self._written(each, f"{_stem(name)}{ending}", ending)
                for each, name, ending in zip(pictures, names, endings, strict=True)
            ]

    def _written(self, content: bytes, name: str, ending: str) -> str:
        """Return the path of a file of this content, which is written where there is none."""
        assert self._folder is not None
        taken = 0
        try:
            with os.scandir(self._folder) as files:
                for file in files:
                    if not file.is_file(follow_symlinks=False):
                        continue
                    taken += (size := file.stat(follow_symlinks=False).st_size)
                    if file.name.endswith(ending) and size == len(content):
                        return file.path
            if taken + len(content) > self._most:
                reason = f"more than {self._most >> 20:,} MiB would be in it"
                raise DiskFullError(self._folder, reason, "Move pictures elsewhere")
            path = self._folder / name
            write_atomically(path, content)
        except OSError as error:
            kind = ReadOnlyError if isinstance(error, PermissionError) else DiskFullError
            raise kind(self._folder, reason_of(error), "Ask who runs the service") from None
        return os.fspath(path)


def _stem(name: str) -> str:
    """Return what is safe of a name, without its extension; it is no path, nor hidden."""
    plain = unicodedata.normalize("NFKD", os.path.splitext(name)[0])
    letters = _UNSAFE.sub("-", plain.encode("ascii", "ignore").decode())
    return letters.strip("-")[:STEM].strip("-") or "picture"


def _ending(content: bytes, extension: str) -> str:
    return f"-{sha256(content).hexdigest()[:DIGITS]}.{extension}"
