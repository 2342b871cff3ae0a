"""`/v1/heads`: what was learned. `/v1/categories`: what there is of each category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from engine import HeadInfo, HeadReport
from server.jobs.training import SOURCES, training
from server.routes.job_schemas import JOB, asking
from server.routes.parameters import HeadName
from server.service import Service


def head_routes(service: Service) -> APIRouter:
    """Return the routes of heads."""
    routes = APIRouter(tags=["Heads"])

    @routes.get("/v1/heads", response_model=Sequence[HeadInfo])
    async def list_heads() -> Response:
        """List the heads of the store by name."""
        return await service.read(lambda engine: list(engine.heads))

    @routes.post(
        "/v1/heads",
        status_code=202,
        response_class=Response,
        responses=JOB,
        openapi_extra=asking(
            {
                "name": {"type": "string"},
                "from": {"type": "string", "enum": list(SOURCES)},
                "fast": {"type": "boolean"},
            },
            ["name"],
            {"name": "rooms", "from": "labels", "fast": False},
        ),
    )
    async def train_head(request: Request) -> Response:
        """Begin to train a head; one of that name is replaced when it is done."""
        service.require_writable()
        return await service.begin(training(await service.told(request)))

    @routes.get("/v1/heads/{name}", response_model=HeadInfo)
    async def show_head(name: HeadName) -> Response:
        """Return what a head knows."""
        return await service.read(lambda engine: engine.heads[name])

    @routes.get("/v1/heads/{name}/report", response_model=HeadReport)
    async def report_head(name: HeadName) -> Response:
        """Tell how good a head is, and how it came to be."""
        return await service.read(lambda engine: engine.report(name))

    @routes.delete("/v1/heads/{name}", status_code=204)
    async def delete_head(name: HeadName) -> Response:
        """Forget a head; the catalog's images are classified anew without it."""
        await service.change(lambda engine: engine.heads.delete(name))
        return Response(status_code=204)

    @routes.get("/v1/categories", response_model=Mapping[str, int])
    async def list_categories() -> Response:
        """Count the images of each category that the engine sees in the catalog."""
        return await service.read(lambda engine: engine.images.categories())

    return routes
