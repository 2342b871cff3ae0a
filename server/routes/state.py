"""Whether the service runs, whether it can answer, and what it has counted."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from engine import Status
from engine.errors import EngineError
from server import metrics
from server.requests.bodies import JSON
from server.responses.answers import answer
from server.service import Service

TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}
_IS_READY = {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]}
READY: dict[int | str, dict[str, Any]] = {200: {"content": {JSON: {"schema": _IS_READY}}}}


def state_routes(service: Service) -> APIRouter:
    """Return the routes for whoever runs the service."""
    routes = APIRouter(tags=["State"])

    @routes.get("/healthz", response_class=Response, responses=TEXT)
    async def is_running() -> Response:
        """Say that the service runs."""
        return Response("ok\n", media_type="text/plain")

    @routes.get("/readyz", response_class=Response, responses=READY)
    async def is_ready() -> Response:
        """Say whether there is a catalog and its backbone has started."""
        # Not behind what waits: that it is busy does not make it unready.
        await service.state.run(service.engine.start)
        return answer({"ready": True})

    @routes.get("/v1/status", response_model=Status)
    async def status() -> Response:
        """Say what the store holds, and whether it is in order: all of it is read."""
        return await service.read_all(lambda engine: engine.status())

    @routes.get("/metrics", response_class=Response, responses=TEXT)
    async def figures() -> Response:
        """Return what was counted, for Prometheus."""

        def text() -> bytes:
            found = None
            with suppress(EngineError):
                found = service.engine.figures()
            return service.metrics.text(found)

        # Not behind what waits: that is what it tells of.
        return Response(await service.state.run(text), media_type=metrics.MEDIA_TYPE)

    return routes
