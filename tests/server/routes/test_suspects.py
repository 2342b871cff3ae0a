"""Doubted labels over HTTP."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from engine import Config, Engine
from engine.export.plain import plain
from index.store import Store
from tests.support.slow import until
from tests.support.spread import SpreadEmbedder


@pytest.fixture
def fake_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine to which different pictures look different."""
    config = Config(store=Store(tmp_path / "store"))
    with Engine(config, embedder=SpreadEmbedder(config)) as engine:
        yield engine


@pytest.fixture
def images(drawn: Path, tmp_path: Path) -> Path:
    """Twelve renders each of bed, chair and lamp, and a lamp among the beds."""
    folder = tmp_path / "pictures"
    for category in ("bed", "chair", "lamp"):
        shutil.copytree(drawn / category, folder / category)
    first = min((folder / "lamp").iterdir())
    first.rename(folder / "bed" / "wrong.jpg")
    return folder


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """That engine with these pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


def test_the_report_is_the_engine_s_with_ids(client: TestClient, indexed: Engine) -> None:
    report = client.get("/v1/suspects").json()
    assert report == plain(indexed.suspects())
    assert len(report["suspects"]) == report["doubted"] > 1
    for each in report["suspects"]:
        assert client.get(f"/v1/images/{each['id']}").json()["path"] == each["path"]


def test_a_job_finds_the_same(client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"kind": "suspects"}).json()
    until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done")
    ended = client.get(f"/v1/jobs/{job['id']}").json()
    assert ended["result"] == client.get("/v1/suspects").json()


def test_no_more_are_listed_than_are_asked_for(client: TestClient) -> None:
    assert len(client.get("/v1/suspects", params={"k": 1}).json()["suspects"]) == 1
    assert client.get("/v1/suspects", params={"k": 0}).status_code == 400


def test_an_unknown_head_is_not_found(client: TestClient) -> None:
    answer = client.get("/v1/suspects", params={"head": "none"})
    assert (answer.status_code, answer.json()["type"]) == (404, "UnknownHeadError")


def test_where_nothing_is_labelled_nothing_can_be_doubted(
    client: TestClient, indexed: Engine
) -> None:
    for image in indexed.images.page().images:
        indexed.images.relabel(image.id, None)
    assert client.get("/v1/suspects").status_code == 422
