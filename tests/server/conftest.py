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


@pytest.fixture
def bed(images: Path) -> bytes:
    """The content of one of the pictures."""
    return sorted((images / "bed").iterdir())[0].read_bytes()
