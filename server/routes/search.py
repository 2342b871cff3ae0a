"""`POST /v1/search`: what looks like a picture, or words. `POST /v1/classify`: what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from engine import Classification, Engine, SearchReport
from server.requests.asked import Asked
from server.responses.problems import RefusedError
from server.routes.parameters import PICTURES_OR_URLS, TERMS, Crop, K, Where
from server.service import Service


def search_routes(service: Service) -> APIRouter:
    """Return the routes that take pictures."""
    routes = APIRouter(tags=["Ask"])

    @routes.post("/v1/search", response_model=SearchReport, openapi_extra=TERMS)
    async def search(
        request: Request,
        k: K = 10,
        min_score: Annotated[float | None, Query(ge=-1, le=1)] = None,
        category: Annotated[str | None, Query(max_length=1000)] = None,
        same_category: bool = False,
        where: Where = [],  # noqa: B006
        rank: Annotated[str, Query(pattern="^(fused|plain)$")] = "fused",
        crop: Crop = None,
    ) -> Response:
        """Find the images of the catalog that look most like a picture, or like what words say.

        Of several pictures, ids and texts the mean is searched for, less half of the mean of what
        is `not` meant. `understood` says what words were taken for; where some were not understood
        nothing is found.
        """
        async with service.asked(request, words=True) as asked:
            embedded = await service.embedded(asked.images, crop) if asked.images else ()
            others = asked.without or Asked()
            taken = await service.embedded(others.images, None) if others.images else ()

            def question(engine: Engine) -> SearchReport:
                return engine.search(
                    embedded,
                    k,
                    ids=asked.ids,
                    text=asked.texts,
                    without=taken,
                    without_ids=others.ids,
                    without_text=others.texts,
                    min_score=min_score,
                    category=category,
                    same_category=same_category,
                    where=where,
                    rank=rank,
                    crop=None if asked.images else crop,
                )

            return await service.read(question)

    @routes.post(
        "/v1/classify", response_model=Sequence[Classification], openapi_extra=PICTURES_OR_URLS
    )
    async def classify(
        request: Request,
        k: K = 5,
        head: Annotated[str | None, Query(max_length=200)] = None,
        coverage: Annotated[float | None, Query(gt=0, lt=1)] = None,
        crop: Crop = None,
    ) -> Response:
        """Say what pictures show, each for itself."""
        async with service.asked(request) as asked:
            if asked.ids:
                raise RefusedError(
                    415,
                    "BodyError",
                    "ids",
                    "pictures are classified, and of the catalog's it is known what they show",
                    "Send a picture, or ask for GET /v1/images/ID",
                )
            return await service.look(
                lambda engine: engine.classify(
                    asked.images, k, head=head, coverage=coverage, crop=crop
                )
            )

    return routes
