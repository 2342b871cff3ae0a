"""Pages: what is on one, and the one file that it is written to.

A page is made of plain values (`Section`, `Card`, `Plot`); the templates beside this file turn them
into HTML. They escape every value that they are given, after `printable` has replaced what a
terminal or a browser could be moved by. Only links and pictures that this module has made itself
reach an attribute that a browser follows.
"""

from __future__ import annotations

import base64
import io
import math
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from cli.render import percent, shown
from engine.errors import EngineError, ImageError
from engine.export.new_files import require_new
from engine.pictures.decode import decode
from engine.pictures.read import read_file
from engine.pictures.sources.paths import is_local_file, is_remote
from index.errors import reason_of
from index.files.atomic_file import write_atomically

if TYPE_CHECKING:
    from jinja2 import Template

# How a table is laid out: the diagonal in bold, numbers, or text beside its names.
DIAGONAL, NUMERIC, FACTS = "diagonal", "numeric", "facts"
# What a page of ours has near its beginning.
MARK = b'<meta name="generator" content="image-engine">'
HEAD_BYTES = 512
_WEB_ADDRESS = re.compile(r"https?://[!-~]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ThumbnailLimits:
    """What an image on a page may take.

    Attributes
    ----------
    bytes
        Largest file that is read.
    pixels
        Largest image that is decoded.
    side
        Longer side of the copy on the page, in pixels.
    """

    bytes: int = 1 << 30
    pixels: int = 200_000_000
    side: int = 440


LIMITS = ThumbnailLimits()


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing that is part of the page: its SVG, and the same in words for who cannot see it."""

    svg: bytes
    alt: str


@dataclass(frozen=True, slots=True)
class Guess:
    """One of a card's bars: a category, its probability, and whether it is the right one."""

    name: str
    share: float
    right: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One picture on a page.

    Attributes
    ----------
    path
        The picture's file. The caller vouches for it: a small copy becomes part of the page.
    title
        The line in bold.
    lines
        Smaller lines below.
    share
        Length of the bar, 0 to 1.
    wrong
        Draw it in the colour of mistakes.
    guesses
        Bars with their names below the text.
    """

    path: str
    title: str
    lines: Sequence[str] = ()
    share: float = 0.0
    wrong: bool = False
    guesses: Sequence[Guess] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with plots, pictures, a table, or all of them.

    `layout` is that of the table: `DIAGONAL`, `NUMERIC` or `FACTS`.
    """

    title: str
    text: str = ""
    command: str = ""
    cards: Sequence[Card] = ()
    table: Sequence[Sequence[str]] = ()
    layout: str = DIAGONAL
    plots: Sequence[Plot] = ()


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What a page shows of an image.

    Attributes
    ----------
    source
        A small copy as a `data:` URL; empty where there is none.
    link
        Where the image is: the `file:` URL of a file that was opened, or a web address.
    reason
        Why there is no copy.
    """

    source: str = ""
    link: str = ""
    reason: str = ""


def write_page(
    file: Path, title: str, text: str, sections: Sequence[Section], *, force: bool = False
) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        It cannot be written.
    """
    require_page_file(file, force=force)
    page = page_html(title, text, sections)
    try:
        # Through links, so that the file they lead to is replaced, not the link.
        write_atomically(Path(os.path.realpath(file)), page.encode("utf-8"))
    except OSError as error:
        raise _cannot_be_written(file, error) from None


def require_page_file(file: Path, *, force: bool = False) -> None:
    """Insist that a page may be written to a file, before work is done that would be lost.

    Parameters
    ----------
    file
        It need not exist.
    force
        An ordinary file may be replaced.

    Raises
    ------
    UsageError
        The file exists, and `force` is not set.
    EngineError
        It cannot be written.
    """
    if _is_there(file):
        require_new(file, force=force)


def require_own_page(file: Path, remedy: str = "Name another place") -> None:
    """Insist that a file does not exist, or is a page that the engine wrote.

    Raises
    ------
    EngineError
        It is something else.
    """
    if not _is_there(file):
        return
    try:
        with open(file, "rb") as opened:
            start = opened.read(HEAD_BYTES)
    except OSError as error:
        raise _cannot_be_written(file, error) from None
    if MARK not in start:
        raise EngineError(file, "this file exists, and the engine did not write it", remedy)


def _is_there(file: Path) -> bool:
    """Say whether there is an ordinary file; through links, which stay as they are."""
    try:
        ordinary = stat.S_ISREG(os.stat(file).st_mode)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot_be_written(file, error) from None
    if not ordinary:
        reason = "the page cannot be written: this is not an ordinary file"
        raise EngineError(file, reason, "Name another file")
    return True


def page_html(
    title: str, text: str, sections: Sequence[Section], limits: ThumbnailLimits = LIMITS
) -> str:
    """Return a page as HTML."""
    return _template().render(
        title=title, text=text, sections=sections, thumbnail=partial(thumbnail, limits=limits)
    )


def thumbnail(path: str, limits: ThumbnailLimits = LIMITS) -> Thumbnail:
    """Return a small copy of an image, so that the page can be sent to someone, and a link to it.

    A file is opened by its absolute path and linked to only if it could be shown. An image of an
    object store or an archive is shown without a link, which a browser could not follow. A web
    address is linked to; nothing is fetched of it.
    """
    if _WEB_ADDRESS.fullmatch(path):
        return Thumbnail(link=path, reason="it is not on this machine")
    if not (os.path.isabs(path) or is_remote(path)):
        return Thumbnail(reason="this is not the path of a file")
    try:
        link = Path(path).as_uri() if is_local_file(path) else ""
        return Thumbnail(_small_copy(path, limits), link)
    except ImageError as error:
        return Thumbnail(reason=error.reason)
    except MemoryError:
        return Thumbnail(reason="there is too little memory to show it")
    except (OSError, ValueError):
        # A NUL or half a surrogate pair is in no path; and files may change while they are read.
        return Thumbnail(reason="it cannot be shown")


def _small_copy(path: str, limits: ThumbnailLimits) -> str:
    image = decode(read_file(path, limits.bytes), path, limits.pixels, limits.side).pixels
    image.thumbnail((limits.side, limits.side))
    data = io.BytesIO()
    image.save(data, "JPEG", quality=80)
    return _data_url("image/jpeg", data.getvalue())


@cache
def _template() -> Template:
    # Imported here: most commands write no page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("cli.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=printable,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"drawing": _drawing, "percent": percent, "width": _width}
    return environment.get_template("page.html")


def printable(value: object) -> object:
    """Return a value as a template writes it: texts line by line without control characters.

    What is HTML already, made by a template from values that went through here, stays as it is.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return "\n".join(map(shown, value.split("\n")))
    return value


def _drawing(plot: Plot) -> str:
    return _data_url("image/svg+xml", plot.svg)


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _width(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.0f}" if math.isfinite(share) else "0"


def _cannot_be_written(file: Path, error: OSError) -> EngineError:
    return EngineError(
        file, f"the page cannot be written ({reason_of(error)})", "Name another place"
    )
