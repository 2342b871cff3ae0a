"""What a service has ready before anybody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import Engine
from server.app import create_app
from server.service import FIRST_SIDE, Service


@contextmanager
def warm(engine: Engine) -> Iterator[Service]:
    """A service that has begun."""
    service = create_app(engine).service
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


def test_without_a_store_nothing_fails_and_none_is_made(fake_engine: Engine) -> None:
    with warm(fake_engine):
        assert not fake_engine.config.store.folder.exists()
