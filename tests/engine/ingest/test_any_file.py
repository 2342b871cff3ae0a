"""Whatever one file is or does, it is indexed or skipped, and the others are indexed."""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from engine import Config, Engine, IndexReport, Skipped
from engine.errors import EngineError, ImageError
from engine.heads.classifier import Classifier
from engine.ingest.indexer import Indexer
from engine.ingest.labels.labels import KeepLabels
from engine.pictures.crop import Crop
from engine.pictures.decode import DecodedImage, decode
from engine.pictures.sources.states import file_state
from engine.pictures.threads.memory import Reserve
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.records import FileState
from tests.support.formats import by_pillow, cmyk, grey_16, grey_float, several
from tests.support.shop import put

pytestmark = pytest.mark.slow

UNTIL = settings(max_examples=40, suppress_health_check=list(HealthCheck))
# Far beyond 64 bits either way, and all the edges on the way there.
NUMBERS = st.one_of(
    st.integers(-(2**80), 2**80),
    st.builds(
        lambda sign, power, off: sign * 2**power + off,
        st.sampled_from((-1, 1)),
        st.integers(0, 70),
        st.integers(-2, 2),
    ),
)
YEAR = 365 * 24 * 3600 * 10**9


class Panic(BaseException):
    """What decoders written in Rust raise; no `Exception`."""


@contextmanager
def _engine(embedder: type[FakeEmbedder] = FakeEmbedder) -> Iterator[tuple[Engine, Path]]:
    """Yield an engine and an empty folder, both new: an example must not see those before it."""
    with tempfile.TemporaryDirectory(prefix="engine-") as name:
        config = Config.at(Path(name) / "store")
        (shop := Path(name) / "shop").mkdir()
        with Engine(config, embedder=embedder(config)) as engine:
            yield engine, shop


def _told(report: IndexReport) -> dict[str, str]:
    return {os.path.basename(skip.path): skip.reason for skip in report.skipped}


@given(size=NUMBERS, mtime_ns=NUMBERS, inode=NUMBERS, ctime_ns=NUMBERS)
@UNTIL
def test_what_a_file_system_says_can_be_stored(
    size: int, mtime_ns: int, inode: int, ctime_ns: int
) -> None:
    state = SimpleNamespace(st_size=size, st_mtime_ns=mtime_ns, st_ino=inode, st_ctime_ns=ctime_ns)
    file = file_state("/a.jpg", cast(os.stat_result, state))
    for number in (file.size, file.mtime_ns, file.inode, file.ctime_ns):
        assert number is not None
        struct.pack("<q", number)
    if 0 <= mtime_ns < 2**63:
        assert file.mtime_ns == mtime_ns


def test_the_least_and_the_largest_numbers_are_stored(catalog_of: Callable[[], Catalog]) -> None:
    state = SimpleNamespace(
        st_size=2**63, st_mtime_ns=-(2**90), st_ino=2**64 - 1, st_ctime_ns=2**90
    )
    file = file_state("/a.jpg", cast(os.stat_result, state))
    with catalog_of() as catalog:
        catalog.images.restat([(1, file, 0)])
        known = catalog.images.known(["/"])["/a.jpg"]
    assert FileState("/a.jpg", known.size, known.mtime_ns, known.inode, known.ctime_ns) == file


@pytest.fixture
def catalog_of(tmp_path: Path, fake_engine: Engine) -> Callable[[], Catalog]:
    """What opens a catalog of one image."""
    fake_engine.index([put(tmp_path / "a.bmp", 1)])
    return lambda: Catalog.open(tmp_path / "store" / "catalog.sqlite")


@given(mtimes=st.lists(st.integers(-(2**66), 2**66), min_size=1, max_size=6))
@example(mtimes=[330 * YEAR, -400 * YEAR, -1, 0, 2**63 - 1, 2**63, -(2**63) - 1])
@UNTIL
def test_a_picture_of_any_time_is_indexed(mtimes: Sequence[int]) -> None:
    with _engine() as (engine, shop):
        for number, mtime_ns in enumerate(mtimes):
            path = put(shop / f"{number}.bmp", number)
            try:
                os.utime(path, ns=(mtime_ns, mtime_ns))
            except (OSError, OverflowError):
                assume(False)
        first, again = engine.index([shop]), engine.index([shop])
        assert (first.added, first.skipped) == (len(mtimes), [])
        assert (again.unchanged, again.skipped) == (len(mtimes), [])
        hits = engine.search(shop / "0.bmp", k=1).results
        assert hits[0].score == pytest.approx(1, abs=1e-3)


NAMES = st.binary(min_size=1, max_size=200).filter(lambda name: not {0, 0x2F} & {*name})


@given(names=st.sets(NAMES, min_size=1, max_size=6), label=st.sampled_from((None, "parent")))
@example(
    names={b"\xff\xfe", b"\x1b[2J", b"\n", b"\xed\xa0\x80", b"%00", b"fsbytes:x"}, label="parent"
)
@UNTIL
def test_a_picture_of_any_name_in_a_folder_of_any_name_is_indexed(
    names: set[bytes], label: str | None
) -> None:
    with _engine() as (engine, shop):
        picture, made = put(shop.parent / "one.bmp", 1), 0
        for name in names - {b".", b".."}:
            folder = os.path.join(os.fsencode(shop), b"in " + name)
            try:
                os.mkdir(folder)
                shutil.copy(os.fsencode(picture), os.path.join(folder, b"x" + name + b".bmp"))
                made += 1
            except OSError:
                continue  # too long for this file system
        report = engine.index([shop, put(shop / "good.bmp", 2)], label=label)
        assert report.added + len(report.skipped) == made + 1
        assert report.skipped == []
        assert len(engine.search(shop / "good.bmp", k=50).results) == made + 1


def _small() -> Image.Image:
    return Image.radial_gradient("L").resize((40, 32)).convert("RGB")


SMALL = {
    "a.jpg": by_pillow("JPEG"),
    "progressive.jpg": by_pillow("JPEG", progressive=True),
    "cmyk.jpg": cmyk,
    "a.png": by_pillow("PNG"),
    "grey.png": grey_16,
    "palette.png": lambda image: by_pillow("PNG")(image.convert("P")),
    "a.webp": by_pillow("WEBP"),
    "a.gif": several("GIF"),
    "a.bmp": by_pillow("BMP"),
    "a.tif": by_pillow("TIFF"),
    "packed.tif": by_pillow("TIFF", compression="tiff_lzw"),
    "float.tif": grey_float,
    "a.ico": by_pillow("ICO"),
    "a.tga": by_pillow("TGA"),
    "a.ppm": by_pillow("PPM"),
    "a.pcx": by_pillow("PCX"),
    "a.sgi": by_pillow("SGI"),
    "a.dds": by_pillow("DDS"),
    "a.jp2": by_pillow("JPEG2000"),
}
FILES = {name: write(_small()) for name, write in SMALL.items()}


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a picture file with some bytes exchanged, cut out or doubled."""
    name = draw(st.sampled_from(sorted(FILES)))
    data = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 6))):
        # The front of a file says most of what can be said wrongly.
        at = draw(st.one_of(st.integers(0, min(200, len(data))), st.integers(0, len(data))))
        kind = draw(st.sampled_from(("exchange", "cut", "insert", "end")))
        if kind == "exchange":
            new = draw(st.one_of(st.binary(min_size=1, max_size=4), st.just(b"\xff\xff\xff\xff")))
            data[at : at + len(new)] = new
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif kind == "insert":
            data[at:at] = data[: draw(st.integers(1, 40))]
        else:
            del data[at:]
    return name, bytes(data)


@given(file=mutated())
@settings(UNTIL, max_examples=250)
def test_a_file_of_any_content_is_a_picture_or_an_image_error(file: tuple[str, bytes]) -> None:
    name, data = file
    try:
        decoded = decode(data, name, 10**6)
    except ImageError as error:
        assert error.reason and error.remedy
    else:
        assert decoded.pixels.mode == "RGB"
        assert decoded.pixels.size == (decoded.width, decoded.height)


@given(files=st.lists(mutated(), min_size=1, max_size=5))
@UNTIL
def test_files_of_any_content_are_indexed_or_skipped(files: list[tuple[str, bytes]]) -> None:
    with _engine() as (engine, shop):
        for number, (name, data) in enumerate(files):
            (shop / f"{number} {name}").write_bytes(data)
        report = engine.index([shop, put(shop / "good.bmp", 1)])
        assert report.added + len(report.skipped) == len(files) + 1
        assert len(engine.search(shop / "good.bmp", k=50).results) == report.added


FAILURES = [
    ValueError("no such value"),
    struct.error("unpack requires 4 bytes"),
    RecursionError("maximum recursion depth exceeded"),
    AssertionError(),
    OverflowError("Python int too large to convert to C long"),
    KeyError("exif"),
    SystemError("error return without exception set"),
    StopIteration(),
    GeneratorExit(),
    Panic("called `Option::unwrap()` on a `None` value"),
]


def _failing(failure: BaseException) -> type[FakeEmbedder]:
    class Failing(FakeEmbedder):
        def image(
            self, data: bytes, name: str, reserve: Reserve | None = None, crop: Crop | None = None
        ) -> DecodedImage:
            if "bad" in os.path.basename(name):
                raise failure
            return super().image(data, name, reserve, crop)

    return Failing


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_failure_that_nobody_foresaw_is_a_skip_that_names_it(failure: BaseException) -> None:
    with _engine(_failing(failure)) as (engine, shop):
        for number, name in enumerate(("a.bmp", "bad.bmp", "c.bmp", "d/e.bmp")):
            put(shop / name, number)
        report, skipped = engine.index([shop]), list[Skipped]()
        assert report.added == 3
        assert type(failure).__name__ in _told(report)["bad.bmp"]
        assert str(failure.args[0] if failure.args else "") in _told(report)["bad.bmp"]
        pictures = [shop / "a.bmp", shop / "bad.bmp"]
        assert len(engine.classify(pictures, skipped=skipped)) == 1
        assert type(failure).__name__ in skipped[0].reason
        for verb in (engine.classify, engine.search):
            with pytest.raises(ImageError, match=type(failure).__name__):
                cast(Any, verb)(shop / "bad.bmp")


def test_memory_that_runs_out_for_one_picture_is_a_skip() -> None:
    with _engine(_failing(MemoryError())) as (engine, shop):
        put(shop / "bad.bmp", 1), put(shop / "good.bmp", 2)
        report = engine.index([shop])
        assert report.added == 1
        assert "not enough memory" in _told(report)["bad.bmp"]


def test_an_interrupt_and_an_error_of_the_catalog_are_no_skips() -> None:
    for failure in (KeyboardInterrupt(), EngineError("the catalog", "it is damaged", "Look")):
        with _engine(_failing(failure)) as (engine, shop):
            put(shop / "bad.bmp", 1)
            with pytest.raises(type(failure)):
                engine.index([shop])


def _make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 200 << 30)


SWAPS: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a loop": lambda path: path.symlink_to(path),
    "a pipe": lambda path: os.mkfifo(path),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "empty": lambda path: path.touch(),
    "huge": _make_huge,
}


@pytest.mark.parametrize("swap", SWAPS)
def test_a_file_that_changes_after_it_was_found_is_a_skip(swap: str) -> None:
    class Swapped(KeepLabels):
        def expect(self, paths: Sequence[str], labels: Any = tuple) -> None:
            os.unlink(shop / "bad.bmp")
            SWAPS[swap](shop / "bad.bmp")

    with _engine() as (engine, shop):
        engine.index([put(shop / "first.bmp", 7)])
        put(shop / "bad.bmp", 1), put(shop / "good.bmp", 2)
        config = engine.config
        embedder = FakeEmbedder(config)
        with Catalog.open(config.store.catalog) as catalog:
            indexer = Indexer(
                catalog, embedder, Swapped(), lambda: Classifier(embedder.built_in, [])
            )
            indexer.run([str(shop)])
            report = indexer.report(1.0)
    assert (report.added, list(_told(report))) == (1, ["bad.bmp"])


def test_a_picture_of_200_gib_is_a_skip() -> None:
    with _engine() as (engine, shop):
        put(shop / "good.bmp", 2)
        with open(shop / "bad.jpg", "wb") as file:
            try:
                file.truncate(200 << 30)
            except OSError:
                pytest.skip("this file system has no such files")
        report = engine.index([shop])
    assert (report.added, list(_told(report))) == (1, ["bad.jpg"])
