"""What a client sends: no more of it and no slower than is allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

from python_multipart.multipart import parse_options_header
from starlette.requests import Request
from starlette.types import Message

from server.options import ServerLimits
from server.responses.problems import RefusedError, busy

JSON, MULTIPART = "application/json", "multipart/form-data"
RAW = ("image/", "application/octet-stream")


async def json_body(request: Request, limits: ServerLimits) -> object:
    """Return a body of JSON.

    Raises
    ------
    RefusedError
        It is too large, too slow, or no JSON.
    """
    data = await limited(request, limits.body_bytes, limits).body()
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        raise RefusedError(
            400, "BodyError", "the request's body", "it is no JSON", "Send an object"
        ) from None
    return value


def limited(request: Request, most: int, limits: ServerLimits) -> Request:
    """Return the same request, whose body ends in a refusal where it is too long or too slow."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise _too_large(most)
    deadline = asyncio.get_running_loop().time() + limits.body_seconds
    received = 0

    async def receive() -> Message:
        nonlocal received
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise RefusedError(
                408,
                "BodyError",
                "the request's body",
                f"it did not come within {limits.body_seconds:g} s",
                "Send it faster, or less of it",
                {"Connection": "close"},
            ) from None
        received += len(message.get("body", b""))
        if received > most:
            raise _too_large(most)
        return message

    return Request({**request.scope, "headers": _plain_headers(request)}, receive)


def _plain_headers(request: Request) -> list[tuple[bytes, bytes]]:
    """Return the headers without a client's choice of a codec, of which some take very long."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    plain = kind
    if boundary := options.get(b"boundary"):
        plain += b"; boundary=" + boundary
    others = [each for each in request.scope["headers"] if each[0] != b"content-type"]
    return [*others, (b"content-type", plain)]


def _too_large(most: int) -> RefusedError:
    return RefusedError(
        413,
        "BodyError",
        "the request's body",
        f"it is larger than {most >> 20} MiB",
        "Send smaller or fewer pictures",
        {"Connection": "close"},
    )


class BodyBudget:
    """How much all requests together may send before they are answered.

    Parameters
    ----------
    limits
        `all_bodies_bytes`, and what a body counts that does not say how long it is.
    """

    def __init__(self, limits: ServerLimits) -> None:
        self.taken = 0
        self._limits = limits

    @contextmanager
    def of(self, request: Request, most: int) -> Iterator[None]:
        """Keep room for a request's body for the length of a `with` block.

        Parameters
        ----------
        most
            Bytes that it may have; so many count where it does not say how long it is.

        Raises
        ------
        RefusedError
            There is none at the moment.
        """
        announced = request.headers.get("content-length", "")
        size = most
        if announced.isdecimal():
            size = min(size, int(announced[:20]))
        with self.room(size):
            yield

    @contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Keep room for so many bytes for the length of a `with` block.

        Raises
        ------
        RefusedError
            There is none at the moment.
        """
        if self.taken + size > self._limits.all_bodies_bytes:
            raise busy("all requests", "too much is being sent at once", self._limits.retry_seconds)
        self.taken += size
        try:
            yield
        finally:
            self.taken -= size
