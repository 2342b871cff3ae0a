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
_PICTURE_PARTS = {"pictures": {"type": "array", "items": BINARY}}
_EXAMPLE_PARTS = {"pictures": ["(the bytes of front.jpg)", "(the bytes of side.jpg)"]}
_RAW = {"image/*": {"schema": BINARY, "example": "(the bytes of chair.jpg)"}}
_PICTURES: dict[str, Any] = {
    MULTIPART: {
        "schema": {
            "type": "object",
            "properties": _PICTURE_PARTS,
            "required": ["pictures"],
        },
        "example": _EXAMPLE_PARTS,
    },
    **_RAW,
}
_IDS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
    "minItems": 1,
}
_URL = {"type": "string", "format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}
_URLS_SCHEMA = {
    "type": "object",
    "description": "Where the service was started with --allow-urls.",
    "properties": {"urls": {"type": "array", "items": _URL, "minItems": 1}},
    "required": ["urls"],
}
_URLS_EXAMPLE = {
    "summary": "Pictures of the web",
    "value": {"urls": ["https://pictures.example.org/chair.jpg"]},
}
_URLS = {JSON: {"schema": _URLS_SCHEMA, "examples": {"urls": _URLS_EXAMPLE}}}
_WORDS = {"type": "string", "minLength": 1, "maxLength": 1000, "pattern": "\\S"}
_TEXT = {
    "description": "Words, alone or beside pictures.",
    "anyOf": [_WORDS, {"type": "array", "items": _WORDS, "minItems": 1, "maxItems": 16}],
}
_TAKEN = {"anyOf": [_WORDS, {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}]}
_NOT = {
    "description": "What is subtracted: words, ids of images, and URLs where these are allowed.",
    "anyOf": [_TAKEN, {"type": "array", "items": _TAKEN, "minItems": 1, "maxItems": 16}],
}
_OPTIONAL = {"text": _TEXT, "not": _NOT}
_TERMS_JSON = {
    "schema": {
        "anyOf": [
            {"type": "object", "properties": {"ids": _IDS, **_OPTIONAL}, "required": ["ids"]},
            {
                **_URLS_SCHEMA,
                "properties": {**_URLS_SCHEMA["properties"], **_OPTIONAL},  # type: ignore[dict-item]
            },
            {"type": "object", "properties": _OPTIONAL, "required": ["text"]},
        ]
    },
    "examples": {
        "text": {"summary": "Words", "value": {"text": "sofa"}},
        "ids": {"summary": "Images of the catalog", "value": {"ids": [7]}},
        "both": {
            "summary": "An image and words, less other words",
            "value": {"ids": [7], "text": "rocking chair", "not": ["wood"]},
        },
        "urls": _URLS_EXAMPLE,
    },
}
_TERMS_FORM = {
    "schema": {
        "type": "object",
        "properties": {
            **_PICTURE_PARTS,
            "text": {"type": "array", "items": _WORDS},
            "not": {
                "description": "Words as a field, a picture as a file.",
                "type": "array",
                "items": _WORDS,
            },
        },
        "anyOf": [{"required": ["pictures"]}, {"required": ["text"]}],
    },
    "example": {**_EXAMPLE_PARTS, "text": ["rocking chair"], "not": ["wood"]},
}
PICTURES = {"requestBody": {"required": True, "content": _PICTURES}}
PICTURES_OR_URLS = {"requestBody": {"required": True, "content": {**_PICTURES, **_URLS}}}
TERMS = {
    "requestBody": {
        "required": True,
        "content": {MULTIPART: _TERMS_FORM, **_RAW, JSON: _TERMS_JSON},
    }
}
