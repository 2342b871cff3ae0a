"""Places of Milvus for tests: a file of Milvus Lite, and the same as a server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from index.catalog.catalog import Catalog
from index.sync import follow_catalog, open_index, settle_index, vectors_of
from index.vector_address import VectorAddress
from index.vectors.milvus.conditions import AskLimits
from index.vectors.milvus.milvus_index import MilvusIndex


def milvus_at(
    catalog: Catalog, folder: Path, address: VectorAddress, limits: AskLimits | None = None
) -> MilvusIndex:
    """Return the index of a catalog, not opened yet."""
    index = vectors_of(catalog, folder, address)
    assert isinstance(index, MilvusIndex)
    if limits is not None:
        index._limits = limits
    return index


def followed(catalog: Catalog, folder: Path, address: VectorAddress) -> None:
    """Bring the vectors in step, as a search does."""
    follow_catalog(catalog, milvus_at(catalog, folder, address))


def settled(catalog: Catalog, folder: Path, address: VectorAddress) -> None:
    """Bring them in step, and find the neighbours of all images, as `engine index` does."""
    assert settle_index(catalog, milvus_at(catalog, folder, address)) is None


def opened(
    catalog: Catalog, folder: Path, address: VectorAddress, limits: AskLimits | None = None
) -> MilvusIndex:
    """Open the index; what has changed since it was followed lies over it."""
    index = open_index(catalog, milvus_at(catalog, folder, address, limits)).vectors
    assert isinstance(index, MilvusIndex)
    return index


@contextmanager
def running_milvus(folder: Path, interceptors: Sequence[Any] = ()) -> Iterator[str]:
    """Run a server that keeps its data in a folder, and yield its host and port."""
    import grpc
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import milvus_pb2_grpc

    database = MilvusLite(str(folder))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=list(interceptors))
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(MilvusServicer(database), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()
        database.close()


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Let the process seem to be killed before a method of a collection is called once more."""
    from index.vectors.milvus.collection import Collection

    def arrange(name: str, calls: int) -> None:
        plain, left = getattr(Collection, name), [calls]

        def counted(self: Collection, *arguments: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return plain(self, *arguments)

        monkeypatch.setattr(Collection, name, counted)

    return arrange
