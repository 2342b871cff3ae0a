"""Paths of picture files: which lie below which folders, and the texts that catalogs hold of them.

A file below the folder that the store lies in is stored as `./catalog/chair.jpg`, so that both can
move together. Any other is stored whole. A name that is no valid Unicode, which Python carries as
lone surrogates (PEP 383) that no database accepts, is percent-encoded behind the marker `fsbytes:`.
No absolute path begins like one of the two.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from unicodedata import normalize
from urllib.parse import quote_from_bytes, unquote_to_bytes

from index.names import composed

RELATIVE = "./"
UNDECODABLE = "fsbytes:"


@dataclass(frozen=True, slots=True)
class PathCodec:
    """Paths of files, and the texts that stand for them in one catalog.

    Attributes
    ----------
    root
        The real path of the folder that the store lies in, None where the catalog lies elsewhere.
    """

    root: str | None = None

    def encode(self, path: str) -> str:
        """Return the text under which an absolute path is stored."""
        if self.root is not None and path.startswith(folder := as_folder(self.root)):
            path = RELATIVE + path[len(folder) :]
        return path if is_text(path) else UNDECODABLE + quote_from_bytes(_bytes(path))

    def decode(self, text: str) -> str:
        """Return the absolute path that was stored as `text`."""
        if text.startswith(UNDECODABLE):
            text = os.fsdecode(unquote_to_bytes(text.removeprefix(UNDECODABLE)))
        if text.startswith(RELATIVE):
            return as_folder(self.root or "") + text[len(RELATIVE) :]
        return text

    def spellings(self, path: str) -> list[str]:
        """Return the texts under which a path may be stored, whatever form of Unicode it has."""
        return list(dict.fromkeys(self._spellings(path)))

    def _spellings(self, path: str) -> Iterator[str]:
        for form in (path, normalize("NFC", path), normalize("NFD", path)):
            yield self.encode(form)
            # As a release before relative paths stored it, in a catalog that cannot be written.
            yield PathCodec().encode(form)
        if self.root is not None and composed(path).startswith(composed(as_folder(self.root))):
            # The folder's own name may be written in another form than what follows.
            below = composed(path)[len(composed(as_folder(self.root))) :]
            for form in (below, normalize("NFD", below)):
                yield self.encode(as_folder(self.root) + form)


def _bytes(path: str) -> bytes:
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        # No file has such a name, so no image is found under it.
        return path.encode("utf-8", "surrogatepass")


def is_below(path: str, roots: Container[str]) -> bool:
    """Say whether `path` is one of `roots` or lies in one of them; make many roots a set."""
    return any(above in roots for above in at_or_above(path))


def at_or_above(path: str) -> Iterator[str]:
    """Yield a path and every folder that it lies in, innermost first, with and without a slash."""
    yield path
    for at in range(len(path) - 1, -1, -1):
        if path[at] == os.sep:
            yield path[: at + 1]
            yield path[:at]


def is_text(path: str) -> bool:
    """Say whether a path is valid Unicode, which a database takes."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_folder(path: str) -> str:
    """Return the path of a folder with a slash at its end."""
    return path if path.endswith(os.sep) else path + os.sep
