"""What a service has ready before anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import Engine
from server.app import create_app
from server.options import ServerLimits, ServerOptions
from server.service import FIRST_SIDE, Service


@contextmanager
def warm(engine: Engine, limits: ServerLimits | None = None) -> Iterator[Service]:
    """A service that has begun."""
    service = create_app(engine, ServerOptions(limits=limits or ServerLimits())).service
    try:
        asyncio.run(service.warm_up())
        yield service
    finally:
        service.close(30)


def test_the_pictures_that_are_seen_first_have_thumbnails(indexed: Engine) -> None:
    with warm(indexed) as service:
        for image in indexed.images.page().images:
            assert service.thumbnails.cached(image, FIRST_SIDE) is not None


def test_a_picture_that_is_gone_keeps_no_other_from_it(indexed: Engine) -> None:
    first, second, *_ = indexed.images.page().images
    Path(first.path).unlink()
    with warm(indexed) as service:
        assert service.thumbnails.cached(first, FIRST_SIDE) is None
        assert service.thumbnails.cached(second, FIRST_SIDE) is not None


@pytest.mark.parametrize(
    "limits", [ServerLimits(thumbnail_sides=(128,)), ServerLimits(thumbnail_bytes=0)]
)
def test_none_is_made_that_nobody_can_ask_for(indexed: Engine, limits: ServerLimits) -> None:
    cached = indexed.config.cache / "thumbnails"
    before = set(cached.rglob("*-256"))
    with warm(indexed, limits):
        assert set(cached.rglob("*-256")) == before


def test_without_a_store_nothing_fails_and_none_is_made(fake_engine: Engine) -> None:
    with warm(fake_engine):
        assert not fake_engine.config.store.folder.exists()
