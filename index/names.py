"""Names as text: what bytes say, when two names are the same, and what is like one that is not."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

# Surrogates but those of PEP 383, which stand for the bytes 128 to 255.
_LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")
# So many names are listed whole; of more, only the nearest few.
FEW = 12
NEAREST = 3
# Comparing a name with more than this many others would take seconds.
MOST_COMPARED = 20_000
# Names that have less in common are no slip of the keyboard; it is difflib's own default.
ALIKE = 0.6


def read_text(data: bytes) -> str:
    """Return bytes as text: UTF-8, else Windows-1252, else Latin-1, which knows every byte."""
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def decoded(name: str) -> str:
    """Return a name that may stand for bytes which are no UTF-8 (PEP 383) as what they say.

    A surrogate that stands for no byte is shown as U+FFFD: no text can hold it.
    """
    if name.isascii():
        return name
    return read_text(_LONE.sub("\ufffd", name).encode("utf-8", "surrogateescape"))


def readable(name: str) -> str:
    """Return a file name as text for people, SQL and JSON.

    Bytes that are no UTF-8 are read as Windows-1252; a control character is shown as U+FFFD.
    """
    text = decoded(name)
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(each) == "Cc" else each for each in text)


def composed(text: str) -> str:
    """Return a text as Unicode composes it (NFC); surrogates of undecodable bytes stay."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def same_name(name: str) -> str:
    """Return what two names have in common that differ in case, or in how Unicode writes them."""
    return composed(composed(name).casefold())


def nearest_names(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that are most like one that was mistyped, best first; case is ignored.

    Those of the same letters come first, then others by the ratio of matching blocks (Ratcliff and
    Metzener 1988), as Python's `difflib` has it.
    """
    # Imported here: most commands suggest nothing.
    from difflib import get_close_matches

    spelled: dict[str, str] = {}
    for each in names:
        if len(spelled) >= MOST_COMPARED:
            break
        spelled.setdefault(same_name(each), each)
    typed = same_name(name)
    found = get_close_matches(typed, spelled, 4 * NEAREST, ALIKE)
    # The commonest slip is to exchange two letters, which the ratio knows nothing of.
    found.sort(key=lambda each: sorted(each) != sorted(typed))
    return [spelled[each] for each in found[:NEAREST]]


def suggestion(name: str, names: Sequence[str], there: str, kind: str) -> str:
    """Return a sentence that names the nearest names, and all of them where they are few.

    Parameters
    ----------
    there
        How the sentence begins that lists them: `The catalog has`.
    kind
        What they are, in the plural.
    """
    nearest = nearest_names(name, names)
    meant = f"Did you mean {' or '.join(nearest)}? " if nearest else ""
    if not names:
        return f"{there} no {kind}"
    return f"{meant}{there} {', '.join(names) if len(names) <= FEW else f'{len(names)} {kind}'}"
