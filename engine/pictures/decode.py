"""One picture: its bytes, and its pixels as the photographer meant them."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import threading
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from engine.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF")
_WIDE_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
# What makes a picture upright, by its EXIF orientation; 1 is upright already. Pillow's own
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
    """A decoded picture: 8-bit RGB, upright, transparency laid on white.

    Attributes
    ----------
    pixels
        A Pillow image of mode RGB, smaller than the picture where that was asked for.
    width, height
        The picture's size as a viewer shows it, in pixels.
    format
        What the file is, whatever its name says: `JPEG`, `PNG`, ...
    """

    pixels: Image.Image
    width: int
    height: int
    format: str


def read_file(path: str) -> bytes:
    """Return the bytes of a picture file.

    Raises
    ------
    ImageError
        It is missing, empty, no ordinary file, or may not be read.
    """
    try:
        # A pipe or a device under a picture's name would hold the reader up for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ImageError(path, "it is not an ordinary file", "Name a file that holds a picture")
        with open(path, "rb") as file:
            data = file.read()
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
    if not data:
        raise ImageError(path, "the file is empty (0 bytes)", "Copy or download it again")
    return data


def content_hash(data: bytes) -> str:
    """Return the SHA-256 of a file's whole content, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, name: str, max_pixels: int, enough: int | None = None) -> DecodedImage:
    """Decode a picture.

    Parameters
    ----------
    data
        The bytes of a JPEG, PNG, WebP, GIF, BMP or TIFF file; of several frames the first counts.
    name
        What to call it in an error.
    max_pixels
        Refuse pictures with more pixels than this, before they are unpacked.
    enough
        A JPEG may be unpacked at a half, a quarter or an eighth of its size, as long as both its
        sides keep so many pixels: its frequencies beyond are never computed. None for the whole.

    Raises
    ------
    ImageError
        It is no picture, is cut off, or is too large.
    """
    _allow(max_pixels)
    try:
        return _unpack(data, name, max_pixels, enough)
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
    except Exception as error:  # Pillow's plugins raise nearly anything on broken data
        raise ImageError(
            name,
            f"the picture is damaged ({_first_line(error)})",
            "Copy or download it again, or open it in a viewer and save it anew",
        ) from None


def _unpack(data: bytes, name: str, max_pixels: int, enough: int | None) -> DecodedImage:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        _check_size(image, name, max_pixels)
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        whole = image.size
        if enough is not None:
            image.draft(image.mode, (enough, enough))
        reduced = image.size != whole
        turn = _turn(image)
        rgb = to_rgb(image if turn is None else image.transpose(turn))
    if not reduced:
        return DecodedImage(rgb, *rgb.size, kind)
    return DecodedImage(rgb, *(whole[::-1] if turn in _SIDEWAYS else whole), kind)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an 8-bit RGB copy of a picture of any mode."""
    if image.mode in _WIDE_MODES:
        image = _to_eight_bits(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Unpack a picture and return what makes it upright."""
    image.load()
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        # A broken EXIF block says nothing about the picture itself.
        return None


def _to_eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    if image.mode.startswith("I"):
        # 16-bit greys keep their meaning: 65535 is white however dark the picture is.
        scaled = values / 257.0
    else:
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        inside = low >= 0.0 and high <= 1.0
        scaled = values * 255.0 if inside else (values - low) * 255.0 / max(high - low, 1e-12)
    eight = np.clip(np.nan_to_num(np.rint(scaled)), 0, 255).astype(np.uint8)
    return Image.fromarray(eight, mode="L")


def _allow(max_pixels: int) -> None:
    # Pillow has a limit of its own for the whole process; it is only ever raised, to ours.
    with _limit:
        if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = max_pixels


def _check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise _too_large(name, f"{image.width} x {image.height} pixels, more than", max_pixels)


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


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:160]
