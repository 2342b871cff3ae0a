"""The kinds of picture files there are: how each is told, and what reads it.

What a file is, is told by its content. Extensions only decide which files of a folder are looked
at, and help where a kind has no mark of its own. One more kind is one more row.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from engine.pictures.readers import HEIF, JXL, RAW, TIFF, Reader, pillow

# Whether the content of a file, whose name has such an extension, is of a kind.
Test = Callable[[bytes, str], bool]
CONVERT = "Convert it to JPEG or PNG"


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of picture files.

    Attributes
    ----------
    name
        What people call it.
    extensions
        Without the dot, in small letters.
    told_by
        Tells it by content.
    reader
        What opens it; None where nothing here can.
    costly
        Its decoder holds further copies of the pixels.
    remedy
        What to do about one that cannot be read.
    """

    name: str
    extensions: tuple[str, ...]
    told_by: Test
    reader: Reader | None = None
    costly: bool = False
    remedy: str = CONVERT


def identify(data: bytes, name: str) -> Format | None:
    """Return the kind of a picture file, None where it is of no known kind.

    Parameters
    ----------
    data
        Its whole content.
    name
        Its path, or whatever it is called.
    """
    extension = extension_of(name)
    return next((each for each in FORMATS if each.told_by(data, extension)), None)


def extension_of(name: str) -> str:
    """Return the extension of a file's name, without the dot, in small letters."""
    return os.path.splitext(name)[1][1:].lower()


def _begins(*marks: bytes, at: int = 0) -> Test:
    return lambda data, extension: any(data.startswith(mark, at) for mark in marks)


def _named(*extensions: str) -> Test:
    return lambda data, extension: extension in extensions


def _branded(*brands: bytes) -> Test:
    """Tell files of ISO base media (ISO/IEC 14496-12) by the brands of their first box."""

    def told(data: bytes, extension: str) -> bool:
        if data[4:8] != b"ftyp":
            return False
        end = min(int.from_bytes(data[:4], "big"), 256)
        found = {data[at : at + 4] for at in (8, *range(16, end, 4))}
        return not found.isdisjoint(brands)

    return told


def _raw_tiff(name: str, mark: Test | None = None) -> Format:
    """Return a camera's kind that is made like TIFF: what TIFF shows first is a thumbnail."""

    def told(data: bytes, extension: str) -> bool:
        if not _TIFF(data, extension):
            return False
        return extension == name.lower() or (mark is not None and mark(data, extension))

    return Format(name, (name.lower(),), told, RAW)


def _has_dng_version(data: bytes, extension: str) -> bool:
    """Say whether the first directory of a TIFF file has the tag that makes it DNG."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    start = int.from_bytes(data[4:8], order)
    count = int.from_bytes(data[start : start + 2], order)
    first = start + 2
    entries = range(first, min(first + 12 * count, len(data)), 12)
    return any(int.from_bytes(data[at : at + 2], order) == DNG_VERSION for at in entries)


def _is_markup(data: bytes, extension: str) -> bool:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if extension == "svgz":
        return data.startswith(b"\x1f\x8b")
    return head.startswith(b"<") and (b"<svg" in head or extension == "svg")


DNG_VERSION = 0xC612
LIKE_TIFF = (
    "NEF", "NRW", "ARW", "SRF", "SR2", "PEF", "SRW", "DCR", "KDC", "3FR", "FFF", "IIQ", "ERF",
    "MEF", "MOS", "RWL", "GPR",
)  # fmt: skip
PNM_MARKS = frozenset((b"1", b"2", b"3", b"4", b"5", b"6", b"f", b"F"))
PCX_MARKS = frozenset(bytes((version, 1)) for version in (0, 2, 3, 4, 5))
_TIFF = _begins(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_JXL = _begins(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")

# The order matters: a camera file is a TIFF file, too, and some AVIF files say they are HEIF.
FORMATS: tuple[Format, ...] = (
    Format(
        "JPEG",
        ("jpg", "jpeg", "jpe", "jfif", "jif", "mpo"),
        _begins(b"\xff\xd8\xff"),
        pillow("JPEG", "MPO"),
    ),
    Format("PNG", ("png", "apng"), _begins(b"\x89PNG\r\n\x1a\n"), pillow("PNG")),
    Format(
        "WEBP",
        ("webp",),
        lambda data, extension: data[:4] == b"RIFF" and data[8:12] == b"WEBP",
        pillow("WEBP"),
        costly=True,
    ),
    Format("GIF", ("gif",), _begins(b"GIF87a", b"GIF89a"), pillow("GIF")),
    Format("BMP", ("bmp",), _begins(b"BM"), pillow("BMP")),
    Format("AVIF", ("avif", "avifs"), _branded(b"avif", b"avis"), pillow("AVIF"), costly=True),
    Format("CR3", ("cr3",), _branded(b"crx "), RAW),
    Format(
        "HEIC",
        ("heic", "heif", "heics", "heifs", "hif"),
        _branded(
            b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"
        ),
        HEIF,
        costly=True,
    ),
    Format("JXL", ("jxl",), _JXL, JXL, costly=True),
    Format(
        "JPEG2000",
        ("jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "jpm"),
        _begins(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
        pillow("JPEG2000"),
        costly=True,
    ),
    _raw_tiff("DNG", _has_dng_version),
    _raw_tiff("CR2", _begins(b"CR", at=8)),
    *map(_raw_tiff, LIKE_TIFF),
    Format("ORF", ("orf",), _begins(b"IIRO", b"IIRS", b"MMOR"), RAW),
    Format("RW2", ("rw2", "raw"), _begins(b"IIU\0"), RAW),
    Format("RAF", ("raf",), _begins(b"FUJIFILMCCD-RAW"), RAW),
    Format("X3F", ("x3f",), _begins(b"FOVb"), RAW),
    Format("MRW", ("mrw",), _begins(b"\0MRM"), RAW),
    Format("CRW", ("crw",), _begins(b"HEAPCCDR", at=6), RAW),
    Format("TIFF", ("tif", "tiff"), _TIFF, TIFF),
    Format("PSD", ("psd",), _begins(b"8BPS\0\1"), pillow("PSD")),
    Format("QOI", ("qoi",), _begins(b"qoif"), pillow("QOI")),
    # These have no mark of their own, and may begin as the next ones do.
    Format("TGA", ("tga", "icb", "vda", "vst"), _named("tga", "icb", "vda", "vst"), pillow("TGA")),
    Format("DIB", ("dib",), _named("dib"), pillow("DIB")),
    Format("ICO", ("ico",), _begins(b"\0\0\1\0"), pillow("ICO")),
    Format("CUR", ("cur",), _begins(b"\0\0\2\0"), pillow("CUR")),
    Format("ICNS", ("icns",), _begins(b"icns"), pillow("ICNS")),
    Format("DDS", ("dds",), _begins(b"DDS "), pillow("DDS")),
    Format(
        "PNM",
        ("pnm", "pbm", "pgm", "ppm", "pfm"),
        lambda data, extension: data[:1] == b"P" and data[1:3].strip() in PNM_MARKS,
        pillow("PPM"),
    ),
    Format(
        "PCX",
        ("pcx",),
        lambda data, extension: data[:1] == b"\n" and data[1:3] in PCX_MARKS,
        pillow("PCX"),
    ),
    Format("SGI", ("sgi", "rgb", "rgba", "bw"), _begins(b"\x01\xda"), pillow("SGI")),
    Format("SUN", ("ras",), _begins(b"\x59\xa6\x6a\x95"), pillow("SUN")),
    Format("FITS", ("fits", "fit", "fts"), _begins(b"SIMPLE  ="), pillow("FITS")),
    Format("XPM", ("xpm",), _begins(b"/* XPM */"), pillow("XPM")),
    Format("XBM", ("xbm",), _begins(b"#define "), pillow("XBM")),
    Format(
        "PSB",
        ("psb",),
        _begins(b"8BPS\0\2"),
        remedy="Save it as PSD, JPEG or PNG in the program that made it",
    ),
    Format("SVG", ("svg", "svgz"), _is_markup, remedy="Export it as PNG: a drawing has no pixels"),
    Format("EPS", ("eps",), _begins(b"%!PS", b"\xc5\xd0\xd3\xc6")),
    Format("WMF", ("wmf",), _begins(b"\xd7\xcd\xc6\x9a", b"\1\0\x09\0")),
    Format("EMF", ("emf",), _begins(b" EMF", at=40)),
    Format("EXR", ("exr",), _begins(b"\x76\x2f\x31\x01")),
    Format("HDR", ("hdr",), _begins(b"#?RADIANCE", b"#?RGBE")),
    Format("XCF", ("xcf",), _begins(b"gimp xcf")),
    Format("JPEG XR", ("jxr", "wdp", "hdp"), _begins(b"II\xbc\x01")),
    Format("BPG", ("bpg",), _begins(b"BPG\xfb")),
    Format("FLIF", ("flif",), _begins(b"FLIF")),
    Format("DjVu", ("djvu", "djv"), _begins(b"AT&TFORM")),
)
# Of files that a camera writes beside a JPEG of the same picture.
RAW_EXTENSIONS = frozenset(each for row in FORMATS if row.reader is RAW for each in row.extensions)
EXTENSIONS = frozenset(each for row in FORMATS for each in row.extensions)
