"""Connections to places of Milvus: one for each in a process, whoever asks, closed by the last."""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import RLock
from typing import Any

from index.errors import VectorStoreError, briefly
from index.vector_address import LITE, VectorAddress
from index.vectors.milvus.lite import LiteFile

INSTALL = "pip install 'image-engine[milvus]'"
# Seconds that a server may take to be reached, and to answer.
CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 120.0
# Milvus's codes: of a client that cannot connect, and of what is not there.
NOT_CONNECTED, NO_DATABASE = 2, 800
NO_COLLECTION, NOT_LOADED = (4, 100), 101
# What is said of credentials that are wrong or missing, whichever release answers.
_REFUSED = ("unauthenticated", "auth check", "permission", "credential", "password")
_LOGGERS = ("pymilvus", "pymilvus.milvus_client", "milvus_lite")


@dataclass(slots=True)
class _Open:
    client: Any
    file: LiteFile | None
    users: int = 0

    def close(self) -> None:
        with suppress(Exception):  # a server that is gone cannot be taken leave of
            self.client.close()
        if self.file is not None:
            self.file.close()


class _Connections:
    """The open connections of this process: a file of Milvus Lite can be opened once alone."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._open: dict[tuple[int, VectorAddress], _Open] = {}

    def take(self, address: VectorAddress) -> Any:
        """Return the client of an address, which is to be given back."""
        key = os.getpid(), address
        with self._lock:
            if key not in self._open:
                self._open[key] = _connected(address)
            self._open[key].users += 1
            return self._open[key].client

    def give_back(self, address: VectorAddress, pid: int) -> None:
        """Close a connection that nobody else has; in a forked child it is its parent's."""
        if pid != os.getpid():
            return
        with self._lock:
            opened = self._open[pid, address]
            opened.users -= 1
            if not opened.users:
                del self._open[pid, address]
                opened.close()


_CONNECTIONS = _Connections()


class Connection:
    """What one index asks an address by; given back by `close`, or with its last reference.

    Parameters
    ----------
    address
        A server, or a file of Milvus Lite.
    """

    def __init__(self, address: VectorAddress) -> None:
        self.address = address
        self._client: Any = None
        self._given_back: Any = None

    @contextmanager
    def client(self) -> Iterator[Any]:
        """Yield the client; what it raises comes out as an error of this address.

        Raises
        ------
        VectorStoreError
            The address cannot be reached, or refuses.
        """
        with explained(self.address):
            if self._client is None:
                self._client = _CONNECTIONS.take(self.address)
                give_back = _CONNECTIONS.give_back
                self._given_back = weakref.finalize(self, give_back, self.address, os.getpid())
            yield self._client

    @property
    def is_lite(self) -> bool:
        """Whether Milvus Lite answers, be it as a server."""
        with self.client() as client:
            return "lite" in str(client.get_server_version(timeout=CONNECT_SECONDS))

    def close(self) -> None:
        """Give the connection back."""
        if self._given_back is not None:
            self._given_back()
        self._client = self._given_back = None


@contextmanager
def explained(address: VectorAddress) -> Iterator[None]:
    """Let what a client raises be said of the address, in one line."""
    # Else it tells on stderr how connections end. It is read when gRPC is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        import grpc
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        reason = f"it is asked by pymilvus, which is not installed ({error})"
        raise VectorStoreError(address.name, reason, INSTALL) from None
    try:
        yield
    except (MilvusException, grpc.RpcError, ValueError) as error:
        raise _meaning(address, error) from error


def is_missing(error: VectorStoreError) -> bool:
    """Say whether an error is of a collection that is not there, or is being made anew."""
    return getattr(error.__cause__, "code", None) in (*NO_COLLECTION, NOT_LOADED)


def _connected(address: VectorAddress) -> _Open:
    from pymilvus import MilvusClient

    for name in _LOGGERS:
        # What goes wrong is told by errors, in one line and not in twenty.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if address.kind == LITE:
        file = LiteFile(address.uri)
        try:
            # A proxy is none for a server in this process.
            options = {"grpc.enable_http_proxy": 0}
            client = MilvusClient(
                file.uri, timeout=CONNECT_SECONDS, dedicated=True, grpc_options=options
            )
        except BaseException:
            file.close()
            raise
        return _Open(client, file)
    account = {
        "user": address.user or os.environ.get("MILVUS_USER", ""),
        "password": address.password or os.environ.get("MILVUS_PASSWORD", ""),
        "token": "" if address.password else os.environ.get("MILVUS_TOKEN", ""),
    }
    return _Open(
        MilvusClient(
            address.uri,
            db_name=address.database,
            timeout=CONNECT_SECONDS,
            dedicated=True,
            **account,
        ),
        None,
    )


def _meaning(address: VectorAddress, error: Exception) -> VectorStoreError:
    """Return what an error of the client means to a person."""
    code = getattr(error, "code", None)
    code = code() if callable(code) else code
    # A client that cannot connect says no more; what the server or the network said is its cause.
    details = getattr(error.__cause__, "details", None)
    message = details() if callable(details) else getattr(error, "message", None) or str(error)
    said = briefly(" ".join(str(message).split()))
    lower = said.lower()
    if any(word in lower for word in _REFUSED):
        return VectorStoreError(
            address.name,
            f"it does not let this user in ({said})",
            "Set MILVUS_USER and MILVUS_PASSWORD, or MILVUS_TOKEN, to what the server knows",
        )
    if code == NO_DATABASE or "database not found" in lower:
        return VectorStoreError(
            address.name, f"there is no such database ({said})", "Create it, or name another"
        )
    if code == NOT_CONNECTED or "unavailable" in lower or "deadline" in lower:
        return VectorStoreError(
            address.name,
            f"it cannot be reached ({said})",
            "Check that it runs, and the URL. Nothing is lost: the catalog has every vector, and "
            "`engine index FOLDER --vectors faiss` does without it",
        )
    return VectorStoreError(address.name, f"it answered: {said}", "Check it; nothing is lost")
