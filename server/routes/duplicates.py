"""`/v1/duplicates`: pictures that are there more than once, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from engine import DuplicateGroup, Engine
from engine.search.duplicates.tidying import RestoreReport, TrashReport, Undoable
from server.requests.bodies import JSON
from server.responses.problems import RefusedError
from server.service import Service

# Images that one request may name, in each of its lists.
MOST = 1000
LONGEST_NAME = 100


def duplicate_routes(service: Service) -> APIRouter:
    """Return the routes of duplicates."""
    routes = APIRouter(tags=["Tidy"])

    @routes.get("/v1/duplicates", response_model=Sequence[DuplicateGroup])
    async def list_duplicates(
        level: Annotated[str, Query(pattern="^(exact|copy|similar)$")] = "copy",
        min_score: Annotated[float | None, Query(ge=-1, le=1)] = None,
        keep: Annotated[str, Query(max_length=1000)] = "largest",
    ) -> Response:
        """List pictures that are the same, or nearly; which would stay, and which may go.

        In a large catalog, ask for a job of the kind `duplicates` instead.
        """
        return await service.read_all(
            lambda engine: engine.duplicates(level=level, min_score=min_score, keep=keep)
        )

    @routes.post(
        "/v1/duplicates/resolve", response_model=TrashReport, openapi_extra=_body(_RESOLVE, _TRASH)
    )
    async def resolve_duplicates(request: Request) -> Response:
        """Move the files of images to the trash, or remember that images are no duplicates.

        `{"trash": [ids], "keep": [ids]}`: each that goes has to be like one that stays. Or
        `{"distinct": [ids]}`, of which no two are listed as duplicates of each other any more.
        Either is taken back by the answer's `undo`.
        """
        body = await service.told(request)
        if isinstance(body, dict) and set(body) == {"distinct"}:
            distinct = _ids(body, "distinct", 2)
            return await service.change(lambda engine: engine.tidying.distinct(distinct))
        if not isinstance(body, dict) or set(body) != {"trash", "keep"}:
            raise _refused("the body", "it says nothing that can be done")
        trash, keep = _ids(body, "trash", 1), _ids(body, "keep", 1)
        return await service.change(lambda engine: engine.tidying.trash(trash, keep=keep))

    @routes.get("/v1/duplicates/undo", response_model=Sequence[Undoable])
    async def list_undoable() -> Response:
        """List what can be undone, the last first."""
        return await service.read_all(lambda engine: engine.tidying.undoable())

    @routes.post(
        "/v1/duplicates/undo", response_model=RestoreReport, openapi_extra=_body(_UNDO, _NAMED)
    )
    async def undo(request: Request) -> Response:
        """Put files back from the trash, or forget that images are no duplicates."""
        body = await service.told(request)
        name = body.get("undo") if isinstance(body, dict) and len(body) == 1 else None
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            raise RefusedError(
                400, "BodyError", "undo", "this is no name", "Send what GET /v1/duplicates/undo has"
            )

        def restore(engine: Engine) -> RestoreReport:
            return engine.tidying.undo(name)

        return await service.change(restore)

    return routes


def _ids(body: dict[str, Any], name: str, least: int) -> list[int]:
    value = body[name]
    whole = isinstance(value, list) and all(type(each) is int for each in value)
    if not whole or not least <= len(value) <= MOST:
        raise _refused(name, f"these are not {least} to {MOST} whole numbers")
    return list(value)


def _refused(thing: str, reason: str) -> RefusedError:
    remedy = 'Send {"trash": [8], "keep": [7]} or {"distinct": [7, 9]}'
    return RefusedError(400, "BodyError", thing, reason, remedy)


def _body(schema: dict[str, Any], example: object) -> dict[str, Any]:
    content = {JSON: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def _some(least: int) -> dict[str, Any]:
    ids = {"type": "integer", "minimum": 1}
    return {"type": "array", "items": ids, "minItems": least, "maxItems": MOST}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_RESOLVE = {
    "oneOf": [_object({"trash": _some(1), "keep": _some(1)}), _object({"distinct": _some(2)})]
}
_TRASH = {"trash": [8], "keep": [7]}
_UNDO = _object({"undo": {"type": "string", "maxLength": LONGEST_NAME}})
_NAMED = {"undo": "moved-20260131T120000Z"}
