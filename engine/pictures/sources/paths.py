"""Names of images and of roots: paths of files, URLs, and members of archives behind either.

Whatever asks the disk about a path that may be one of these comes through here. Only text is
looked at for a URL: no server is asked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from engine.errors import UsageError
from engine.pictures.sources.table import SCHEMES, archive_kind, scheme_name, scheme_of

KNOWN = ", ".join(f"{scheme.name}://" for scheme in SCHEMES)
# Parameters of a query that hold a key, as object stores sign URLs and services take tokens.
_SECRETS = frozenset(
    (
        *("sig", "signature", "token", "access_token", "auth", "key", "api_key", "apikey"),
        *("password", "pwd", "secret", "awsaccesskeyid", "googleaccessid", "policy"),
    )
)
_SIGNED = ("x-amz-", "x-goog-")
# Left as they are in the path of a web address.
_SAFE = "/%:=&~+!$,;'@()*[]"
_CRUSHED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


def is_remote(path: str) -> bool:
    """Say whether a path is a URL of a source, behind which there may be an archive."""
    return not path.startswith(os.sep) and scheme_of(path) is not None


def absolute(path: str) -> str:
    """Return the name by which a path or URL is remembered.

    A URL has its scheme in the form of the table, and a host in small letters; a `file:` URL
    becomes the path. All else is an absolute path.

    Raises
    ------
    UsageError
        No such URLs are read, it names no host or bucket, or it holds a user, password or key.
    """
    name = scheme_name(path)
    if not name or path.startswith(os.sep):
        if is_crushed(path):
            reason = "a URL has two slashes, which a Path of Python does not keep"
            raise UsageError(path, reason, "Give it as text")
        return os.path.abspath(path)
    if name == "file":
        return os.path.abspath(_local(path))
    return _normalized(path)


def without_query(url: str) -> str:
    """Return a URL without what may hold a key: for errors."""
    head, marked, _ = url.partition("?")
    scheme, found, rest = head.partition("://")
    host, slash, inside = rest.partition("/")
    if found and "@" in host:
        head = f"{scheme}://{host.rpartition('@')[2]}{slash}{inside}"
    return f"{head}?…" if marked else head


def exists(path: str) -> bool:
    """Say whether there is a file at a path, or an archive that it lies in; URLs are taken to be.

    A server is not asked: a search must not wait for it.
    """
    if os.path.exists(path):
        return True
    if is_remote(path):
        return True
    return any(os.path.isfile(archive) for archive, _ in archive_parts(path))


def lexists(path: str) -> bool:
    """As `exists`, and also where a link leads nowhere."""
    return exists(path) or os.path.lexists(path)


def real(path: str) -> str:
    """Return the real path of a file; a URL is its own."""
    return path if is_remote(path) else os.path.realpath(path)


def relative(path: str, root: str) -> str:
    """Return the path from a root to what lies at or below it; of others, as the system has it."""
    start = root if root.endswith(os.sep) else root + os.sep
    if path.startswith(start):
        return path[len(start) :] or os.curdir
    if path == root:
        return os.curdir
    return path if is_remote(path) else os.path.relpath(path, root)


def archive_parts(path: str) -> Iterator[tuple[str, str]]:
    """Yield each archive that a path may lead into by its names, and the rest: the outer first."""
    start = path.find("://") + 3 if is_remote(path) else 0
    at = path.find(os.sep, start)
    while at >= 0:
        if at > start and archive_kind(path[start:at]) is not None and len(path) > at + 1:
            yield path[:at], path[at + 1 :]
        at = path.find(os.sep, at + 1)


def is_local_file(path: str) -> bool:
    """Say whether a path names a file of its own on this machine: no URL, nothing in an archive."""
    return not is_remote(path) and not any(
        os.path.isfile(archive) for archive, _ in archive_parts(path)
    )


def require_local(paths: Iterable[str], doing: str) -> None:
    """Insist that all paths are files or folders of this machine.

    Parameters
    ----------
    doing
        What cannot be done to others.

    Raises
    ------
    UsageError
        One is a URL, or lies in an archive.
    """
    for path in paths:
        if not is_local_file(path):
            raise UsageError(
                without_query(path),
                f"{doing} works on files of this machine, not on URLs or members of archives",
                "Name a folder",
            )


def folder_name(path: str) -> str:
    """Return the name of the folder that a file lies in, as people read it."""
    folder = os.path.dirname(path)
    name = os.path.basename(folder)
    return unquote(name) if scheme_name(path) in ("http", "https") else name


def is_crushed(path: str) -> bool:
    """Say whether a path was a URL before it lost a slash to a Path of Python."""
    found = _CRUSHED.match(path)
    known = found is not None and scheme_of(f"{found[1]}://") is not None
    return known and not os.path.lexists(path.partition("/")[0])


def _local(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise UsageError(url, "it names a file of another machine", "Use file:///PATH")
    return unquote(parts.path)


def _normalized(url: str) -> str:
    scheme = scheme_of(url)
    shown = without_query(url)
    if scheme is None:
        raise UsageError(shown, f"{scheme_name(url)}:// is not read", f"Use one of {KNOWN}")
    host, slash, inside = url.partition("://")[2].partition("/")
    if "@" in host:
        raise UsageError(
            shown,
            "it holds a user or a password, which would be remembered",
            f"Leave it out. {scheme.access}",
        )
    if "\0" in url or not host.strip(".") or host.startswith("?"):
        raise UsageError(shown, "it names no host or bucket", f"Use {scheme.name}://…/…")
    if scheme.package:
        return f"{scheme.name}://{host}{slash}{inside}".rstrip("/")
    return _web_address(url)


def _web_address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError(without_query(url), "it is no URL", "Check it") from None
    if secrets := [name for name, _ in parse_qsl(parts.query) if is_secret(name)]:
        raise UsageError(
            without_query(url),
            f"its query holds a key ({secrets[0]}), which would be remembered",
            "Name it without one, or by the scheme of its object store (s3://, gs://, az://)",
        )
    usual = {"http": 80, "https": 443}[parts.scheme]
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    host = host if port in (None, usual) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    # As links write it: what they lead to is held against it.
    path = quote(parts.path.rstrip("/"), safe=_SAFE)
    return f"{parts.scheme}://{host}{path}{query}"


def is_secret(name: str) -> bool:
    """Say whether a parameter of a query holds a key by its name."""
    small = name.lower()
    return small in _SECRETS or small.startswith(_SIGNED)
