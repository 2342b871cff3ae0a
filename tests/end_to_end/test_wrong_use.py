"""Wrong use and broken stores: one clear line, the right exit code, and nothing changed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Refused = Callable[..., str]
# A head that was trained on the embeddings of no backbone there is.
GOLDEN = Path(__file__).parents[1] / "engine" / "heads" / "golden_head_v1.safetensors"


@pytest.fixture
def refused(quick: Run, shop: Path, drawn: Path, tmp_path: Path) -> Refused:
    """Run a command line that must fail in one line and change nothing; return the line.

    S is the store, P the drawn pictures and O the test's folder.
    """
    catalog = shop / "catalog.sqlite"

    def run(line: str, code: int) -> str:
        places = {"P": str(drawn), "S": str(shop), "O": str(tmp_path)}
        words = [
            "/".join([places.get(part, part) for part in word.split("/")]) for word in line.split()
        ]
        before = catalog.read_bytes()
        done = quick(*words)
        assert done.returncode == code, done.stderr
        assert done.stdout == b""
        assert catalog.read_bytes() == before
        [said] = done.stderr.decode().splitlines()
        assert said.startswith("error: ")
        return said

    return run


@pytest.mark.parametrize(
    "line",
    [
        "search P/bed/bed-0001.jpg --store O/none",
        "duplicates --store O/none",
        "suspects --store O/none",
        "suspects --head furniture --store O/none",
        "suspects P --store O/none",
        "status --store O/none",
        "remove P --store O/none",
        "export O/all.npy --store O/none",
        "train --from-labels --head x --store O/none",
        "heads list --store O/none",
        "heads show furniture --store O/none",
        "heads export furniture O/f.safetensors --store O/none",
        "heads delete furniture --store O/none",
        "classify P/bed/bed-0001.jpg --store O/none",
        "evaluate P --store O/none",
        "report furniture --store O/none",
        "train P --head furniture --store O/none",
        "train P --head furniture --extend --store O/none",
        "train --from-labels --head furniture --store O/none",
        "heads import O/f.safetensors --store O/none",
        "relocate P O/p --store O/none",
        "compact --store O/none",
    ],
)
def test_without_a_catalog_the_remedy_is_to_index(
    line: str, refused: Refused, tmp_path: Path
) -> None:
    said = refused(line, 1)
    assert "there is no catalog here" in said
    assert "engine index FOLDER" in said
    assert not (tmp_path / "none").exists()


def test_a_store_that_a_variable_names_must_be_there(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "none"))
    for line in ("classify P/bed/bed-0001.jpg", "train P --head furniture"):
        assert "check ENGINE_STORE" in refused(line, 1)
    assert not (tmp_path / "none").exists()


def test_a_new_store_that_is_named_is_made_as_the_remedy_says(
    quick: Run, drawn: Path, tmp_path: Path
) -> None:
    line = ("train", drawn / "bed", "--head", "one", "--store", tmp_path / "a store")
    said = quick(*line).stderr.decode()
    remedy = f"engine index FOLDER --store '{tmp_path}/a store'"
    assert f"Make one with `{remedy}`, or check --store" in said
    words = [str(drawn / "bed") if word == "FOLDER" else word for word in shlex.split(remedy)[1:]]
    assert quick(*words).returncode == 0


def test_training_makes_a_store_where_none_was_named(
    quick: Run, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert quick("train", drawn, "--head", "rooms", "--fast").returncode == 0
    assert (tmp_path / ".engine" / "catalog.sqlite").exists()


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (
            "index P --store S --backbone vgg",
            "there is no such backbone. Use one of auto, resnet50",
        ),
        ("classify P/bed/bed-0001.jpg --store S --head nobody", "The catalog has furniture"),
        ("classify P/bed/bed-0001.jpg --store S --head furnitur", "Did you mean furniture?"),
        ("classify P/bed/bed-0001.jpg --store S --head x", "imagenet and all can be asked"),
        (
            "classify P/bed/bed-0001.jpg --store S --coverage 0.9",
            "here all categories compete. Name a head with --head NAME",
        ),
        ("classify P/bed/bed-0001.jpg --store S --head all --coverage 0.9", "categories compete"),
        (
            "classify P/bed/bed-0001.jpg --store S --head imagenet --coverage 0.9",
            "no labelled pictures of the built-in categories",
        ),
        (
            "classify P/bed/bed-0001.jpg --store S --head furniture --coverage 95",
            "Use a number from 0.01 to 0.9999",
        ),
        ("suspects --store S --head nobody", "The catalog has furniture"),
        ("suspects --store S --head imagenet", "there is no such head"),
        ("suspects P --label --store S", "the labels of one place"),
        ("suspects --label --head furniture --store S", "the labels of one place"),
        ("suspects O/none --store S", "there is no such folder"),
        ("suspects --json --paths --store S", "an answer has one form"),
        ("evaluate P --store S --head nobody", "there is no such head"),
        ("report nobody --store S", "The catalog has furniture"),
        ("search P/bed/bed-0001.jpg --store S --category bde", "Did you mean bed"),
        ("search P/bed/bed-0001.jpg --store S --where lable=bed", "Did you mean label?"),
        ("search P/bed/bed-0001.jpg --store S --json --csv", "an answer has one form"),
        ("heads show nobody --store S", "there is no such head"),
        ("heads delete nobody --store S", "there is no such head"),
        ("train P --head imagenet --store S", "this name belongs to the engine"),
        ("train P --head ../x --store S", "this is no name for a head"),
        ("train --head x --store S", "DATASET, --from-labels and --from"),
        (
            "train P --from-labels --head x --store S",
            "DATASET, --from-labels and --from",
        ),
        ("train O/none --head x --store S", "there is no such folder"),
        ("evaluate O/none --store S", "there is no such folder"),
        ("search P/bed/bed-0001.jpg --store S --where label", "this is not FIELD OPERATOR VALUE"),
        ("search P/bed/bed-0001.jpg --store S --where colour=red", "there is no field colour"),
        ("search P/bed/bed-0001.jpg --store S --where width>wide", "'wide' is not a number"),
        ("search P/bed/bed-0001.jpg --store S --where width~3*", "width is a number"),
        ("search P/bed/bed-0001.jpg --store S --where label>3", "label is a text"),
        ("search P/bed/bed-0001.jpg --store S --runtime gpu", "'gpu' is not a choice"),
        ("index P --store S --label O/none.csv", "the labels cannot be read"),
        ("index P --store S --precision int4", "'int4' is not a choice"),
        ("index P --store S --dtype int4", "'int4' is not a choice"),
        ("index P --store S --index fast", "'fast' is not a choice. Use one of auto, exact"),
        ("index P --store S --memory lots", "lots: this is no size. Write for example 500M"),
        ("index P --store S --memory 0", "0: this is no size"),
        ("index P --store S --memory=-1G", "-1G: this is no size"),
        ("index P --store S --memory 0.0001K", "0.0001K: this is no size"),
        ("index P --store S --memory nan", "nan: this is no size"),
        ("index P --store S --max-file-size 0", "0: this is no size"),
        ("index P --store S --max-file-size inf", "inf: this is no size"),
        ("index P --store S --max-megapixels 1e-9", "1e-09 is out of range"),
        ("export O/all.xls --store S", "Use .npy or .parquet"),
        ("duplicates --store S --level near", "'near' is not a choice. Use one of exact, copy"),
        ("duplicates --store S --paths --level=", "'' is not a choice"),
        ("duplicates --store S --level copy --min-score 0.9", "Use the level similar"),
        ("duplicates --store S --paths --min-score 0.9", "Use the level similar"),
        ("duplicates --store S --keep=", "'' is no rule. Use largest, oldest or a pattern"),
        ("duplicates --store S --move-to P", "what lies there would be indexed again"),
        ("duplicates --store S --move-to P/bed/bed-0001.jpg", "it is a file. Name a folder"),
        ("duplicates --store S --move-to S/aside", "the store is no place for pictures"),
        ("duplicates --store S --move-to O/a --paths", "--paths: --move-to moves files of the"),
        ("duplicates --store S --move-to O/a --csv", "--csv: --move-to moves files of the"),
        ("duplicates P/bed/bed-0001.jpg --store S --move-to O/a", "IMAGE: --move-to moves files"),
        ("duplicates --store S --move-to O/a --level similar", "alike are no copies of each other"),
        ("duplicates --store S --move-to O/a --min-score 0.9", "alike are no copies of each other"),
        ("duplicates --store S --move-to O/a --level near", "'near' is not a choice. Use exact or"),
        ("duplicates --store S --undo O/a --level copy", "--level: --undo goes by the manifest"),
        ("duplicates --store S --undo O/a --keep oldest", "--keep: --undo goes by the manifest"),
        ("duplicates --store S --undo O/a --move-to O/b", "--move-to: --undo goes by the"),
        ("duplicates P/bed/bed-0001.jpg --store S --undo O/a", "IMAGE: --undo goes by the"),
    ],
)
def test_a_wrong_request_is_told_what_would_be_right(
    line: str, part: str, refused: Refused
) -> None:
    assert part in refused(line, 2)


@pytest.mark.parametrize("line", ["O/none", "P", "P/bed/bed-0001.jpg", "S/catalog.sqlite"])
def test_what_is_no_manifest_is_told(line: str, refused: Refused) -> None:
    said = refused(f"duplicates --undo {line} --store S", 1)
    assert "Name a file that `engine duplicates --move-to` has made, as it made it" in said


@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "0", "-1"])
@pytest.mark.parametrize(
    "line",
    ["index P", "search P/bed/bed-0001.jpg", "classify P/bed/bed-0001.jpg"],
    ids=lambda line: line.split()[0],
)
@pytest.mark.parametrize(
    ("option", "least"), [("--max-megapixels", "1e-06"), ("--decode-seconds", "0.001")]
)
def test_a_limit_on_pixels_or_time_that_is_none_is_refused(
    line: str, number: str, option: str, least: str, refused: Refused
) -> None:
    said = refused(f"{line} --store S {option}={number}", 2)
    assert f"{option}: {float(number)} is out of range. Use a number of {least} or more" in said


@pytest.mark.parametrize("there", [["all.npy"], ["all.csv"], ["all.npy", "all.csv"]], ids=str)
def test_an_export_names_what_it_does_not_write_over(
    there: list[str], refused: Refused, quick: Run, shop: Path, tmp_path: Path
) -> None:
    for name in there:
        (tmp_path / name).write_text("mine")
    said = refused("export O/all.npy --store S", 2)
    assert all(str(tmp_path / name) in said for name in there)
    assert "--force" in said
    assert {(tmp_path / name).read_text() for name in there} == {"mine"}
    assert len(list(tmp_path.glob("all.*"))) == len(there)
    assert quick("export", tmp_path / "all.npy", "--force", "--store", shop).returncode == 0
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 61


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("index P --store S --backbone resnet50", "made with efficientnet_lite0, not resnet50"),
        ("index O/none --store S", "there is nothing at this path"),
        ("search O/none.jpg --store S", "there is no such file"),
        ("heads import O/none.safetensors --store S", "it cannot be read"),
        ("backbones import resnet50 O/none.pth", "there is no such file"),
        ("search P/bed/bed-0001.jpg --store S --html O/none/x.html", "the page cannot be written"),
        ("export O/none/all.npy --store S", "it cannot be written"),
        ("heads export furniture O/none/f.safetensors --store S", "it cannot be written"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_reason(
    line: str, part: str, refused: Refused
) -> None:
    assert part in refused(line, 1)


@pytest.mark.parametrize(
    "text", ["", "name,kind\na,b\n", "path\na.jpg\n"], ids=["empty", "other columns", "one column"]
)
def test_a_table_of_labels_must_have_both_columns(
    text: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(text)
    assert "it lacks a column" in refused("index P --store S --label O/labels.csv", 2)


def test_a_file_that_is_no_head_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "f.safetensors").write_bytes(b"not a head")
    refused("heads import O/f.safetensors --store S", 1)


def test_a_file_that_is_no_weights_file_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"not weights")
    refused("backbones import resnet50 O/w.pth", 1)


def test_where_too_little_can_be_read_to_train_each_skip_is_named(
    quick: Run, shop: Path, tmp_path: Path
) -> None:
    for category, count in (("one", 2), ("two", 2)):
        (tmp_path / "set" / category).mkdir(parents=True)
        for number in range(count):
            shutil.copy2(
                tmp_path / "shop" / "catalog.sqlite", tmp_path / "set" / category / f"{number}.jpg"
            )
    done = quick("train", tmp_path / "set", "--head", "x", "--store", shop)
    assert done.returncode == 1
    *skips, said = done.stderr.decode().splitlines()
    assert "has 0 usable pictures" in said
    assert [line.split(":")[0] for line in skips] == [
        f"skipped {tmp_path}/set/{name}/{number}.jpg"
        for name in ("one", "two")
        for number in (0, 1)
    ]


VERBS = ("train O/set --head x --store S", "finetune O/set --from block6 --name x", "compare O/set")


@pytest.mark.parametrize("line", VERBS, ids=lambda line: line.split()[0])
@pytest.mark.parametrize(
    ("folders", "said"),
    [
        ({"bed": 1, "sofa": 2}, "the category 'bed' has 1 usable picture"),
        ({"bed": 0, "sofa": 2}, "the category 'bed' has 0 usable pictures"),
    ],
    ids=["one picture", "an empty category"],
)
def test_categories_that_cannot_be_learned_are_refused_before_embedding(
    folders: dict[str, int], said: str, line: str, refused: Refused, drawn: Path, tmp_path: Path
) -> None:
    found = sorted(drawn.rglob("*.jpg"))
    for category, count in folders.items():
        (tmp_path / "set" / category).mkdir(parents=True)
        for image in found[:count]:
            shutil.copy2(image, tmp_path / "set" / category)
    assert said in refused(line, 1)


@pytest.mark.parametrize("line", VERBS, ids=lambda line: line.split()[0])
def test_a_folder_of_no_images_is_refused(line: str, refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "set" / "bed").mkdir(parents=True)
    (tmp_path / "set" / "bed" / "notes.txt").write_text("no picture")
    assert "no picture in it has a label" in refused(line, 2)


def test_a_head_of_another_backbone_is_refused(refused: Refused, tmp_path: Path) -> None:
    shutil.copy2(GOLDEN, tmp_path / "other.safetensors")
    said = refused("heads import O/other.safetensors --store S", 1)
    assert "this head was trained on embeddings of" in said
    assert "Train it again on this catalog's backbone" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["index"],
        ["search", "a.jpg", "--nonsense"],
        ["search", "a.jpg", "-k", "0"],
        ["search", "a.jpg", "-k", "many"],
        ["search", "a.jpg", "-k", "nan"],
        ["search", "a.jpg", "--min-score", "nan"],
        ["search", "a.jpg", "--min-score", "inf"],
        ["search", "a.jpg", "--min-score", "-1.5"],
        ["search", "a.jpg", "--max-megapixels", "many"],
        ["classify", "a.jpg", "-k", "-1"],
        ["train", "folder"],
        ["duplicates", "--min-score", "2"],
        ["duplicates", "--min-score", "nan"],
        ["heads", "nonsense"],
        ["backbones", "pull"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_told_in_three_lines(quick: Run, arguments: list[str]) -> None:
    done = quick(*arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    usage, hint, error = filter(None, done.stderr.decode().splitlines())
    assert usage.startswith("Usage: ")
    assert hint.startswith("Try ")
    assert error.startswith("Error: ")
