"""`/v1/teach`: what to judge next. `/v1/judgements`: what was judged, remembered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from engine import JudgedCategory, Judgements, Lesson, SavedLesson
from server.options import ServerLimits
from server.requests.bodies import JSON
from server.responses.problems import RefusedError
from server.service import Service

EXAMPLE: dict[str, Any] = {"category": "bed", "yes": [7, 12], "no": [3]}
# Pictures to ask about at a time.
MOST_ASKED = 200


@dataclass(frozen=True, slots=True)
class _Answers:
    """What a body says: a category, ids by what is said of them, and other fields."""

    category: str
    ids: dict[str, list[int]]
    others: dict[str, Any] = field(default_factory=dict)

    def of(self, name: str) -> list[int]:
        return self.ids.get(name, [])


def teach_routes(service: Service) -> APIRouter:
    """Return the routes of judgements, and of what they teach."""
    routes, limits = APIRouter(tags=["Teach"]), service.options.limits

    @routes.post("/v1/teach", response_model=Lesson, openapi_extra=_body(["yes", "no"], "k"))
    async def teach(request: Request) -> Response:
        """Say which pictures to judge next, what was found, and how many there are.

        Nothing is remembered: send all that was judged each time. Of more than 600 answers it is
        learned from 600, drawn at random: the rarer kind first, up to a half.
        """
        body = _answers(await service.told(request), {"yes", "no"}, {"k"}, limits)
        k = body.others.get("k", 12)
        if type(k) is not int or not 1 <= k <= MOST_ASKED:
            raise _refused("k", f"this is no whole number from 1 to {MOST_ASKED}", EXAMPLE)
        return await service.learn(
            lambda engine: engine.teach(body.category, body.of("yes"), body.of("no"), k)
        )

    @routes.post(
        "/v1/teach/save", response_model=SavedLesson, openapi_extra=_body(["yes", "no"], "head")
    )
    async def save_lesson(request: Request) -> Response:
        """Remember what was judged, make a head of all judgements, and classify all images anew.

        A head of that name that learned something else learns the judgements, too.
        """
        body = _answers(await service.told(request), {"yes", "no"}, {"head"}, limits)
        head = body.others.get("head")
        if not isinstance(head, str):
            raise _refused("head", "this is no name", {**EXAMPLE, "head": "furniture"})
        return await service.change(
            lambda engine: engine.save_lesson(
                body.category, body.of("yes"), body.of("no"), head=head
            )
        )

    @routes.get("/v1/judgements", response_model=Sequence[JudgedCategory] | Judgements)
    async def list_judgements(
        category: Annotated[
            str | None, Query(max_length=200, description="Which images were judged for it.")
        ] = None,
    ) -> Response:
        """Count what was judged for each category, or list the images judged for one."""
        return await service.read(
            lambda engine: (
                list(engine.judgements) if category is None else engine.judgements[category]
            )
        )

    @routes.put(
        "/v1/judgements", response_model=Judgements, openapi_extra=_body(["yes", "no", "forget"])
    )
    async def judge(request: Request) -> Response:
        """Remember that images show a category, or do not, or take back what was said of them."""
        body = _answers(await service.told(request), {"yes", "no", "forget"}, set(), limits)
        if not any(body.ids.values()):
            raise _refused("the request's body", "nothing is said of any image", EXAMPLE)
        return await service.change(
            lambda engine: engine.judgements.change(
                body.category, body.of("yes"), body.of("no"), body.of("forget")
            )
        )

    return routes


def _answers(value: object, lists: set[str], others: set[str], limits: ServerLimits) -> _Answers:
    if not isinstance(value, dict) or not set(value) <= {"category", *lists, *others}:
        raise _refused("the request's body", "it is no set of answers", EXAMPLE)
    category = value.get("category")
    if not isinstance(category, str):
        raise _refused("category", "this is no text", EXAMPLE)
    ids = {name: _ids(name, value[name], limits.judged) for name in sorted(lists & set(value))}
    if sum(map(len, ids.values())) > limits.judged:
        raise _refused("the request's body", f"it names more than {limits.judged} images", EXAMPLE)
    return _Answers(category, ids, {name: value[name] for name in others & set(value)})


def _ids(name: str, value: object, most: int) -> list[int]:
    whole = isinstance(value, list) and all(
        type(each) is int and 0 < each < 2**63 for each in value[: most + 1]
    )
    if not whole or not isinstance(value, list) or len(value) > most:
        raise _refused(name, f"these are not at most {most} ids of images", EXAMPLE)
    return list(value)


def _refused(thing: str, reason: str, example: dict[str, Any]) -> RefusedError:
    return RefusedError(400, "BodyError", thing, reason, f"Send for example {json.dumps(example)}")


def _body(lists: Sequence[str], other: str | None = None) -> dict[str, Any]:
    ids = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    properties: dict[str, Any] = {"category": {"type": "string", "maxLength": 200}}
    properties |= dict.fromkeys(lists, ids)
    example, required = dict(EXAMPLE), ["category"]
    if other == "k":
        properties["k"] = {"type": "integer", "minimum": 1, "maximum": MOST_ASKED, "default": 12}
    if other == "head":
        properties["head"] = {"type": "string", "maxLength": 100}
        example["head"] = "furniture"
        required.append("head")
    schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    content = {JSON: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}
