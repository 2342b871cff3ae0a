"""What a request asks about: pictures, ids of images, URLs, and words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from engine.pictures.read import NamedBytes
from engine.pictures.urls import is_url
from server.options import ServerLimits
from server.requests.bodies import JSON, MULTIPART, json_body, limited
from server.requests.names import upload_name
from server.responses.problems import RefusedError

RAW = ("image/", "application/octet-stream")
MIXED_REMEDY = (
    "Send a picture as it is (Content-Type: image/jpeg), one or several as multipart/form-data, "
    'or {"ids": [7]} as application/json'
)
LONGEST_URL = 2000
# Fields of a form, and keys of an object: words that are added, and what is subtracted.
TEXT, NOT = "text", "not"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks about.

    Attributes
    ----------
    images
        Contents of picture files.
    ids
        Images of the catalog.
    urls
        Where pictures are.
    texts
        Words.
    without
        All of these that are subtracted; None where nothing is.
    """

    images: list[bytes] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    without: Asked | None = None

    def __bool__(self) -> bool:
        return bool(self.images or self.ids or self.urls or self.texts)


async def asked_about(request: Request, limits: ServerLimits, *, words: bool = False) -> Asked:
    """Return the pictures, ids, URLs or words that a request brings.

    Parameters
    ----------
    words
        Whether words are understood, and what is subtracted; else they are left out.

    Raises
    ------
    RefusedError
        It brings none of them, too much, or brings it too slowly.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _named(await json_body(request, limits), limits, words)
    if kind == MULTIPART:
        asked = await _parts(limited(request, limits.upload_bytes, limits), limits, words)
    elif kind.startswith(RAW):
        content = await limited(request, limits.upload_bytes, limits).body()
        asked = Asked([NamedBytes.of(content, upload_name(None, 1))])
    else:
        raise RefusedError(
            415, "BodyError", f"Content-Type {kind or 'none'}", "this is no picture", MIXED_REMEDY
        )
    if not asked:
        raise RefusedError(
            400, "BodyError", "the request", "there is no picture in it", MIXED_REMEDY
        )
    return asked


def _named(value: object, limits: ServerLimits, words: bool) -> Asked:
    """Return what an object names: ids or URLs, words, and what is subtracted."""
    named = value if isinstance(value, dict) else {}
    texts = _texts(named[TEXT], limits.pictures) if words and TEXT in named else []
    without = _without(named[NOT], limits) if words and NOT in named else None
    if "urls" in named and "ids" not in named:
        return Asked(urls=_urls(named["urls"], limits.pictures), texts=texts, without=without)
    if texts and "ids" not in named:
        return Asked(texts=texts, without=without)
    ids = named.get("ids") if "urls" not in named else None
    whole = isinstance(ids, list) and all(type(each) is int for each in ids)
    if not ids or not whole or len(ids) > limits.ids:
        raise RefusedError(
            400,
            "BodyError",
            "ids",
            f"these are not 1 to {limits.ids} whole numbers",
            'Send for example {"ids": [7, 12]}',
        )
    return Asked(ids=list(ids), texts=texts, without=without)


def _urls(urls: object, most: int) -> list[str]:
    fit = isinstance(urls, list) and all(
        isinstance(each, str) and is_url(each) and len(each) <= LONGEST_URL for each in urls
    )
    if not isinstance(urls, list) or not fit or not 1 <= len(urls) <= most:
        raise RefusedError(
            400,
            "BodyError",
            "urls",
            f"these are not 1 to {most} addresses of http or https",
            'Send for example {"urls": ["https://pictures.example.org/chair.jpg"]}',
        )
    return list(urls)


def _texts(given: object, most: int) -> list[str]:
    """Return words: one text or a list of some."""
    texts = [given] if isinstance(given, str) else given
    if (
        not isinstance(texts, list)
        or not 1 <= len(texts) <= most
        or not all(isinstance(each, str) for each in texts)
    ):
        raise RefusedError(
            400,
            "BodyError",
            TEXT,
            f"this is no text, and no list of 1 to {most} texts",
            'Send for example {"text": "sofa"}',
        )
    return texts


def _without(given: object, limits: ServerLimits) -> Asked:
    """Return what is subtracted: words, ids and URLs, one or a list of some."""
    several = given if isinstance(given, list) else [given]
    fit = all(isinstance(each, str) or type(each) is int for each in several)
    if not fit or not 1 <= len(several) <= limits.pictures:
        raise RefusedError(
            400,
            "BodyError",
            NOT,
            f"these are not 1 to {limits.pictures} texts, ids, or addresses of http or https",
            'Send for example {"ids": [7], "not": ["wood", 12]}',
        )
    urls = [each for each in several if isinstance(each, str) and is_url(each)]
    return Asked(
        ids=[each for each in several if isinstance(each, int)],
        urls=_urls(urls, limits.pictures) if urls else [],
        texts=[each for each in several if isinstance(each, str) and not is_url(each)],
    )


async def _parts(request: Request, limits: ServerLimits, words: bool) -> Asked:
    """Return what the parts of a form hold: pictures as files, words as fields."""
    try:
        form = await request.form(max_files=limits.pictures, max_fields=32, max_part_size=1 << 12)
    except (HTTPException, MultiPartException, UnicodeError) as error:
        raise RefusedError(
            400,
            "BodyError",
            "the form",
            str(getattr(error, "detail", None) or getattr(error, "message", "it is no form")),
            f"Send up to {limits.pictures} pictures, each as a file of the form",
        ) from None
    added, without = Asked(), Asked()
    count = 0
    try:
        for name, part in form.multi_items():
            asked = without if words and name == NOT else added
            if isinstance(part, UploadFile):
                count += 1
                called = upload_name(part.filename, count)
                asked.images.append(NamedBytes.of(await part.read(), called))
            elif words and name in (TEXT, NOT):
                asked.texts.append(part)
    finally:
        await form.close()
    return Asked(added.images, texts=added.texts, without=without if without else None)


def all_urls(asked: Asked) -> Sequence[str]:
    """Return the URLs of what is added, then of what is subtracted."""
    return [*asked.urls, *(asked.without.urls if asked.without else ())]
