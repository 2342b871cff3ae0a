"""Small copies: what is left of an image that is forgotten while its copy is made or read."""

from __future__ import annotations

import pytest

from engine import Engine
from engine.image_collection import ImageCollection
from server.options import ServerLimits
from server.thumbnails.disk_cache import DiskCache
from server.thumbnails.thumbnails import Thumbnails

SIDE = 128


@pytest.mark.parametrize("on_disk", [False, True])
def test_nothing_is_left_of_an_image_that_is_forgotten_meanwhile(
    indexed: Engine, monkeypatch: pytest.MonkeyPatch, on_disk: bool
) -> None:
    thumbnails, image = Thumbnails(indexed, ServerLimits()), indexed.images[3]
    if on_disk:
        Thumbnails(indexed, ServerLimits()).of(image, SIDE)

    def forget() -> None:
        monkeypatch.undo()
        indexed.images.forget([image.id])
        thumbnails.forget(image)

    drawn, read = ImageCollection.thumbnail, DiskCache.read

    def late_drawn(self: ImageCollection, image_id: int, side: int) -> bytes:
        data = drawn(self, image_id, side)
        forget()
        return data

    def late_read(self: DiskCache, name: str) -> bytes | None:
        data = read(self, name)
        if data is not None:
            forget()
        return data

    monkeypatch.setattr(ImageCollection, "thumbnail", late_drawn)
    monkeypatch.setattr(DiskCache, "read", late_read)
    assert thumbnails.of(image, SIDE)
    assert thumbnails.cached(image, SIDE) is None
    assert Thumbnails(indexed, ServerLimits()).cached(image, SIDE) is None


def test_a_copy_stays_as_long_as_its_image(indexed: Engine) -> None:
    image = indexed.images[3]
    made = Thumbnails(indexed, ServerLimits()).of(image, SIDE)
    assert Thumbnails(indexed, ServerLimits()).cached(image, SIDE) == made
