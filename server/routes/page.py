"""`/` and `/page/...`: the page, a fixed table of files that are in memory from the start."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.service import Service

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
FIRST = "index.html"
# A browser asks each time whether it has changed: another release is shown at once.
CACHED = "no-cache"


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file of the page.

    Attributes
    ----------
    data, compressed
        What is in it, and the same by gzip.
    media_type
        What it is.
    tag
        Its ETag: another content has another one. A weak one, as it is of both forms.
    """

    data: bytes
    compressed: bytes
    media_type: str
    tag: str

    @classmethod
    def of(cls, data: bytes, media_type: str) -> PageFile:
        """Return a file of such content."""
        tag = f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'
        return cls(data, gzip.compress(data, 9, mtime=0), media_type, tag)

    def answer(self, request: Request) -> Response:
        """Return it, or that it is as a browser has it."""
        headers = {"etag": self.tag, "cache-control": CACHED, "vary": "accept-encoding"}
        if self.tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            return Response(self.compressed, headers=headers, media_type=self.media_type)
        return Response(self.data, headers=headers, media_type=self.media_type)


def page_files() -> Mapping[str, PageFile]:
    """Return all files of the page by their names below `/page/`."""
    return dict(_below(files("server") / "page", ""))


def _below(folder: Traversable, prefix: str) -> list[tuple[str, PageFile]]:
    found = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _below(entry, f"{name}/")
        elif media_type := MEDIA_TYPES.get(entry.name[entry.name.rfind(".") :]):
            found.append((name, PageFile.of(entry.read_bytes(), media_type)))
    return found


def page_routes(_: Service) -> APIRouter:
    """Return the routes of the page; programs have no use for them, so OpenAPI leaves them out."""
    routes, table = APIRouter(include_in_schema=False), page_files()

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def show_page(request: Request) -> Response:
        """Return the page."""
        return table[FIRST].answer(request)

    @routes.api_route("/page/{name:path}", methods=["GET", "HEAD"])
    async def show_file(request: Request, name: str) -> Response:
        """Return a file that the page is made of."""
        if name not in table or name == FIRST:
            raise HTTPException(404)
        return table[name].answer(request)

    return routes
