"""Which folders of a data set are its categories, and when that is not clear."""

from __future__ import annotations

import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from engine import UsageError
from engine.ingest.labels.labels import NoLabels, ParentLabels, label_rule
from engine.learning.data.dataset import Dataset, find_labelled, require_folder


def put(folder: Path, *names: str) -> Path:
    """Write files that are pictures by name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"picture")
    return folder


def counts(found: Dataset) -> dict[str, int]:
    """Return how many files each category has."""
    labels = [label for _, label in found.files]
    return {name: labels.count(name) for name in found.categories}


def test_the_folder_below_the_data_set_is_the_label(images: Path) -> None:
    found = find_labelled(str(images))
    assert counts(found) == {"bed": 4, "chair": 4, "lamp": 4}
    assert (found.root, found.skipped, found.problems, found.notes) == (str(images), [], [], [])


def test_files_are_in_order_of_label_and_path(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "b/1.jpg", "a/2.jpg", "a/1.jpg")))
    names = [Path(file.path).relative_to(tmp_path).as_posix() for file, _ in found.files]
    assert names == ["a/1.jpg", "a/2.jpg", "b/1.jpg"]


def test_a_folder_without_an_image_is_a_category_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "sofa").mkdir()
    assert counts(find_labelled(str(put(tmp_path, "bed/1.jpg")))) == {"bed": 1, "sofa": 0}


def test_images_beside_the_folders_have_no_label_and_are_told_of(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "bed/1.jpg", "sofa/1.jpg", "cover.jpg")))
    assert counts(found) == {"bed": 1, "sofa": 1}
    assert found.notes == ["left out: 1 picture without a category"]


@pytest.mark.parametrize("wrapping", ["flowers", "flowers/flowers", "a/b/c"])
def test_a_folder_that_only_wraps_the_categories_is_opened(tmp_path: Path, wrapping: str) -> None:
    put(tmp_path, f"{wrapping}/rose/1.jpg", f"{wrapping}/tulip/1.jpg")
    found = find_labelled(str(tmp_path))
    assert found.root == str(tmp_path / wrapping)
    assert counts(found) == {"rose": 1, "tulip": 1}


def test_a_single_category_is_no_wrapping(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "bed/1.jpg", "bed/oak/2.jpg")))
    assert (found.root, counts(found)) == (str(tmp_path), {"bed": 2})


def test_a_wrapped_single_category_is_found(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "beds/bed/1.jpg")))
    assert (found.root, counts(found)) == (str(tmp_path / "beds"), {"bed": 1})


@pytest.mark.parametrize("junk", ["__MACOSX", ".thumbnails", "@eaDir", "lost+found"])
def test_what_a_system_leaves_is_no_category_and_hides_no_wrapping(
    tmp_path: Path, junk: str
) -> None:
    put(tmp_path, "flowers/rose/1.jpg", "flowers/tulip/1.jpg", f"{junk}/flowers/rose/1.jpg")
    put(tmp_path, f"flowers/{junk}/1.jpg")
    found = find_labelled(str(tmp_path))
    assert counts(found) == {"rose": 1, "tulip": 1}


def test_an_image_beside_a_wrapping_is_left_out_with_a_note(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "cover.jpg", "set/rose/1.jpg", "set/tulip/1.jpg")))
    assert counts(found) == {"rose": 1, "tulip": 1}
    assert found.notes == ["left out: 1 picture without a category"]


def test_deeper_images_are_of_the_outer_category_where_it_has_others(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "bed/1.jpg", "bed/oak/2.jpg", "sofa/red/old/1.jpg")))
    assert counts(found) == {"bed": 2, "sofa": 1}
    [note] = found.notes
    assert note.endswith("of that category, too: 2 pictures, such as bed/oak/2.jpg")


def test_deeper_images_are_of_the_outer_category_where_there_is_one_inner(tmp_path: Path) -> None:
    found = find_labelled(str(put(tmp_path, "bed/images/1.jpg", "sofa/images/1.jpg")))
    assert counts(found) == {"bed": 1, "sofa": 1}
    assert (len(found.notes), found.problems) == (1, [])


@pytest.mark.parametrize(
    ("files", "outer", "inner"),
    [
        (
            ["train/bed/1.jpg", "train/sofa/1.jpg", "test/bed/2.jpg", "test/sofa/2.jpg"],
            "test, train",
            "bed, sofa",
        ),
        (["animal/cat/1.jpg", "animal/dog/1.jpg", "car/bus/1.jpg"], "animal, car", "bus, cat, dog"),
    ],
)
def test_where_two_levels_may_be_the_categories_both_are_named(
    tmp_path: Path, files: list[str], outer: str, inner: str
) -> None:
    [problem] = find_labelled(str(put(tmp_path, *files))).problems
    assert f"({outer})" in problem.reason and f"({inner})" in problem.reason
    assert f"DATASET/{outer.split(',')[0]}" in problem.remedy


def test_another_rule_may_give_the_labels(images: Path) -> None:
    shutil.copy(next((images / "bed").iterdir()), images / "beside.jpg")
    found = find_labelled(str(images), ParentLabels())
    assert found.categories == {"bed", "chair", "lamp", "pictures"}


def test_with_another_rule_no_folder_is_a_wrapping(tmp_path: Path) -> None:
    put(tmp_path, "train/bed/1.jpg", "train/sofa/1.jpg", "test/bed/1.jpg", "test/sofa/1.jpg")
    found = find_labelled(str(tmp_path), ParentLabels())
    assert (counts(found), found.problems) == ({"bed": 2, "sofa": 2}, ())


def test_a_data_set_without_labels_says_how_to_give_them(images: Path) -> None:
    with pytest.raises(UsageError, match=r"Put the pictures into folders .* DATASET/bed/1\.jpg"):
        find_labelled(str(images / "bed"))
    with pytest.raises(UsageError, match="no picture in it has a label"):
        find_labelled(str(images), NoLabels())


def test_folders_that_say_the_same_are_one_label(images: Path) -> None:
    (images / "bed").rename(images / "Möbel")
    (images / "chair").rename(images / unicodedata.normalize("NFD", "möbel"))
    (images / "lamp").rename(images / " MÖBEL ")
    found = find_labelled(str(images))
    assert (len(found.files), len({label for _, label in found.files})) == (12, 1)
    assert found.categories == {label for _, label in found.files}
    assert len(found.notes) == 1


def test_a_table_hears_of_all_files_before_it_is_asked(images: Path) -> None:
    names = sorted(os.listdir(images / "bed"))
    rows = "".join(f"bed/{name},{label}\n" for name, label in zip(names, "aAbB", strict=True))
    (images / "labels.csv").write_text(f"path,label\n{rows}none.jpg,c\n")
    rule = label_rule(str(images / "labels.csv"))
    found = find_labelled(str(images), rule)
    assert [label for _, label in found.files] == ["a", "a", "b", "b"]
    assert [row.path for row in rule.unused()] == ["none.jpg"]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_no_data_set(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="there is no such folder"):
        require_folder(str(tmp_path / name))


@pytest.mark.parametrize("name", ["s3://bucket/in", "s3:/bucket/in", "x.tar", "train.parquet"])
def test_what_is_no_folder_of_this_machine_is_refused_with_another_way(name: str) -> None:
    with pytest.raises(UsageError, match="--from-labels"):
        find_labelled(name)
