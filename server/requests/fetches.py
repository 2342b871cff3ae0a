"""Pictures that clients name by URLs, fetched where whoever runs the service allows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from engine.pictures.read import NamedBytes
from engine.pictures.urls.addresses import look_up
from engine.pictures.urls.connection import LookUp
from engine.pictures.urls.fetch import fetch_bytes
from server.options import ServerOptions
from server.requests.bodies import BodyBudget
from server.requests.names import shown_name
from server.responses.problems import RefusedError
from server.work_queue import WorkQueue


class Fetches:
    """Fetches on threads of their own: a server that is slow holds up no other request.

    Parameters
    ----------
    options
        `urls` says whether and within which limits; all URLs of a request together bring no more
        than an upload may, and take no longer.
    queue
        Where it is done.
    bodies
        Room for what comes.
    look_up
        What finds the addresses of a host.
    """

    def __init__(
        self,
        options: ServerOptions,
        queue: WorkQueue,
        bodies: BodyBudget,
        *,
        look_up: LookUp = look_up,
    ) -> None:
        self._options = options
        self._queue = queue
        self._bodies = bodies
        self._look_up = look_up

    async def images(self, urls: Sequence[str]) -> list[bytes]:
        """Return what URLs hold.

        Raises
        ------
        RefusedError
            None is fetched here, or too much is fetched at the moment.
        FetchError
            One cannot be fetched, or may not be.
        """
        if self._options.urls is None:
            raise RefusedError(
                403,
                "UrlError",
                "urls",
                "pictures are not fetched from URLs here",
                "Send the picture itself, or start the service with --allow-urls",
            )
        with self._bodies.room(self._options.limits.upload_bytes):
            return await self._queue.run(lambda: self._fetched(urls))

    def _fetched(self, urls: Sequence[str]) -> list[bytes]:
        limits, whole = self._options.urls, self._options.limits
        assert limits is not None
        until, left = monotonic() + whole.body_seconds, whole.upload_bytes
        images: list[bytes] = []
        for url in urls:
            seconds = max(0.001, min(limits.seconds, until - monotonic()))
            each = replace(limits, seconds=seconds, bytes=max(1, min(limits.bytes, left)))
            data = fetch_bytes(url, each, _nobody, look_up=self._look_up)
            left -= len(data)
            images.append(NamedBytes.of(data, shown_name(url)))
        return images


def _nobody(text: str) -> None:
    """Hear nothing: who runs the service has allowed it."""
