"""`GET /v1/duplicates`: pictures that are there more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from engine import DuplicateGroup
from server.service import Service


def duplicate_routes(service: Service) -> APIRouter:
    """Return the route of duplicates."""
    routes = APIRouter(tags=["Images"])

    @routes.get("/v1/duplicates", response_model=Sequence[DuplicateGroup])
    async def list_duplicates(
        level: Annotated[str, Query(pattern="^(exact|copy|similar)$")] = "copy",
        min_score: Annotated[float | None, Query(ge=-1, le=1)] = None,
        keep: Annotated[str, Query(max_length=1000)] = "largest",
    ) -> Response:
        """List pictures that are the same, or nearly; which would stay, and which may go."""
        return await service.read_all(
            lambda engine: engine.duplicates(level=level, min_score=min_score, keep=keep)
        )

    return routes
