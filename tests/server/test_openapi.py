"""What the service says of itself: every route, what it takes and what it answers."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import REPOSITORY

PAGE = REPOSITORY / "docs" / "service.md"
METHODS = {"get", "post", "patch", "delete", "put"}


@pytest.fixture
def described(client: TestClient) -> dict[str, Any]:
    return dict(client.get("/openapi.json").json())


def test_every_route_is_described(described: dict[str, Any]) -> None:
    for path, routes in described["paths"].items():
        for method, route in routes.items():
            assert method in METHODS
            assert route["description"], (method, path)
            for parameter in route.get("parameters", []):
                assert parameter["schema"], (path, parameter["name"])


def test_what_takes_pictures_says_in_which_forms(described: dict[str, Any]) -> None:
    for name in ("search", "classify"):
        content = described["paths"][f"/v1/{name}"]["post"]["requestBody"]["content"]
        assert {"multipart/form-data", "image/*"} <= set(content)
    ids = described["paths"]["/v1/search"]["post"]["requestBody"]["content"]["application/json"]
    assert ids["examples"]["ids"]["value"] == {"ids": [7]}


def test_answers_are_described_as_the_engine_s_results(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    assert {"SearchReport", "Hit", "ImageInfo", "ImagePage", "DuplicateGroup"} <= set(schemas)
    assert "rank_score" in schemas["Hit"]["properties"]


def test_the_page_names_every_route(described: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    named = {
        re.sub(r"\?.*", "", path) for cell in table for path in re.findall(r"(/[\w/{}.]+)", cell)
    }
    named |= {f"/v1/heads{path}" for path in named if path.startswith("/{name}")}
    missing = {re.sub(r"{\w+_id}", "{id}", path) for path in described["paths"]} - named
    assert not missing


def test_every_route_says_what_it_does_and_how_it_refuses(described: dict[str, Any]) -> None:
    assert set(described["components"]["schemas"]["Problem"]["required"]) >= {"reason", "remedy"}
    for path, routes in described["paths"].items():
        for method, route in routes.items():
            assert route["summary"], (method, path)
            for status in ("400", "401", "403", "404", "409", "422", "429", "503", "default"):
                content = route["responses"][status]["content"]
                assert list(content) == ["application/problem+json"], (method, path, status)


def test_every_answer_that_has_a_body_says_of_which_type(described: dict[str, Any]) -> None:
    for path, routes in described["paths"].items():
        for method, route in routes.items():
            answers = {int(each) for each in route["responses"] if each.startswith("2")}
            assert answers, (method, path)
            for status in answers - {204}:
                content = route["responses"][str(status)].get("content", {})
                assert content, (method, path, status)
                assert all(each["schema"] for each in content.values()), (method, path)


def test_every_body_has_an_example(described: dict[str, Any]) -> None:
    bodies = [
        (path, kind, content)
        for path, routes in described["paths"].items()
        for route in routes.values()
        for kind, content in route.get("requestBody", {}).get("content", {}).items()
    ]
    assert len(bodies) > 5
    for path, kind, content in bodies:
        assert content.get("example") or content.get("examples"), (path, kind)
