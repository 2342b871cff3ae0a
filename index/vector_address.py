"""Where the vectors of a store are kept: FAISS's files in the store, a Milvus server, or a file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from index.errors import UsageError

FAISS, MILVUS, LITE = "faiss", "milvus", "lite"
# With `+tls` a server is spoken to as over https.
SCHEMES = {"milvus": "http", "milvus+tls": "https"}
PORT = 19530
FILE = ".db"
FORMS = f"Write {FAISS}, milvus://host:{PORT}/database, or the path of a file that ends in {FILE}"
# What Milvus takes for the name of a database.
_DATABASE = re.compile(r"[A-Za-z_]\w{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True)
class VectorAddress:
    """Where vectors are kept, and how to get there.

    Attributes
    ----------
    kind
        `faiss`, `milvus` for a server, or `lite` for a file of Milvus Lite.
    name
        What names it again and is remembered: a URL without its password, an absolute path.
    uri
        Of a server, as its client takes it; of a file its path.
    database
        Of a server; empty for its default one.
    user, password
        As they stood in the URL; empty where they are to come from the environment.
    """

    kind: str = FAISS
    name: str = FAISS
    uri: str = ""
    database: str = ""
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> VectorAddress:
        """Return the address that a person names, or that was remembered.

        Raises
        ------
        UsageError
            It is none. The message repeats no URL: it may hold a password.
        """
        if text == FAISS:
            return cls()
        if "://" in text:
            return _of_url(text)
        if text.endswith(FILE) and os.path.basename(text) != FILE and "\0" not in text:
            path = os.path.abspath(text)
            return cls(LITE, path, path)
        raise _refused(text, "this is no address for vectors")

    def with_account(self, given: VectorAddress | None) -> VectorAddress:
        """Return the same address with the password that was given for it, where one was."""
        return given if given is not None and given.name == self.name else self


def _of_url(text: str) -> VectorAddress:
    try:
        url = urlsplit(text)
        scheme, host, port = url.scheme.lower(), url.hostname, url.port or PORT
    except ValueError:
        raise _refused("its URL", "it cannot be read") from None
    if scheme not in SCHEMES:
        raise _refused(f"{scheme}://...", "no vectors are kept there")
    if not host or url.query or url.fragment or "@" in (unquote(host)):
        raise _refused("its URL", "it names no host, or more than a host, a port and a database")
    database = url.path.strip("/")
    if database and not _DATABASE.fullmatch(database):
        raise _refused("its URL", f"{database!r} cannot be the name of a database")
    at = f"[{host}]" if ":" in host else host
    user, password = unquote(url.username or ""), unquote(url.password or "")
    shown = f"{url.username}@" if user else ""
    name = f"{scheme}://{shown}{at}:{port}" + (f"/{database}" if database else "")
    uri = f"{SCHEMES[scheme]}://{at}:{port}"
    return VectorAddress(MILVUS, name, uri, database, user, password)


def _refused(what: str, reason: str) -> UsageError:
    return UsageError(f"--vectors {what}", reason, FORMS)
