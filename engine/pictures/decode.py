"""One image: the bytes of its file, and its pixels, upright and in RGB."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from engine.config import MAX_FILE_BYTES
from engine.errors import ImageError
from engine.pictures.prefetch import Reserve, no_memory

CHUNK = 1 << 20
# Pillow holds an image in pieces of 16 MB, which glibc does not give back: each thread would go on
# holding the largest image that it has decoded. It does give back what is larger than 32 MB.
BLOCK_BYTES = 64 << 20
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF")
_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
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
_limit = threading.Lock()


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image: 8-bit RGB, upright, transparency laid on white.

    Attributes
    ----------
    pixels
        A Pillow image of mode RGB, smaller than the image where that was asked for.
    width, height
        The image's size as a viewer shows it, in pixels.
    format
        What the file is, whatever its name says: `JPEG`, `PNG`, ...
    """

    pixels: Image.Image
    width: int
    height: int
    format: str


def read_file(path: str, max_bytes: int = MAX_FILE_BYTES, reserve: Reserve | None = None) -> bytes:
    """Return the bytes of an image file.

    Parameters
    ----------
    max_bytes
        Refuse larger files, before anything of them is read.
    reserve
        Called with the file's size before it is read: see `ImageMemory`.

    Raises
    ------
    ImageError
        It is missing, empty, too large, no ordinary file, or may not be read.
    """
    try:
        state = os.stat(path)
        # A pipe or a device under an image's name would hold the reader up for ever.
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(path, "it is not an ordinary file", "Name a file that holds a picture")
        if state.st_size > max_bytes:
            raise _too_many_bytes(path, f"it has {_size(state.st_size)}, more than", max_bytes)
        if reserve is not None:
            reserve(state.st_size)
        with open(path, "rb") as file:
            data = read_stream(file, path, max_bytes, state.st_size)
    except FileNotFoundError:
        raise ImageError(path, "there is no such file", "Check the path") from None
    except PermissionError:
        raise ImageError(
            path,
            "permission denied",
            f"Allow reading it and entering its folder: chmod u+rX {path}",
        ) from None
    except OSError as error:
        raise ImageError(
            path, f"it cannot be read ({error.strerror})", "Check the drive it is on"
        ) from None
    except MemoryError:
        raise no_memory(path) from None
    if not data:
        raise ImageError(path, "the file is empty (0 bytes)", "Copy or download it again")
    return data


def read_stream(stream: BinaryIO, name: str, max_bytes: int, expected: int = 0) -> bytes:
    """Return what is left in a stream, in one read where it is no more than `expected` bytes.

    Raises
    ------
    ImageError
        There are more than `max_bytes`; the rest is not read.
    """
    parts, size, wanted = [], 0, expected + 1
    while chunk := stream.read(wanted):
        size += len(chunk)
        if size > max_bytes:
            raise _too_many_bytes(name, "it has more bytes than", max_bytes)
        parts.append(chunk)
        if len(chunk) < wanted:
            break
        wanted = CHUNK
    return b"".join(parts)


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of a file's whole content, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


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
        The bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file; of several frames the first counts.
    name
        What to call it in an error.
    max_pixels
        Refuse images with more pixels than this, before they are unpacked.
    enough
        A JPEG may be unpacked at a half, a quarter or an eighth of its size, as long as both its
        sides keep so many pixels: its frequencies beyond are never computed. None for the whole.
    reserve
        Called with the bytes that decoding takes at most, before it begins: see `ImageMemory`.

    Raises
    ------
    ImageError
        It is no image, is cut off, is too large, or memory ran out.
    """
    _set_up_pillow(max_pixels)
    try:
        return _unpack(data, name, max_pixels, enough, reserve)
    except UnidentifiedImageError:
        raise ImageError(
            name,
            f"this is no picture the engine can read ({_guess(data)})",
            "JPEG, PNG, WebP, GIF, BMP and TIFF can be read; convert it or rename it",
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(name, "far more pixels than", max_pixels) from None
    except ImageError:
        raise
    except MemoryError:
        raise no_memory(name) from None
    except Exception as error:  # Pillow's plugins raise nearly anything on broken data
        if "out of memory" in str(error):
            raise no_memory(name) from None
        raise ImageError(
            name,
            f"the picture is damaged ({(str(error).strip() or repr(error)).splitlines()[0][:160]})",
            "Copy or download it again, or open it in a viewer and save it anew",
        ) from None


def _unpack(
    data: bytes, name: str, max_pixels: int, enough: int | None, reserve: Reserve | None
) -> DecodedImage:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > max_pixels:
            raise _too_large(name, f"{image.width} x {image.height} pixels, more than", max_pixels)
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        whole = image.size
        if enough is not None:
            image.draft(image.mode, (enough, enough))
        if reserve is not None:
            reserve(_decoded_bytes(image, whole))
        reduced = image.size != whole
        turn = _turn(image)
        rgb = to_rgb(image if turn is None else image.transpose(turn))
    if not reduced:
        return DecodedImage(rgb, *rgb.size, kind)
    return DecodedImage(rgb, *(whole[::-1] if turn in _SIDEWAYS else whole), kind)


def _decoded_bytes(image: Image.Image, whole: tuple[int, int]) -> int:
    """Return how many bytes an image takes at most while it is decoded to upright RGB.

    `whole` is its size before a JPEG was reduced: a progressive one is held as coefficients first.
    """
    costly = (
        image.mode in (*_ALPHA_MODES, *_WIDE_MODES)
        or "transparency" in image.info
        or image.format == "WEBP"
    )
    pixels = image.width * image.height
    coefficients = 6 * whole[0] * whole[1] if "progressive" in image.info else 0
    return pixels * (COSTLY_BYTES if costly else PLAIN_BYTES) + coefficients


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an 8-bit RGB copy of an image of any mode."""
    if image.mode in _WIDE_MODES:
        image = _to_eight_bits(image)
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Unpack an image and return what makes it upright."""
    image.load()
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # A broken EXIF block says nothing about the image itself.
        return None


def _to_eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    if image.mode.startswith("I"):
        # 16-bit greys keep their meaning: 65535 is white however dark the image is.
        scaled = values / 257.0
    else:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        inside = low >= 0.0 and high <= 1.0
        scaled = values * 255.0 if inside else (values - low) * 255.0 / max(high - low, 1e-12)
    eight = np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8)
    return Image.fromarray(eight, mode="L")


def _set_up_pillow(max_pixels: int) -> None:
    # What Pillow has for the whole process is only ever raised, to what we need.
    with _limit:
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels
        core: Any = Image.core  # type: ignore[attr-defined]
        if core.get_block_size() < BLOCK_BYTES:
            core.set_block_size(BLOCK_BYTES)


def _too_many_bytes(name: str, what: str, max_bytes: int) -> ImageError:
    return ImageError(
        name,
        f"{what} the limit of {_size(max_bytes)}",
        "If it is to be trusted, raise the limit with --max-file-size (max_file_bytes in Python)",
    )


def _size(count: int) -> str:
    """Return a number of bytes as `--max-file-size` takes it."""
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / 1024**power:.4g}{'BKMGT'[power]}"


def _too_large(name: str, what: str, max_pixels: int) -> ImageError:
    return ImageError(
        name,
        f"{what} the limit of {max_pixels / 1e6:g} Mpx",
        "If it is to be trusted, raise the limit with --max-megapixels",
    )


def _guess(data: bytes) -> str:
    head = data[:512].lstrip()
    if head.startswith((b"<!DOCTYPE", b"<html", b"<HTML")):
        return "it looks like a web page"
    if b"ftyp" in head[:16]:
        return "it looks like HEIC, AVIF or a video"
    if head.startswith((b"<svg", b"<?xml")):
        return "it looks like SVG or XML"
    if all(byte in b"\t\n\r" or byte >= 32 for byte in head):
        return "it looks like text"
    return "its first bytes are of no known kind"
