"""What OpenAPI is told of answers that say what is wrong: the same for every route."""

from __future__ import annotations

from typing import Any

from server.responses.problems import MEDIA_TYPE

_TEXTS = ("type", "title", "detail", "thing", "reason", "remedy")
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Problem details (RFC 9457). `type` is the name of the engine's error, or of a "
    "refusal before it was asked.",
    "properties": {
        **{name: {"type": "string"} for name in _TEXTS},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
    },
    "required": [*_TEXTS, "status"],
    "example": {
        "type": "UnknownImageError",
        "title": "the catalog has no such image",
        "status": 404,
        "detail": "image 4711: the catalog has no such image. List the images anew",
        "thing": "image 4711",
        "reason": "the catalog has no such image",
        "remedy": "List the images anew",
    },
}


def _told(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: _told("A parameter, a condition or the body is wrong, or the service is not known by that "
               "name."),
    401: _told("The token is missing."),
    403: _told("Another web site asks, or that is not allowed here."),
    404: _told("There is no such image, head, category, job or route."),
    409: _told("Another process, or a job, writes to the store; or there is no catalog."),
    422: _told("The picture cannot be used, or too little is there to learn from."),
    429: _told("Too often; `Retry-After` says when to come again."),
    503: _told("Too much at once; `Retry-After` says when to come again."),
    "default": _told("What else is wrong."),
}  # fmt: skip


def with_problems(described: dict[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI describes, with the object that all problems are, and null for NaN."""
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    # FastAPI's own, which no route answers with.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for schema in schemas.values():
        _let_be_null(schema)
    schemas["Problem"] = PROBLEM
    return described


def _let_be_null(schema: Any) -> None:
    """Say of each number of a result that null stands for NaN: JSON has none."""
    if isinstance(schema, dict):
        if schema.get("type") == "number":
            schema["type"] = ["number", "null"]
        for each in schema.values():
            _let_be_null(each)
    elif isinstance(schema, list):
        for each in schema:
            _let_be_null(each)
