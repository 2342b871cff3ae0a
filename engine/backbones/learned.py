"""What a fine-tuned backbone has learned from, by content: noted in its weights file.

In the file's metadata: `learned`, the SHA-256 of each image, in order, joined and written in
base64. It goes wherever the file goes, and readers that know nothing of it leave it alone.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from pathlib import Path

from engine.backbones.table import Backbone
from engine.backbones.weights_source import Finetuned

KEY = "learned"
HASH_BYTES = 32
# A file's header may have 100 MB; of more images nothing is noted.
MOST = 1_000_000


def learned_note(contents: Iterable[str], most: int = MOST) -> dict[str, str]:
    """Return the metadata of a weights file that was learned from contents.

    Parameters
    ----------
    contents
        SHA-256 of each image in hexadecimal.
    most
        Of more contents nothing is noted.
    """
    hashes = sorted(set(contents))
    if len(hashes) > most:
        return {}
    return {KEY: base64.b64encode(bytes.fromhex("".join(hashes))).decode("ascii")}


def learned_contents(backbone: Backbone) -> frozenset[str] | None:
    """Return the contents that a backbone was fine-tuned on, SHA-256 in hexadecimal.

    None are of one that was not fine-tuned here: what it was trained on is its publisher's. The
    answer is None where it is not known: for weights of a release that did not note it, and where
    the file is gone or damaged.
    """
    if not isinstance(backbone.weights, Finetuned):
        return frozenset()
    if not Path(backbone.weights.path).is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(backbone.weights.path, framework="numpy") as file:
            note = (file.metadata() or {}).get(KEY)
        joined = base64.b64decode(note, validate=True) if note is not None else None
    except (OSError, SafetensorError, binascii.Error, ValueError):
        return None
    if joined is None or len(joined) % HASH_BYTES:
        return None
    return frozenset(
        joined[start : start + HASH_BYTES].hex() for start in range(0, len(joined), HASH_BYTES)
    )
