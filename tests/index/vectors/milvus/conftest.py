"""A file of Milvus Lite for all tests of this folder, which is opened once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from index.vector_address import VectorAddress
from index.vectors.milvus.connection import Connection
from tests.support.milvus import killed_at, running_milvus

__all__ = ["killed_at"]


@pytest.fixture(scope="session")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorAddress]:
    """An open file."""
    address = VectorAddress.parse(str(tmp_path_factory.mktemp("lite") / "vectors.db"))
    connection = Connection(address)
    with connection.client():
        yield address
    connection.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VectorAddress]:
    """A server."""
    with running_milvus(tmp_path_factory.mktemp("server")) as host:
        yield VectorAddress.parse(f"milvus://{host}")
