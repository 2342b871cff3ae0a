"""A service of twelve pictures with the fake backbone, asked without a socket."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine import Config, Engine
from engine.testing import FakeEmbedder
from index.store import Store
from server.app import create_app
from server.options import ServerOptions
from tests.support.images import copied_images

NewClient = Callable[[ServerOptions], TestClient]


@pytest.fixture(scope="session")
def stocked(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of twelve pictures that lie beside it, labelled by folder; not to be changed."""
    folder = tmp_path_factory.mktemp("stocked")
    pictures = copied_images(drawn, folder / "pictures")
    config = Config(store=Store(folder / "store"))
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([pictures], label="parent")
    return folder / "store"


@pytest.fixture
def indexed(images: Path, stocked: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    # The paths in a store are relative to it. To index anew for each test would take longer.
    shutil.copytree(stocked, images.parent / "store")
    return fake_engine


@pytest.fixture
def new_client(indexed: Engine) -> Iterator[NewClient]:
    """A function that returns a client of a service with such options."""
    with ExitStack() as open_clients:

        def made(options: ServerOptions) -> TestClient:
            app = create_app(indexed, options)
            open_clients.callback(app.service.close, 30)
            client = TestClient(app, base_url="http://localhost:8000", client=("127.0.0.1", 5000))
            return open_clients.enter_context(client)

        yield made


@pytest.fixture
def client(new_client: NewClient) -> TestClient:
    """A client of a service with the default options."""
    return new_client(ServerOptions())


@pytest.fixture(scope="module")
def reader(
    drawn: Path, stocked: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestClient]:
    """A client of one service for all tests of a file that change nothing; it sees to that."""
    folder = tmp_path_factory.mktemp("read")
    copied_images(drawn, folder / "pictures")
    config = Config(store=Store(shutil.copytree(stocked, folder / "store")))
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        app = create_app(engine, ServerOptions())
        with TestClient(
            app, base_url="http://localhost:8000", client=("127.0.0.1", 5000)
        ) as client:
            before = _holds(engine, folder)
            yield client
            assert _holds(engine, folder) == before, "a test changed what others read"
        app.service.close(30)


def _holds(engine: Engine, folder: Path) -> object:
    """All that a request could change."""
    images, heads = engine.images.page(limit=1000), [head.name for head in engine.heads]
    pictures = {path: path.stat().st_mtime_ns for path in (folder / "pictures").rglob("*")}
    return images, heads, list(engine.judgements), pictures


@pytest.fixture
def bed(drawn: Path) -> bytes:
    """The content of one of the pictures."""
    return sorted((drawn / "bed").iterdir())[0].read_bytes()
