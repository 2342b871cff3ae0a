"""`GET /v1/map`: where the images of the catalog lie in a plane."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from engine.search.map.results import CatalogMap
from server.service import Service


def map_routes(service: Service) -> APIRouter:
    """Return the route of the map."""
    routes = APIRouter(tags=["Tidy"])

    @routes.get("/v1/map", response_model=CatalogMap, responses=_EXAMPLE)
    async def show_map(
        method: Annotated[
            str | None,
            Query(
                pattern="^(pca|umap)$",
                description="By default umap, where a job of the kind `map` has made one.",
            ),
        ] = None,
        colours: Annotated[
            str,
            Query(
                pattern="^(category|label)$",
                description="By what images are told apart: what the engine or a person says.",
            ),
        ] = "category",
    ) -> Response:
        """Return a position for each image, 0 to 1, so that what looks alike lies side by side.

        `stale` says that the catalog has changed since: images that are new are not in it.
        """
        return await service.read_all(lambda engine: engine.maps.show(method, colours=colours))

    return routes


_EXAMPLE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {
                "example": {
                    "method": "umap",
                    "ids": [7, 8],
                    "x": [0.25, 1.0],
                    "y": [0.5, 0.375],
                    "categories": ["chair"],
                    "category": [0, -1],
                    "stale": False,
                }
            }
        }
    }
}
