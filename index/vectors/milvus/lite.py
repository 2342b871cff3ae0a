"""A file of Milvus Lite, which one process at a time may open; its server answers in this one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from index.errors import StoreLockedError, VectorStoreError, reason_of
from index.files.lock import writer_lock

# The processes of a person come after each other: one that searches is soon done.
PATIENCE_SECONDS = 5.0
# What Milvus Lite makes in a folder of its own.
COLLECTIONS = "collections"
ELSEWHERE = (
    "Wait until it has ended, or keep the vectors on a server with `engine index FOLDER "
    "--vectors milvus://HOST`, which many processes may ask"
)


class LiteFile:
    """An open file of Milvus Lite.

    Parameters
    ----------
    path
        A folder in truth, made where there is none.
    wait_seconds
        How long to wait for another process that has it open.

    Attributes
    ----------
    uri
        What a client in this process connects to, on the loopback interface.

    Raises
    ------
    VectorStoreError
        Another process has it open, or it is no such file.
    """

    def __init__(self, path: str, wait_seconds: float = PATIENCE_SECONDS) -> None:
        _require_lite(path)
        with ExitStack() as opened:
            try:
                os.makedirs(path, exist_ok=True)
                opened.enter_context(writer_lock(Path(path), wait_seconds=wait_seconds))
            except StoreLockedError as error:
                reason = error.reason.replace("is writing", "has it open")
                raise VectorStoreError(path, reason, ELSEWHERE) from None
            except OSError as error:
                reason = f"it cannot be made ({reason_of(error)})"
                raise VectorStoreError(path, reason, "Name another file") from None
            server, database, port = _started(path)
            opened.callback(database.close)
            opened.callback(lambda: server.stop(grace=None).wait())
            self.uri = f"http://127.0.0.1:{port}"
            self._opened = opened.pop_all()

    def close(self) -> None:
        """End the server, and let another process open the file."""
        self._opened.close()


def _require_lite(path: str) -> None:
    """Insist on a path where there is nothing, an empty folder, or what Milvus Lite has made."""
    remedy = "Nothing was changed. Name another file with --vectors"
    if os.path.islink(path) or (os.path.lexists(path) and not os.path.isdir(path)):
        raise VectorStoreError(path, "this is no file of Milvus Lite", remedy)
    own = {"writer.lock", "writer.json", "LOCK"}
    if os.path.isdir(path) and not os.path.isdir(os.path.join(path, COLLECTIONS)):
        try:
            others = set(os.listdir(path)) - own
        except OSError as error:
            raise VectorStoreError(
                path, f"it cannot be read ({reason_of(error)})", remedy
            ) from None
        if others:
            raise VectorStoreError(path, "this is a folder of something else", remedy)


def _started(path: str) -> tuple[Any, Any, int]:
    try:
        from milvus_lite.adapter.grpc.server import start_server_in_thread
        from milvus_lite.exceptions import DataDirLockedError
    except ImportError as error:
        reason = f"Milvus Lite is not installed ({error})"
        raise VectorStoreError(path, reason, "pip install 'image-engine[milvus]'") from None
    try:
        started: tuple[Any, Any, int] = start_server_in_thread(path, host="127.0.0.1", port=0)
        return started
    except DataDirLockedError:
        reason = "another program has it open"
        raise VectorStoreError(path, reason, ELSEWHERE) from None
    except Exception as error:
        # Whatever a damaged file makes of it.
        reason = f"Milvus Lite cannot open it ({type(error).__name__}: {error})"
        remedy = "Move it away: it is made anew from the catalog"
        raise VectorStoreError(path, reason, remedy) from None
