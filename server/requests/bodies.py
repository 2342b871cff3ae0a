"""What a client sends: pictures, or ids of images, no more of it and no slower than is allowed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message

from engine.pictures.read import NamedBytes
from engine.pictures.urls import is_url
from server.options import ServerLimits
from server.requests.names import upload_name
from server.responses.problems import RefusedError, busy

JSON, MULTIPART = "application/json", "multipart/form-data"
RAW = ("image/", "application/octet-stream")
MIXED_REMEDY = (
    "Send a picture as it is (Content-Type: image/jpeg), one or several as multipart/form-data, "
    'or {"ids": [7]} as application/json'
)
LONGEST_URL = 2000


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks about.

    Attributes
    ----------
    images
        Contents of picture files.
    ids
        Images of the catalog.
    urls
        Where pictures are.
    """

    images: list[bytes] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)


async def asked_about(request: Request, limits: ServerLimits) -> Asked:
    """Return the pictures, or the ids or URLs, that a request brings.

    Raises
    ------
    RefusedError
        It brings none of them, too much, or brings it too slowly.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _named(await json_body(request, limits), limits)
    images: list[bytes]
    if kind == MULTIPART:
        images = await _parts(_limited(request, limits.upload_bytes, limits), limits)
    elif kind.startswith(RAW):
        content = await _limited(request, limits.upload_bytes, limits).body()
        images = [NamedBytes.of(content, upload_name(None, 1))]
    else:
        raise RefusedError(
            415, "BodyError", f"Content-Type {kind or 'none'}", "this is no picture", MIXED_REMEDY
        )
    if not images:
        raise RefusedError(
            400, "BodyError", "the request", "there is no picture in it", MIXED_REMEDY
        )
    return Asked(images)


async def json_body(request: Request, limits: ServerLimits) -> object:
    """Return a body of JSON.

    Raises
    ------
    RefusedError
        It is too large, too slow, or no JSON.
    """
    data = await _limited(request, limits.body_bytes, limits).body()
    try:
        value: object = json.loads(data)
    except (ValueError, RecursionError):
        raise RefusedError(
            400, "BodyError", "the request's body", "it is no JSON", "Send an object"
        ) from None
    return value


def _named(value: object, limits: ServerLimits) -> Asked:
    """Return what an object names: ids, or URLs."""
    named = value if isinstance(value, dict) else {}
    if "urls" in named and "ids" not in named:
        return Asked(urls=_urls(named["urls"], limits.pictures))
    ids = named.get("ids") if "urls" not in named else None
    whole = isinstance(ids, list) and all(type(each) is int for each in ids)
    if not ids or not whole or len(ids) > limits.ids:
        raise RefusedError(
            400,
            "BodyError",
            "ids",
            f"these are not 1 to {limits.ids} whole numbers",
            'Send for example {"ids": [7, 12]}',
        )
    return Asked(ids=list(ids))


def _urls(urls: object, most: int) -> list[str]:
    fit = isinstance(urls, list) and all(
        isinstance(each, str) and is_url(each) and len(each) <= LONGEST_URL for each in urls
    )
    if not isinstance(urls, list) or not fit or not 1 <= len(urls) <= most:
        raise RefusedError(
            400,
            "BodyError",
            "urls",
            f"these are not 1 to {most} addresses of http or https",
            'Send for example {"urls": ["https://pictures.example.org/chair.jpg"]}',
        )
    return list(urls)


async def _parts(request: Request, limits: ServerLimits) -> list[bytes]:
    images: list[bytes] = []
    try:
        form = await request.form(max_files=limits.pictures, max_fields=32, max_part_size=1 << 12)
    except (HTTPException, MultiPartException, UnicodeError) as error:
        raise RefusedError(
            400,
            "BodyError",
            "the form",
            str(getattr(error, "detail", None) or getattr(error, "message", "it is no form")),
            f"Send up to {limits.pictures} pictures, each as a file of the form",
        ) from None
    try:
        for _, part in form.multi_items():
            if isinstance(part, UploadFile):
                name = upload_name(part.filename, len(images) + 1)
                images.append(NamedBytes.of(await part.read(), name))
        return images
    finally:
        await form.close()


def _limited(request: Request, most: int, limits: ServerLimits) -> Request:
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
