"""What opens picture files: Pillow, and packages that are imported when a file needs them."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import ExifTags, Image

from engine.pictures.jpeg.parts import excess
from engine.pictures.threads.deadline import Pieces

# A camera's own preview serves where its longer side has so many pixels.
PREVIEW = 512
JXL_MARK = b"\xff\x0a"
# EXIF orientations by the turns that LibRaw tells of (its documentation, `sizes.flip`).
_FLIPS = {3: 3, 5: 8, 6: 6}

Opener = Callable[[io.BytesIO], Image.Image]
Size = Callable[[bytes], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Reader:
    """What opens files of some kind.

    Attributes
    ----------
    open
        Returns a Pillow image, unpacked when it is loaded. Raises nearly anything on broken data.
    package
        What to install for it, where it is not here.
    size
        Tells width and height beforehand, where `open` unpacks already.
    """

    open: Opener
    package: str = "pillow"
    size: Size | None = None

    @property
    def install(self) -> str:
        """The command that installs it."""
        import shlex

        return f"pip install {shlex.quote(self.package)}"


def pillow(*names: str) -> Reader:
    """Return a reader of what Pillow knows under these names."""
    return Reader(lambda file: Image.open(file, formats=names))


def _open_tiff(file: io.BytesIO) -> Image.Image:
    _hush_libtiff()
    return Image.open(file, formats=("TIFF",))


@cache
def _hush_libtiff() -> None:
    """Let libtiff say nothing by itself: Pillow raises what counts.

    Its usual handlers write every oddity of a file straight to the terminal, past Python, and
    Pillow has nothing to change them by.
    """
    import ctypes

    with suppress(OSError, AttributeError):
        # The symbols of what a library is linked with are found through it.
        library = ctypes.CDLL(Image.core.__file__)  # type: ignore[attr-defined]
        for kind in ("Error", "Warning"):
            set_handler = library[f"TIFFSet{kind}Handler"]
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


def _open_heif(file: io.BytesIO) -> Image.Image:
    from pi_heif import HeifImageFile

    # Orientation: libheif applies the container's own, and the package drops EXIF's.
    image: Image.Image = HeifImageFile(file)
    return image


def _open_jxl(file: io.BytesIO) -> Image.Image:
    from pillow_jxl.JpegXLImagePlugin import JXLImageFile

    image: Any = JXLImageFile(file)
    if not image.jpeg:
        # libjxl has turned it upright; only a JPEG packed into JPEG XL comes out as it was.
        image.info.pop("exif", None)
    opened: Image.Image = image
    return opened


def _open_raw(file: io.BytesIO) -> Image.Image:
    import rawpy

    with rawpy.imread(file) as raw:
        preview = _preview(raw)
        if preview is not None and max(preview.size) >= PREVIEW:
            return preview
        return Image.fromarray(raw.postprocess(use_camera_wb=True, half_size=True))


def _preview(raw: Any) -> Image.Image | None:
    """Return the picture that the camera made of its data, None where there is none to read."""
    import rawpy

    try:
        thumb = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    if thumb.format != rawpy.ThumbFormat.JPEG or excess(thumb.data):
        return None
    image = Image.open(Pieces(thumb.data), formats=("JPEG", "MPO"))
    exif = image.getexif()
    if ExifTags.Base.Orientation not in exif:
        exif[ExifTags.Base.Orientation] = _FLIPS.get(raw.sizes.flip, 1)
    return image


def _raw_size(data: bytes) -> tuple[int, int]:
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as raw:
        return raw.sizes.width, raw.sizes.height


def jxl_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a JPEG XL file, by the size header of ISO/IEC 18181-1, annex D.

    Raises
    ------
    ValueError
        It has none.
    """
    start = _codestream(data)
    bits = int.from_bytes(data[start + 2 : start + 14], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        if small:
            return 8 * (take(5) + 1)
        return take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if not ratio:
        return side(), height
    across, down = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[ratio - 1]
    return height * across // down, height


def _codestream(data: bytes) -> int:
    """Return where the codestream of a JPEG XL file begins, alone or in a box of a container."""
    at = 0
    while not data.startswith(JXL_MARK, at):
        size, kind, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if kind in (b"jxlc", b"jxlp"):
            # A part of a codestream has its number before it.
            at += head + (4 if kind == b"jxlp" else 0)
            if data.startswith(JXL_MARK, at):
                break
        if size < head:
            raise ValueError("its size cannot be read")
        at += size
    return at


TIFF = Reader(_open_tiff)
HEIF = Reader(_open_heif, "pi-heif-decoder")
JXL = Reader(_open_jxl, "image-engine[jxl]", jxl_size)
RAW = Reader(_open_raw, "image-engine[raw]", _raw_size)
