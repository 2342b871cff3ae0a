"""The parameters that several routes have, as OpenAPI tells them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query

from server.requests.bodies import JSON, MULTIPART

K = Annotated[int, Query(ge=1, le=1000, description="How many to return.")]
Where = Annotated[
    list[str],
    Query(
        description="A condition such as `label=chair` or `width>=800`; several hold at once.",
        max_length=32,
    ),
]
Crop = Annotated[
    str | None,
    Query(
        description="The part of each picture to look at: left, top, width and height, in pixels, "
        "or in fractions where none is above 1.",
        examples=["0.5,0,0.5,1"],
        max_length=100,
    ),
]
ImageId = Annotated[int, Path(ge=1, lt=2**63, description="An image of the catalog.")]
HeadName = Annotated[str, Path(max_length=200, description="A head of the store.")]
BINARY = {"type": "string", "format": "binary"}
_PICTURES: dict[str, Any] = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "properties": {"pictures": {"type": "array", "items": BINARY}},
            "required": ["pictures"],
        },
        "example": {"pictures": ["(the bytes of front.jpg)", "(the bytes of side.jpg)"]},
    },
    "image/*": {"schema": BINARY, "example": "(the bytes of chair.jpg)"},
}
_IDS_SCHEMA = {
    "type": "object",
    "properties": {
        "ids": {
            "type": "array",
            "items": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
            "minItems": 1,
        }
    },
    "required": ["ids"],
}
_URLS_SCHEMA = {
    "type": "object",
    "description": "Where the service was started with --allow-urls.",
    "properties": {
        "urls": {
            "type": "array",
            "items": {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"},
            "minItems": 1,
        }
    },
    "required": ["urls"],
}
_URLS_EXAMPLE = {
    "summary": "Pictures of the web",
    "value": {"urls": ["https://pictures.example.org/chair.jpg"]},
}
_IDS_EXAMPLE = {"summary": "Images of the catalog", "value": {"ids": [7]}}
_URLS = {JSON: {"schema": _URLS_SCHEMA, "examples": {"urls": _URLS_EXAMPLE}}}
_URLS_OR_IDS = {
    JSON: {
        "schema": {"anyOf": [_IDS_SCHEMA, _URLS_SCHEMA]},
        "examples": {"ids": _IDS_EXAMPLE, "urls": _URLS_EXAMPLE},
    }
}
PICTURES = {"requestBody": {"required": True, "content": _PICTURES}}
PICTURES_OR_URLS = {"requestBody": {"required": True, "content": {**_PICTURES, **_URLS}}}
PICTURES_URLS_OR_IDS = {"requestBody": {"required": True, "content": {**_PICTURES, **_URLS_OR_IDS}}}
