"""The server's disk: no address and no name leads to a file that is not in the catalog."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from starlette.types import Message

from engine import Engine
from server.app import Application, create_app
from server.routes.page import page_files

SECRET = b"nobody may read this"
ROUTES = (
    "/{}",
    "/page/{}",
    "/v1/images/{}",
    "/v1/images/{}/file",
    "/v1/images/{}/thumbnail",
    "/v1/images/3/{}",
    "/v1/heads/{}",
    "/v1/heads/{}/report",
    "/v1/jobs/{}",
)
UP = ["..", "%2e%2e", ".", "%2e", "..%2f", "..\\", "%00", "\x00", "/", "//", "etc", "passwd", "~"]
PARTS = [*UP, "secret.jpg", "link.jpg", "1", "3", "3;", "3.jpg", "C:", "file:", "app.js", "\u2215"]
SHARED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
Answer = tuple[int, bytes]


@pytest.fixture
def app(indexed: Engine, images: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    """A service that was started where a secret lies, and a link that leads to one."""
    (images / "secret.jpg").write_bytes(SECRET)
    (images / "link.jpg").symlink_to(images / "secret.jpg")
    monkeypatch.chdir(images)
    return create_app(indexed)


def asked(app: Application, path: str) -> Answer:
    """Return the answer to a path as it stands; clients would tidy it up first."""
    sent: list[Message] = []

    async def receive() -> Message:
        # There is no body to be read, and the client stays.
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(each.get("body", b"") for each in sent)


@SHARED
@given(st.sampled_from(ROUTES), st.lists(st.sampled_from(PARTS), max_size=6))
@example("/page/{}", ["..", "/", "..", "/", "secret.jpg"])
@example("/page/{}", ["/", "etc", "/", "passwd"])
@example("/v1/images/{}/file", ["..", "/", "secret.jpg"])
@example("/v1/images/{}/file", ["3", "\x00"])
@example("/v1/heads/{}", ["..%2f", "..%2f", "secret.jpg"])
def test_an_address_leads_to_the_catalog_and_the_page_alone(
    app: Application, indexed: Engine, route: str, parts: list[str]
) -> None:
    path = route.format("".join(parts))
    status, content = asked(app, path)
    assert status in (200, 400, 404, 405, 422), path
    assert SECRET not in content
    if status == 200 and path.startswith("/page/"):
        assert path.removeprefix("/page/") in page_files()
    if status == 200 and path.endswith("/file"):
        # None but by a number of the catalog, however it is written.
        known = {Path(each.path).read_bytes() for each in indexed.images.page().images}
        assert content in known


@pytest.mark.parametrize("part", ["file", "thumbnail"])
def test_a_link_in_place_of_a_picture_is_not_followed_to_something_else(
    app: Application, indexed: Engine, images: Path, part: str
) -> None:
    path = Path(indexed.images[3].path)
    path.unlink()
    path.symlink_to(images / "secret.jpg")
    status, content = asked(app, f"/v1/images/3/{part}")
    assert status == 422
    assert SECRET not in content


def test_a_folder_or_a_pipe_in_place_of_a_picture_is_none(
    app: Application, indexed: Engine
) -> None:
    folder, pipe = Path(indexed.images[3].path), Path(indexed.images[4].path)
    folder.unlink()
    folder.mkdir()
    pipe.unlink()
    os.mkfifo(pipe)
    for number in (3, 4):
        for part in ("file", "thumbnail"):
            assert asked(app, f"/v1/images/{number}/{part}")[0] == 422
