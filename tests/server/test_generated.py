"""Requests that are made up from `/openapi.json`, sent to a service that listens."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from engine import Config, Engine
from engine.testing import FakeEmbedder
from server.app import create_app
from server.options import ServerOptions

PATIENCE = 30.0
# What is wrong with a request is the client's fault, and that there is no room passes.
FAULTS = {503}
PROBLEM = "application/problem+json"
CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=6,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)
# Without end.
ENDLESS = r"/events$"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    # Threads of the service import what draws lots, while the next request is made up.
    pytest.mark.filterwarnings("ignore:Do not use the .random. module inside strategies"),
]


@pytest.fixture(scope="module")
def address(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of fifteen pictures that listens on this machine."""
    folder = tmp_path_factory.mktemp("generated")
    for category in sorted(drawn.iterdir()):
        (folder / "pictures" / category.name).mkdir(parents=True)
        for source in sorted(category.iterdir())[:3]:
            shutil.copy2(source, folder / "pictures" / category.name / source.name)
    config = Config.at(folder / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([folder / "pictures"], label="parent")
        bound = socket.create_server(("127.0.0.1", 0))
        app = create_app(engine, ServerOptions(port=bound.getsockname()[1]))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        thread.join(PATIENCE)
        bound.close()
        # Jobs that were begun meanwhile are cancelled; the first map of all takes long to import.
        app.service.begin_closing()
        assert app.service.close(4 * PATIENCE)


def operations(address: str) -> Iterator[Any]:
    """Yield what the service says that may be asked."""
    described = schemathesis.openapi.from_url(f"{address}/openapi.json")
    for found in described.exclude(path_regex=ENDLESS).get_all_operations():
        yield found.ok()


def ask(case: schemathesis.Case) -> None:
    """Send a request, and hold its answer against what is described."""
    answer = case.call(timeout=PATIENCE)
    assert answer.status_code < 500 or answer.status_code in FAULTS, answer.content
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == [PROBLEM]
        assert answer.json()["remedy"]
    case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_asked_is_answered_as_it_is_described(
    address: str, mode: GenerationMode
) -> None:
    failed: list[Exception] = []
    asked = 0
    for operation in operations(address):
        made_up = given(operation.as_strategy(generation_mode=mode))(ask)
        try:
            BOUNDED(made_up)()
        except Unsatisfiable:
            # There is nothing to be done wrong.
            continue
        except Exception as error:
            error.add_note(operation.label)
            failed.append(error)
        asked += 1
    if failed:
        raise ExceptionGroup("answers are not as described", failed)
    assert asked > 15
