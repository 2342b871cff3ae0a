"""What goes wrong between here and there is said in one line, with what to do about it."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import grpc
import pytest

from index.catalog.catalog import Catalog
from index.errors import VectorStoreError
from index.sync import check_index
from index.vector_address import VectorAddress
from index.vectors.milvus.connection import Connection
from tests.support.milvus import milvus_at, running_milvus

pytestmark = pytest.mark.slow


class Door(grpc.ServerInterceptor):  # type: ignore[misc]
    """Lets in who names a user and a password, and nobody else."""

    def __init__(self, account: str) -> None:
        from base64 import b64encode

        self._account = b64encode(account.encode()).decode()

        def refuse(request: Any, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure")

        self._refuse = grpc.unary_unary_rpc_method_handler(refuse)

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        sent = dict(details.invocation_metadata).get("authorization", "")
        return continuation(details) if sent == self._account else self._refuse


def refused(address: VectorAddress) -> str:
    """Return what is said of an address that cannot be asked."""
    connection = Connection(address)
    with pytest.raises(VectorStoreError) as caught, connection.client() as client:
        client.list_collections()
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    said = refused(VectorAddress.parse(f"milvus://127.0.0.1:{port}"))
    assert said.startswith(f"milvus://127.0.0.1:{port}: it cannot be reached (")
    assert "the catalog has every vector" in said


def test_who_is_not_let_in_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_milvus(tmp_path / "data", [Door("ann:right")]) as host:
        wrong = VectorAddress.parse(f"milvus://ann:wrong-secret@{host}")
        said = refused(wrong)
        assert said.startswith(f"milvus://ann@{host}: it does not let this user in")
        assert "MILVUS_USER and MILVUS_PASSWORD" in said
        assert "wrong-secret" not in said + repr(wrong)
        given = Connection(VectorAddress.parse(f"milvus://ann:right@{host}"))
        with given.client() as client:
            assert client.list_collections() == []
        given.close()
        monkeypatch.setenv("MILVUS_USER", "ann")
        monkeypatch.setenv("MILVUS_PASSWORD", "right")
        named = Connection(VectorAddress.parse(f"milvus://{host}"))
        with named.client() as client:
            assert client.list_collections() == []
        named.close()


def test_a_database_that_is_not_there_is_named(server: VectorAddress) -> None:
    assert "shop" in refused(VectorAddress.parse(f"{server.name}/shop"))


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    monkeypatch.setitem(sys.modules, "pymilvus.exceptions", None)
    said = refused(VectorAddress.parse(str(tmp_path / "vectors.db")))
    assert said.endswith("pip install 'image-engine[milvus]'")


def test_status_goes_on_without_the_server(catalog: Catalog, tmp_path: Path) -> None:
    address = VectorAddress.parse("milvus://127.0.0.1:1")
    checked = check_index(catalog, milvus_at(catalog, tmp_path, address))
    assert checked.state == "out of reach"
    [problem] = checked.problems
    assert "it cannot be reached" in problem
