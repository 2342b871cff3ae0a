"""The map of the catalog over HTTP."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from engine import Engine
from engine.export.plain import plain


def test_the_components_are_there_at_once(client: TestClient, indexed: Engine) -> None:
    found = client.get("/v1/map").json()
    assert found == plain(indexed.maps.show())
    assert (found["method"], found["stale"], len(found["ids"])) == ("pca", False, 12)
    assert {len(found[name]) for name in ("x", "y", "category")} == {12}


def test_it_can_be_coloured_by_label(client: TestClient) -> None:
    found = client.get("/v1/map", params={"colours": "label"}).json()
    assert sorted(found["categories"]) == ["bed", "chair", "lamp"]


def test_what_was_made_is_shown_first(client: TestClient, indexed: Engine) -> None:
    assert client.get("/v1/map", params={"method": "umap"}).status_code == 400
    indexed.maps.make()
    assert client.get("/v1/map").json()["method"] == "umap"
    assert client.get("/v1/map", params={"method": "pca"}).json()["method"] == "pca"


@pytest.mark.parametrize("wrong", [{"method": "tsne"}, {"colours": "path"}])
def test_what_there_is_not_is_refused(client: TestClient, wrong: dict[str, str]) -> None:
    assert client.get("/v1/map", params=wrong).status_code == 400


def test_it_is_described_with_an_example(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]["/v1/map"]["get"]
    example = described["responses"]["200"]["content"]["application/json"]["example"]
    assert set(example) == set(client.get("/v1/map").json())
