"""The command that plays a manifest back."""

from __future__ import annotations

import os
import shlex

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._- ")


def undo_command(manifest: str, store: str) -> str:
    """Return the command that plays a manifest back, to be pasted into a shell anywhere."""
    return f"engine duplicates --undo {_quoted(manifest)} --store {_quoted(store)}"


def _quoted(path: str) -> str:
    """Return a path as a shell takes it; what moves a terminal is escaped, as bash reads it."""
    if path.isprintable():
        return shlex.quote(path)
    return "$'" + "".join(map(_escaped, os.fsencode(path))) + "'"


def _escaped(byte: int) -> str:
    return chr(byte) if byte in _PLAIN else f"\\x{byte:02x}"
