"""Pictures named by a URL: a URL comes in, and bytes go out.

All that a server may do is within one `UrlLimits` (`engine/config.py`): http and https alone, one
deadline for everything, so many bytes and redirects, and only addresses that may be asked. Here is
what counts as a URL, and whether one may be fetched at all; what speaks to a network is in
`fetch.py` and below, and imported where something is fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from engine.config import UrlLimits
from engine.errors import UsageError
from engine.pictures.sources.paths import is_remote

# For URLs that somebody unknown has named.
STRANGERS = UrlLimits(
    allowed=True, internal=False, bytes=20_000_000, seconds=10, redirects=3, ports=(80, 443)
)
# Schemes are written in any case.
_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(text: str) -> bool:
    """Say whether this names a picture on a server, not a file."""
    return _URL.match(text) is not None


def refuse_urls(images: Iterable[str | Path | bytes], limits: UrlLimits) -> None:
    """Refuse images that are URLs where none may be fetched, before anything else is done.

    Raises
    ------
    UsageError
        One is a URL.
    """
    if limits.allowed:
        return
    for image in images:
        if not isinstance(image, bytes) and is_remote(os.fspath(image)):
            raise UsageError(
                image,
                "URLs are not fetched here (--no-urls, ENGINE_NO_URLS or UrlLimits)",
                "Save the picture and name the file",
            )
