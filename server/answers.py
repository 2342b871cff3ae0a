"""Results as answers: the objects that `--json` prints."""

from __future__ import annotations

import json

from starlette.responses import Response

from engine.export.plain import plain


def answer(value: object, status: int = 200) -> Response:
    """Return a result as JSON; names that are no UTF-8 are escaped, as Python reads them back."""
    body = json.dumps(plain(value), separators=(",", ":"))
    return Response(body, status, media_type="application/json")
