"""Results as answers: the objects that `--json` prints."""

from __future__ import annotations

from starlette.responses import Response

from engine.export.plain import json_text


def answer(value: object, status: int = 200) -> Response:
    """Return a result as JSON; names that are no UTF-8 are escaped, as Python reads them back."""
    return Response(json_text(value), status, media_type="application/json")
