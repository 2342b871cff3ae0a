"""What is heard of each request: enough to follow it, and no secret."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from engine import Engine
from server.app import create_app
from server.counted import Answered
from server.options import ServerOptions

TOKEN = "a-long-enough-token"
SHOWN = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def heard() -> list[Answered]:
    return []


@pytest.fixture
def client(indexed: Engine, heard: list[Answered]) -> Iterator[TestClient]:
    app = create_app(indexed, ServerOptions(token=TOKEN), heard.append)
    with TestClient(app, base_url="http://localhost:8000", client=("192.0.2.7", 5000)) as client:
        yield client
    app.service.close(30)


def test_a_request_is_told_with_what_became_of_it(
    client: TestClient, heard: list[Answered]
) -> None:
    size = len(client.get("/v1/images/3", headers=SHOWN).content)
    client.get("/v1/images/4711", headers=SHOWN)
    client.post("/none", headers=SHOWN)
    found = [(each.method, each.path, each.route, each.status) for each in heard]
    assert found == [
        ("GET", "/v1/images/3", "/v1/images/{image_id}", 200),
        ("GET", "/v1/images/4711", "/v1/images/{image_id}", 404),
        ("POST", "/none", "none", 404),
    ]
    assert (heard[0].client, heard[0].bytes) == ("192.0.2.7", size)
    assert all(each.seconds > 0 for each in heard)


def test_no_secret_is_told(client: TestClient, heard: list[Answered], bed: bytes) -> None:
    client.get(f"/?token={TOKEN}", follow_redirects=False)
    client.get("/v1/images", params={"where": "label=private"}, headers=SHOWN)
    kind = {"content-type": "image/jpeg", **SHOWN}
    client.post("/v1/search", params={"category": "private"}, content=bed, headers=kind)
    assert len(heard) == 3
    for each in heard:
        for line in (each.as_json(), each.as_text()):
            assert TOKEN not in line
            assert "private" not in line
            assert "?" not in line
            assert "engine_token" not in line


@pytest.mark.parametrize("path", ["/%0a200 OK", "/%1b[2J", "/%E2%80%AE", "/" + "a" * 5000, "/%00"])
def test_a_path_is_one_short_word(client: TestClient, heard: list[Answered], path: str) -> None:
    client.get(path, headers=SHOWN)
    [answered] = heard
    assert answered.path.isascii() and answered.path.isprintable()
    assert len(answered.path) < 700
    assert len(answered.as_text().split()) == 9
    assert len(answered.as_text().splitlines()) == 1
