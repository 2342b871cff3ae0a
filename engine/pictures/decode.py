"""From the bytes of a picture file to pixels: upright, 8-bit, sRGB."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from engine.errors import FormatError, ImageError
from engine.pictures.colors import ALPHA_MODES, WIDE_MODES, has_other_profile, to_rgb
from engine.pictures.formats import Format, identify
from engine.pictures.jpeg.parts import excess
from engine.pictures.threads.deadline import Pieces, check_clock, start_clock
from engine.pictures.threads.memory import Reserve, in_words, no_memory

# Pillow holds an image in pieces of 16 MB, which glibc does not give back: each thread would go on
# holding the largest image that it has decoded. It does give back what is larger than 32 MB.
BLOCK_BYTES = 64 << 20
# Bytes a pixel that decoding takes at its peak: Pillow holds RGB in 4, and two or three such copies
# are alive at a time, or five where transparency is laid on white and where 16 bits become 8.
PLAIN_BYTES, COSTLY_BYTES = 12, 26
# What makes an image upright, by its EXIF orientation; 1 is upright already. Pillow's own
# `exif_transpose` also writes the EXIF block anew, and gives up where another tag is broken.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = {_TURNS[5], _TURNS[6], _TURNS[7], _TURNS[8]}
BROKEN_PROFILE = "its colour profile is broken and was ignored"
_limit = threading.Lock()


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image: 8-bit sRGB, upright, nothing transparent.

    Attributes
    ----------
    pixels
        A Pillow image of mode RGB, smaller than the image where that was asked for.
    width, height
        The image's size as a viewer shows it, in pixels.
    format
        What the file is, whatever its name says: `JPEG`, `PNG`, ...; see `formats.py`.
    note
        What about it could not be honoured, as a person is told; empty where all is well.
    """

    pixels: Image.Image
    width: int
    height: int
    format: str
    note: str = ""


def decode(
    data: bytes,
    name: str,
    max_pixels: int,
    enough: int | None = None,
    reserve: Reserve | None = None,
) -> DecodedImage:
    """Decode an image.

    Parameters
    ----------
    data
        The bytes of a picture file of a kind in `formats.py`; of several frames the first counts.
    name
        Its path, or what to call it in an error.
    max_pixels
        Refuse images with more pixels than this, before they are unpacked.
    enough
        A JPEG may be unpacked at a half, a quarter or an eighth of its size, as long as both its
        sides keep so many pixels: its frequencies beyond are never computed. None for the whole.
    reserve
        Called with the bytes that decoding takes at most, before it begins: see `ImageMemory`.

    Raises
    ------
    FormatError
        It is an image of a kind that this installation cannot read.
    ImageError
        It is no image, is cut off, is too large, would take or took far too long, or memory ran
        out.
    """
    start_clock()
    _set_up_pillow(max_pixels)
    kind = identify(data, name)
    if kind is None:
        raise ImageError(
            name,
            f"this is no picture of a known kind ({_guess(data)})",
            "Convert it to JPEG or PNG, or rename it if it is no picture",
        )
    if kind.name == "JPEG" and (reason := excess(data)):
        raise ImageError(name, reason, "If it is to be trusted, open it and save it anew")
    try:
        return _unpack(kind, data, name, max_pixels, enough, reserve)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "far more pixels than", max_pixels) from None
    except ImageError:
        raise
    except MemoryError:
        raise no_memory(name) from None
    except Exception as error:  # Pillow's plugins raise nearly anything on broken data
        # Or something of their own where the file gave up in the midst of them.
        check_clock()
        if "out of memory" in str(error):
            raise no_memory(name) from None
        raise ImageError(
            name,
            f"the picture is damaged ({_said(error)})",
            "Copy or download it again, or open it in a viewer and save it anew",
        ) from None


def _unpack(
    kind: Format,
    data: bytes,
    name: str,
    max_pixels: int,
    enough: int | None,
    reserve: Reserve | None,
) -> DecodedImage:
    with _opened(kind, data, name, max_pixels, reserve) as image:
        _require_size(image.size, name, max_pixels)
        whole = image.size
        if enough is not None:
            image.draft(image.mode, (enough, enough))
        if reserve is not None:
            reserve(_decoded_bytes(kind, image, whole))
        reduced = image.size != whole
        loaded = _loaded(image, kind, data, enough)
        check_clock()
        turn = _turn(loaded)
        rgb, honoured = to_rgb(loaded if turn is None else loaded.transpose(turn))
    check_clock()
    note = "" if honoured else BROKEN_PROFILE
    if not reduced:
        return DecodedImage(rgb, *rgb.size, kind.name, note)
    size = whole[::-1] if turn in _SIDEWAYS else whole
    return DecodedImage(rgb, *size, kind.name, note)


def _opened(
    kind: Format, data: bytes, name: str, max_pixels: int, reserve: Reserve | None
) -> Image.Image:
    """Return an image that is not unpacked yet, or was found to be small enough before it was."""
    reader = kind.reader
    if reader is None:
        raise FormatError(
            name, f"it is a file of {kind.name}, which cannot be read", kind.remedy, kind.name
        )
    try:
        if reader.size is not None:
            size = reader.size(data)
            _require_size(size, name, max_pixels)
            if reserve is not None:
                reserve(size[0] * size[1] * COSTLY_BYTES)
        return reader.open(Pieces(data))
    except ImportError:
        raise FormatError(
            name,
            f"it is a picture of {kind.name}, which this installation cannot read",
            f"Install what reads it: {reader.install}",
            kind.name,
        ) from None


def _loaded(image: Image.Image, kind: Format, data: bytes, enough: int | None) -> Image.Image:
    """Unpack an image, one whose very end is missing as well."""
    try:
        image.load()
        return image
    except OSError:
        from engine.pictures.jpeg.truncated import mended

        whole = mended(data) if image.format in ("JPEG", "MPO") else None
        if whole is None or kind.reader is None:
            raise
        again = kind.reader.open(Pieces(whole))
        if enough is not None:
            again.draft(again.mode, (enough, enough))
        again.load()
        return again


def _require_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_large(name, f"{size[0]} x {size[1]} pixels, more than", max_pixels)


def _decoded_bytes(kind: Format, image: Image.Image, whole: tuple[int, int]) -> int:
    """Return how many bytes an image takes at most while it is decoded to upright RGB.

    `whole` is its size before a JPEG was reduced: a progressive one is held as coefficients first.
    """
    costly = (
        kind.costly
        or image.mode in (*ALPHA_MODES, *WIDE_MODES)
        or "transparency" in image.info
        or has_other_profile(image)
    )
    pixels = image.width * image.height
    coefficients = 6 * whole[0] * whole[1] if "progressive" in image.info else 0
    return pixels * (COSTLY_BYTES if costly else PLAIN_BYTES) + coefficients


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return what makes an unpacked image upright."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # A broken EXIF block says nothing about the image itself.
        return None


def _set_up_pillow(max_pixels: int) -> None:
    # What Pillow has for the whole process is only ever raised, to what we need. The lock is taken
    # where there is something to do: a process that is forked meanwhile would find it taken.
    if (Image.MAX_IMAGE_PIXELS or max_pixels) >= max_pixels and _blocks() >= BLOCK_BYTES:
        return
    with _limit:
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels
        if _blocks() < BLOCK_BYTES:
            core: Any = Image.core  # type: ignore[attr-defined]
            core.set_block_size(BLOCK_BYTES)


def _blocks() -> int:
    core: Any = Image.core  # type: ignore[attr-defined]
    return int(core.get_block_size())


def _too_large(name: str, what: str, max_pixels: int) -> ImageError:
    return ImageError(
        name,
        f"{what} the limit of {max_pixels / 1e6:g} Mpx",
        "If it is to be trusted, raise the limit with --max-megapixels",
    )


def _said(error: Exception) -> str:
    """Return what an error says of broken data, with its type where it is not meant for that."""
    if isinstance(error, UnidentifiedImageError):
        # It tells of an object of ours, and where in memory that is.
        return "it ends or changes within its header"
    said = str(error).strip().splitlines()
    meant = isinstance(error, (OSError, SyntaxError, EOFError)) and said
    return said[0][:160] if meant else in_words(error)


def _guess(data: bytes) -> str:
    head = data[:512].lstrip()
    if head.startswith((b"<!DOCTYPE", b"<html", b"<HTML")):
        return "it looks like a web page"
    if b"ftyp" in head[:16]:
        return "it looks like a video"
    if head.startswith(b"<?xml"):
        return "it looks like XML"
    if all(byte in b"\t\n\r" or byte >= 32 for byte in head):
        return "it looks like text"
    return "its first bytes are of no known kind"
