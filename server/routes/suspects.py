"""`GET /v1/suspects`: pictures whose label is doubted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from engine import SuspectReport
from server.service import Service


def suspect_routes(service: Service) -> APIRouter:
    """Return the route of doubted labels."""
    routes = APIRouter(tags=["Tidy"])

    @routes.get("/v1/suspects", response_model=SuspectReport)
    async def list_suspects(
        k: Annotated[int | None, Query(ge=1, le=10_000, description="How many at most.")] = None,
        head: Annotated[
            str | None, Query(max_length=200, description="Look at what this head learned from.")
        ] = None,
    ) -> Response:
        """List pictures whose label is less likely than another category, the most doubted first.

        Each is judged by layers that have not seen it, which takes seconds: in a large catalog ask
        for a job of the kind `suspects` instead. `PATCH /v1/images/{image_id}` sets a label.
        """
        return await service.read_all(lambda engine: engine.suspects(head=head, k=k))

    return routes
