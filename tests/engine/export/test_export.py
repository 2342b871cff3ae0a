"""Export: the embeddings as other programs read them."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from engine import Config, Engine, EngineError, UsageError
from engine.errors import StoreNotFoundError
from engine.testing import FakeEmbedder
from index.records import Floats

AsNobody = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with the twelve pictures, labelled by folder."""
    fake_engine.index([images], label="parent")
    return fake_engine


def embedding(engine: Engine, path: str) -> Floats:
    """Return the unit vector of a file's content, float32 `[48]`."""
    embedder = FakeEmbedder(engine.config)
    vector: Floats = embedder.embed([embedder.pixels(Path(path).read_bytes(), path)]).unit[0]
    return vector


def test_a_npy_file_and_its_table_say_what_the_catalog_says(
    indexed: Engine, images: Path, tmp_path: Path
) -> None:
    report = indexed.export(tmp_path / "out.npy")
    vectors = np.load(tmp_path / "out.npy")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert (report.images, report.dim, vectors.shape, vectors.dtype) == (
        12,
        48,
        (12, 48),
        np.float32,
    )
    assert sorted(row["path"] for row in rows) == sorted(map(str, images.rglob("*.jpg")))
    for row, vector in zip(rows, vectors, strict=True):
        assert row["label"] == Path(row["path"]).parent.name
        assert (row["width"], row["format"]) == ("320", "JPEG")
        np.testing.assert_allclose(vector, embedding(indexed, row["path"]), atol=1e-3)


def test_the_table_beside_a_npy_file_holds_no_formulas(
    fake_engine: Engine, images: Path, tmp_path: Path
) -> None:
    (images / "labels.csv").write_text("path,label\nbed/bed-0001.jpg,=1+1\n", encoding="utf-8")
    fake_engine.index([images], label=str(images / "labels.csv"))
    fake_engine.export(tmp_path / "out.npy")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
        labels = [row["label"] for row in csv.DictReader(lines)]
    assert "'=1+1" in labels
    before = fake_engine.search(images / "bed" / "bed-0001.jpg", k=1)[0].label
    assert before == "=1+1"
    report = fake_engine.index([images], label=str(tmp_path / "out.csv"))
    assert report.relabelled == 0, "read back as labels, the table changes none"


def test_a_parquet_file_holds_the_same_rows_as_the_npy_file(
    indexed: Engine, tmp_path: Path
) -> None:
    indexed.export(tmp_path / "out.npy")
    indexed.export(tmp_path / "out.parquet")
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    vectors = np.array(table.pop("embedding"), np.float32)
    assert np.array_equal(vectors, np.load(tmp_path / "out.npy"))
    assert list(table) == list(rows[0])
    for name in ("path", "label", "content_hash"):
        assert table[name] == [row[name] for row in rows]
    assert table["width"] == [320] * 12


def test_names_that_are_no_text_are_exported_as_they_can_be(
    indexed: Engine, images: Path, tmp_path: Path
) -> None:
    strange = os.fsencode(images) + b"/bed/\xff\nx.jpg"
    shutil.copy(next((images / "bed").iterdir()), os.fsdecode(strange))
    indexed.index([images])
    indexed.export(tmp_path / "out.npy")
    indexed.export(tmp_path / "out.parquet")
    with (tmp_path / "out.csv").open("rb") as lines:
        assert strange in lines.read()
    paths = pq.read_table(tmp_path / "out.parquet")["path"].to_pylist()
    assert sum(path.endswith("\N{REPLACEMENT CHARACTER}\nx.jpg") for path in paths) == 1


def test_removed_images_are_not_exported(indexed: Engine, images: Path, tmp_path: Path) -> None:
    indexed.remove([images / "bed"])
    assert indexed.export(tmp_path / "out.npy").images == 8
    assert np.load(tmp_path / "out.npy").shape == (8, 48)


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_an_empty_catalog_is_exported_as_no_rows(
    indexed: Engine, images: Path, tmp_path: Path, name: str
) -> None:
    indexed.remove([images])
    assert indexed.export(tmp_path / name).images == 0
    rows = np.load(tmp_path / name) if name.endswith("npy") else pq.read_table(tmp_path / name)
    assert len(rows) == 0


@pytest.mark.parametrize("name", ["out.csv", "out", "out.npz", ".npy"])
def test_another_ending_is_refused(indexed: Engine, tmp_path: Path, name: str) -> None:
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UsageError, match=r"Use \.npy or \.parquet"):
        indexed.export(tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("place", ["missing/out", "file/out"])
@pytest.mark.parametrize("ending", [".npy", ".parquet"])
def test_a_place_that_cannot_be_written_is_an_error_that_says_so(
    indexed: Engine, tmp_path: Path, place: str, ending: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="it cannot be written"):
        indexed.export(tmp_path / f"{place}{ending}")
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_folder_that_may_not_be_written_is_an_error_that_says_so(
    images: Path, open_folder: Path, as_nobody: AsNobody
) -> None:
    shutil.copytree(images, open_folder / "pictures")
    open_folder.chmod(0o777)
    (open_folder / "locked").mkdir(0o555)
    config = Config.at(open_folder / "store")
    with as_nobody(), Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([open_folder / "pictures"])
        with pytest.raises(EngineError, match="Permission denied"):
            engine.export(open_folder / "locked" / "out.npy")


def test_an_export_writes_over_an_older_one_where_that_is_asked_for(
    indexed: Engine, tmp_path: Path
) -> None:
    (tmp_path / "out.npy").write_bytes(b"older")
    (tmp_path / "out.csv").write_bytes(b"older")
    indexed.export(tmp_path / "out.npy", force=True)
    assert np.load(tmp_path / "out.npy").shape == (12, 48)
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 13


@pytest.mark.parametrize(
    ("file", "there"),
    [
        ("out.npy", ["out.csv"]),
        ("out.npy", ["out.npy"]),
        ("out.npy", ["out.npy", "out.csv"]),
        ("out.parquet", ["out.parquet"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " and ".join(value),
)
def test_what_exists_is_named_and_not_written_over(
    indexed: Engine, tmp_path: Path, file: str, there: list[str]
) -> None:
    for name in there:
        (tmp_path / name).write_bytes(b"mine")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UsageError, match="--force") as caught:
        indexed.export(tmp_path / file)
    assert caught.value.thing == " and ".join(str(tmp_path / name) for name in there)
    assert sorted(os.listdir(tmp_path)) == before
    assert {(tmp_path / name).read_bytes() for name in there} == {b"mine"}


def test_a_link_that_leads_nowhere_is_not_written_over(indexed: Engine, tmp_path: Path) -> None:
    (tmp_path / "out.npy").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="exists already"):
        indexed.export(tmp_path / "out.npy")
    assert (tmp_path / "out.npy").is_symlink()


@pytest.mark.parametrize("folder", ["out.npy", "out.csv"])
def test_a_folder_is_not_written_over_even_by_force(
    indexed: Engine, tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(UsageError, match="it cannot be written, being a folder"):
        indexed.export(tmp_path / "out.npy", force=True)
    assert [path.name for path in tmp_path.glob("out*")] == [folder]


@pytest.mark.parametrize("full", ["vectors", "table"])
def test_neither_file_is_replaced_unless_both_are_written(
    indexed: Engine, drawn: Path, tmp_path: Path, full: str
) -> None:
    if full == "vectors":
        indexed.index([drawn])  # more than the buffer of a file holds
    indexed.export(tmp_path / "try.npy")
    vectors, table = ((tmp_path / name).stat().st_size for name in ("try.npy", "try.csv"))
    assert full == "vectors" or vectors < table, "so that the table alone may not fit"
    names = ("out.npy", "out.csv")
    for name in names:
        (tmp_path / name).write_bytes(b"mine")
    with (
        no_file_larger_than(1000 if full == "vectors" else (vectors + table) // 2),
        # What NumPy could not write it tells in words of its own, without the system's.
        pytest.raises(
            EngineError, match=r"\(\d+ requested" if full == "vectors" else "File too large"
        ),
    ):
        indexed.export(tmp_path / "out.npy", force=True)
    assert {(tmp_path / name).read_bytes() for name in names} == {b"mine"}
    assert not list(tmp_path.glob("*.tmp"))


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let this process write no more than so many bytes to a file."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_without_a_catalog_there_is_nothing_to_export(fake_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.export(tmp_path / "out.npy")
