"""What pictures are called that clients send: by a name that is safe to show, and short."""

from __future__ import annotations

import re

LONGEST = 100
# Control characters, and marks that turn the direction of writing; half a surrogate pair is no
# character at all.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def upload_name(name: str | None, number: int) -> str:
    """Return what to call a picture that a client has sent.

    Parameters
    ----------
    name
        What the client calls it, where it says so: a file's name, of any folder.
    number
        Which one of the request it is, from 1.
    """
    return shown_name(re.split(r"[/\\]", name or "")[-1]) or f"picture {number}"


def shown_name(name: str) -> str:
    """Return a name on one line, without what moves a terminal or a page, and not too long."""
    shown = " ".join(_UNSAFE.sub(" ", name).split())
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
