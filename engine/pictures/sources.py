"""Pictures handed in: a path, a URL, bytes, or `-` for standard input."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from engine.config import Config
from engine.errors import ImageError
from engine.pictures.decode import read_file

ImageLike: TypeAlias = str | Path | bytes
STDIN = "-"


def source_name(image: ImageLike) -> str:
    """Return what to call a picture that was handed in."""
    if isinstance(image, bytes):
        return f"<{len(image)} bytes>"
    return "<stdin>" if image == STDIN else os.fspath(image)


def read_source(image: ImageLike, config: Config, announce: Callable[[str], None]) -> bytes:
    """Return the bytes of a picture that was handed in.

    Raises
    ------
    ImageError
        It cannot be read, or is empty.
    FetchError
        It cannot be fetched.
    """
    if isinstance(image, bytes):
        data = image
    elif image == STDIN:
        data = sys.stdin.buffer.read()
    elif (text := os.fspath(image)).startswith(("http://", "https://")):
        from engine.pictures.download import fetch_bytes

        announce(f"fetching {text} (at most {config.url_bytes / 1e6:.0f} MB)")
        data = fetch_bytes(text, config.url_bytes, config.url_seconds)
    else:
        return read_file(text)
    if not data:
        raise ImageError(source_name(image), "there is nothing in it (0 bytes)", "Send a picture")
    return data
