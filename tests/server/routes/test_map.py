"""The map of the catalog over HTTP."""

from __future__ import annotations

import sys

import pytest
from starlette.testclient import TestClient

from engine import Engine
from engine.export.plain import plain
from tests.support.slow import until


def test_the_components_are_there_at_once(client: TestClient, indexed: Engine) -> None:
    found = client.get("/v1/map").json()
    assert found == plain(indexed.maps.show())
    assert (found["method"], found["stale"], len(found["ids"])) == ("pca", False, 12)
    assert {len(found[name]) for name in ("x", "y", "category")} == {12}


def test_it_can_be_coloured_by_label(reader: TestClient) -> None:
    found = reader.get("/v1/map", params={"colours": "label"}).json()
    assert sorted(found["categories"]) == ["bed", "chair", "lamp"]


@pytest.mark.slow
def test_what_was_made_is_shown_first(client: TestClient, indexed: Engine) -> None:
    assert client.get("/v1/map", params={"method": "umap"}).status_code == 400
    indexed.maps.make()
    assert client.get("/v1/map").json()["method"] == "umap"
    assert client.get("/v1/map", params={"method": "pca"}).json()["method"] == "pca"


@pytest.mark.slow
def test_a_job_makes_it(client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"kind": "map"}).json()
    assert job["kind"] == "map"
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
    ended = client.get(f"/v1/jobs/{job['id']}").json()
    assert ended["result"] == {"method": "umap", "images": 12}
    assert ended["progress"]["task"] == "laying out"
    assert client.get("/v1/map").json()["method"] == "umap"


def test_without_the_extra_the_job_says_what_to_install(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    job = client.post("/v1/jobs", json={"kind": "map"}).json()
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "failed")
    problem = client.get(f"/v1/jobs/{job['id']}").json()["problem"]
    assert "image-engine[map]" in problem["remedy"]


@pytest.mark.parametrize("wrong", [{"method": "tsne"}, {"colours": "path"}])
def test_what_there_is_not_is_refused(reader: TestClient, wrong: dict[str, str]) -> None:
    assert reader.get("/v1/map", params=wrong).status_code == 400


def test_it_is_described_with_an_example(reader: TestClient) -> None:
    described = reader.get("/openapi.json").json()["paths"]["/v1/map"]["get"]
    example = described["responses"]["200"]["content"]["application/json"]["example"]
    assert set(example) == set(reader.get("/v1/map").json())
