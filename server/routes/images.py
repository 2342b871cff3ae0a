"""`/v1/images`: the images of the catalog, looked at, labelled and forgotten."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Annotated, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine import Engine
from engine.image_collection import ImageInfo, ImagePage
from server.responses.problems import RefusedError
from server.routes.parameters import BINARY, ImageId, Where
from server.service import Service
from server.thumbnails.thumbnails import MEDIA_TYPE, is_of_content, require_side

# Bytes of a file that are sent at a time.
CHUNK = 1 << 18
# Where a thumbnail's address does not say which content it is of, its tag does.
CACHED = "private, max-age=60"
OF_CONTENT = "private, max-age=31536000, immutable"


def image_routes(service: Service) -> APIRouter:
    """Return the routes of images."""
    routes, limits = APIRouter(tags=["Images"]), service.options.limits
    thumbnails = service.thumbnails

    @routes.get("/v1/images", response_model=ImagePage)
    async def list_images(
        where: Where = [],  # noqa: B006
        cursor: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """List images by their ids; `cursor` of an answer asks for those that follow."""
        return await service.read(
            lambda engine: engine.images.page(where, after=cursor, limit=limit)
        )

    @routes.get("/v1/images/{image_id}", response_model=ImageInfo)
    async def show_image(image_id: ImageId) -> Response:
        """Return what the catalog knows of an image."""
        return await service.read(lambda engine: engine.images[image_id])

    @routes.patch("/v1/images/{image_id}", response_model=ImageInfo, openapi_extra=_LABEL)
    async def label_image(request: Request, image_id: ImageId) -> Response:
        """Set the label of an image, or take it away with null."""
        label = _label(await service.told(request))
        return await service.change(lambda engine: engine.images.relabel(image_id, label))

    @routes.delete("/v1/images/{image_id}", status_code=204)
    async def forget_image(image_id: ImageId) -> Response:
        """Forget an image; its file is left alone."""

        def forget(engine: Engine) -> None:
            image = engine.images[image_id]
            engine.images.forget([image_id])
            thumbnails.forget(image)

        await service.change(forget)
        return Response(status_code=204)

    @routes.get(
        "/v1/images/{image_id}/thumbnail",
        response_class=Response,
        responses={
            200: {"content": {MEDIA_TYPE: {"schema": BINARY}}},
            304: {"description": "The one that the client has is of this content."},
        },
    )
    async def show_thumbnail(
        request: Request,
        image_id: ImageId,
        size: Annotated[int, Query(examples=[256])] = 256,
        v: Annotated[
            str | None,
            Query(
                max_length=64,
                description="The first 8 digits or more of the image's `content_hash`: what is of "
                "that content may be cached for ever.",
                examples=["9f86d081884c7d65"],
            ),
        ] = None,
    ) -> Response:
        """Return a small copy, 128, 256 or 512 pixels on its longer side."""
        side = require_side(size, limits.thumbnail_sides)
        known = request.headers.get("if-none-match", "")

        def found() -> tuple[ImageInfo, str, bytes | None]:
            image = service.engine.images[image_id]
            tag = f'"{image.content_hash[:32]}-{side}"'
            return image, tag, None if tag in known else thumbnails.cached(image, side)

        image, tag, data = await service.reads.run(found)
        headers = {"etag": tag, "cache-control": OF_CONTENT if is_of_content(v, image) else CACHED}
        if tag in known:
            return Response(status_code=304, headers=headers)
        if data is None:
            data = await service.pictures.run(lambda: thumbnails.of(image, side))
        return Response(data, headers=headers, media_type=MEDIA_TYPE)

    @routes.get(
        "/v1/images/{image_id}/file",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {"schema": BINARY}}}},
    )
    async def fetch_file(image_id: ImageId) -> Response:
        """Return the picture's own file, to be saved and not shown."""
        images = service.engine.images
        image = await service.reads.run(lambda: images[image_id])
        file = await service.slow.run(lambda: images.open(image_id))
        name = quote(os.fsencode(os.path.basename(image.path)))
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "content-length": str(os.fstat(file.fileno()).st_size),
        }
        return StreamingResponse(
            _pieces(file),
            headers=headers,
            media_type="application/octet-stream",
        )

    return routes


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file piece by piece, and close it, however far its reader comes."""
    with file:
        yield from iter(partial(file.read, CHUNK), b"")


_LABEL = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"label": {"type": ["string", "null"]}},
                    "required": ["label"],
                },
                "example": {"label": "chair"},
            }
        },
    }
}


def _label(value: object) -> str | None:
    if not isinstance(value, dict) or set(value) != {"label"}:
        raise _refused_label()
    label = value["label"]
    if label is not None and not isinstance(label, str):
        raise _refused_label()
    return label


def _refused_label() -> RefusedError:
    return RefusedError(
        400, "BodyError", "label", "this is no label", 'Send {"label": "chair"} or {"label": null}'
    )
