"""The whole story through the real command, and what each command's JSON holds at least."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
TEXT_OR_NONE = (str, type(None))
SKIPPED = [{"path": str, "reason": str, "hint": str}]
HEAD = {
    "name": str,
    "categories": [str],
    "layers": [int],
    "images": int,
    "validation_accuracy": float,
    "backbone": str,
}
BACKBONE = {"name": str, "dim": int, "input_size": int, "source": str, "weights": str}
SUSPECTS = [
    {
        "path": str,
        "label": str,
        "suggestion": str,
        "margin": float,
        "probability": float,
        "suggestion_probability": float,
    }
]
# Keys and types that the command line promises to programs, by command line; S is the store, P the
# drawn pictures and O a folder to write to.
SHAPES: dict[str, Any] = {
    "index P --store S": {
        **dict.fromkeys(["added", "updated", "moved", "unchanged", "removed", "images"], int),
        "skipped": SKIPPED,
        "backbone": str,
        "seconds": float,
        "images_per_second": float,
    },
    "search P/bed/bed-0001.jpg --store S": [
        {
            "query": str,
            "results": [
                {
                    "rank": int,
                    "score": float,
                    "rank_score": float,
                    "path": str,
                    "label": TEXT_OR_NONE,
                    "category": TEXT_OR_NONE,
                }
            ],
            "order": str,
        }
    ],
    "classify P/bed/bed-0001.jpg --store S": [
        {
            "image": str,
            "predictions": [{"category": str, "probability": float, "source": str}],
            "unknown": bool,
        }
    ],
    "train P --head other --store S": {
        "head": str,
        "categories": [str],
        "images": int,
        "validation_accuracy": float,
        "balanced_accuracy": float,
        "majority_baseline": float,
        "test_images": int,
        "folds": int,
        "notes": [str],
        "seconds": {"embed": float, "fit": float},
    },
    "evaluate P --head furniture --store S": {
        "images": int,
        "accuracy": float,
        "balanced_accuracy": float,
        "majority_baseline": float,
        "notes": [str],
        "learned": int,
        "accuracy_without_learned": type(None),
        "per_category": {"bed": {"images": int, "precision": float, "recall": float}},
        "confusion": {"bed": {"bed": int}},
        "precision_at_1": float,
        "precision_at_10": float,
        "map": float,
    },
    "report furniture --store S": {
        "head": str,
        "categories": [str],
        "accept": float,
        "temperature": float,
        "metrics": dict,
        "settings": dict,
        "learned": {"bed": int},
        "test_images": int,
        "folds": int,
        "honest": bool,
        "accuracy": float,
        "balanced_accuracy": float,
        "majority_baseline": float,
        "unknown": int,
        "unknown_per_category": {"bed": int},
        "per_category": {"bed": {"images": int, "precision": float, "recall": float}},
        "confusion": [[int]],
        "shown": [
            {
                "path": str,
                "label": str,
                "predictions": [{"category": str, "probability": float, "source": str}],
            }
        ],
        "missing": [str],
    },
    "classify P/bed/bed-0001.jpg --head furniture --coverage 0.9 --store S": [
        {"image": str, "unknown": bool, "set": [str], "coverage": float}
    ],
    "suspects --all --store S": SUSPECTS,
    "suspects --label --all -k 3 --store S": SUSPECTS,
    "suspects --head furniture --all --store S": SUSPECTS,
    "suspects P --all --store S": SUSPECTS,
    "duplicates --min-score 0.5 --store S": [
        {"kind": str, "score": float, "paths": [str], "keep": str, "removable": [str]}
    ],
    "status --store S": {
        "store": str,
        "backbone": str,
        "dim": int,
        "images": int,
        "heads": [HEAD],
        "categories": dict,
        "index_state": str,
        "consistent": bool,
        "problems": [str],
    },
    "remove P/bed --store S": {"removed": int, "images": int, "not_found": [str]},
    "export O/all.npy --store S": {"file": str, "images": int, "dim": int},
    "heads list --store S": [HEAD],
    "heads show furniture --store S": HEAD,
    "backbones list": [BACKBONE],
    "backbones pull efficientnet_lite0": BACKBONE,
}


def _assert_fits(value: Any, shape: Any, where: str = "$") -> None:
    if isinstance(shape, dict):
        for key, inner in shape.items():
            assert key in value, f"{where} lacks {key}"
            _assert_fits(value[key], inner, f"{where}.{key}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for place, item in enumerate(value):
            _assert_fits(item, shape[0], f"{where}[{place}]")
    else:
        assert isinstance(value, shape), f"{where} is {value!r}"
        assert shape is not int or not isinstance(value, bool), where


@pytest.mark.parametrize("line", SHAPES)
def test_the_json_of_each_command_has_the_promised_keys_and_types(
    line: str, quick: Run, shop: Path, drawn: Path, tmp_path: Path
) -> None:
    places = {"P": str(drawn), "S": str(shop), "O": str(tmp_path)}
    words = [
        "/".join([places.get(part, part) for part in word.split("/")]) for word in line.split()
    ]
    done = quick(*words, "--json")
    assert done.returncode == 0
    assert done.stderr == b"", "with nothing to tell, stderr is silent"
    answer = json.loads(done.stdout)
    assert answer != []
    _assert_fits(answer, SHAPES[line])


def test_a_newcomers_first_hour_works_as_the_readme_says(
    engine: Run, images: Path, tmp_path: Path
) -> None:
    shutil.copy2(images / "bed" / "bed-0001.jpg", images / "bed" / "copy.jpg")

    def ok(*arguments: str) -> Any:
        done = engine(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, b"")
        return json.loads(done.stdout) if "--json" in arguments else done.stdout.decode()

    indexed = ok("index", "pictures", "--label", "parent", "--json")
    assert (indexed["added"], indexed["images"]) == (13, 13)
    assert (tmp_path / ".engine" / "catalog.sqlite").exists()
    [found] = ok("search", "pictures/chair/chair-0002.jpg", "-k", "3", "--json")
    assert [hit["rank"] for hit in found["results"]] == [1, 2, 3]
    assert found["results"][0]["path"] == str(images / "chair" / "chair-0002.jpg")
    assert found["results"][0]["score"] == pytest.approx(1, abs=1e-3)
    assert ok("train", "pictures", "--head", "small", "--json")["categories"] == [
        "bed",
        "chair",
        "lamp",
    ]
    [named] = ok("classify", "pictures/lamp/lamp-0001.jpg", "--head", "small", "--json")
    assert named["predictions"][0]["category"] == "lamp"
    assert ok("evaluate", "pictures", "--head", "small", "--json")["images"] == 13
    exact = ok("duplicates", "--json")[0]
    assert (exact["kind"], len(exact["paths"])) == ("exact", 2)
    ok("export", "all.npy")
    assert np.load(tmp_path / "all.npy").shape == (13, 1280)
    assert ok("remove", "pictures/lamp", "--json") == {"removed": 4, "images": 9, "not_found": []}
    status = ok("status", "--json")
    assert (status["images"], status["consistent"]) == (9, True)


def test_a_head_can_be_taken_to_another_name_and_forgotten(
    quick: Run, shop: Path, tmp_path: Path
) -> None:
    file = tmp_path / "furniture.safetensors"

    def names() -> list[str]:
        done = quick("heads", "list", "--store", shop, "--json")
        return [head["name"] for head in json.loads(done.stdout)]

    assert quick("heads", "export", "furniture", file, "--store", shop).returncode == 0
    assert quick("heads", "import", file, "--name", "again", "--store", shop).returncode == 0
    assert names() == ["again", "furniture"]
    assert quick("heads", "delete", "furniture", "--store", shop).returncode == 0
    assert names() == ["again"]


def test_after_a_head_is_forgotten_no_image_is_of_its_categories(quick: Run, shop: Path) -> None:
    def categories() -> set[str]:
        return set(json.loads(quick("status", "--store", shop, "--json").stdout)["categories"])

    assert "bed" in categories()
    quick("heads", "delete", "furniture", "--store", shop)
    assert not categories() & {"bed", "chair", "lamp", "sofa", "table"}


@pytest.mark.parametrize("group", ["backbones", "heads"])
def test_a_group_without_a_verb_lists(
    group: str, quick: Run, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(shop))
    bare, full = quick(group), quick(group, "list")
    assert (bare.returncode, bare.stdout) == (0, full.stdout)


def test_parquet_holds_every_column_and_the_embedding(
    quick: Run, shop: Path, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    done = quick("export", tmp_path / "all.parquet", "--store", shop, "--json")
    assert json.loads(done.stdout)["images"] == 60
    table = parquet.read_table(tmp_path / "all.parquet")
    assert {"path", "label", "category", "embedding"} <= set(table.column_names)
    assert table.num_rows == 60


def test_people_get_tables_with_scores(quick: Run, shop: Path, drawn: Path) -> None:
    done = quick("search", drawn / "sofa" / "sofa-0001.jpg", "-k", "2", "--store", shop)
    heading, best, _ = done.stdout.decode().splitlines()
    assert heading.split() == ["rank", "(fused)", "score", "label", "category", "path"]
    assert best.split()[:3] == ["1", "1.000", "sofa"]


def test_a_store_is_found_from_a_folder_below_it(
    quick: Run, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.rename(tmp_path / ".engine")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    done = quick("status", "--json")
    assert json.loads(done.stdout)["store"] == str(tmp_path / ".engine")


def test_a_head_is_reported_in_a_table_and_on_a_page(
    quick: Run, shop: Path, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    done = quick("report", "furniture", "--html", page, "--store", shop)
    assert done.returncode == 0
    assert done.stderr.decode() == f"wrote {page}\n"
    heading, *rows, measured, against = done.stdout.decode().splitlines()
    assert heading.split() == [
        *("category", "learned", "tested", "precision", "recall", "unknown"),
    ]
    assert [row.split()[:2] for row in rows] == [
        [name, "12"] for name in ("bed", "chair", "lamp", "sofa", "table")
    ]
    assert measured.startswith("accuracy ")
    assert against.startswith("balanced accuracy ")
    assert against.endswith("; 20.0 % by always answering the most frequent category")
    assert "The head furniture" in page.read_text(encoding="utf-8")


def test_a_comparison_is_also_written_as_a_page(quick: Run, drawn: Path, tmp_path: Path) -> None:
    page = tmp_path / "compared.html"
    few = ("--repeats", "1", "--scratch-epochs", "1", "--backbones", "efficientnet_lite0")
    done = quick("compare", drawn, *few, "--html", page)
    assert done.returncode == 0
    assert done.stderr.decode().endswith(f"wrote {page}\n")
    assert "Is transfer learning worth it for me?" in page.read_text(encoding="utf-8")


def test_a_head_that_fits_its_labels_no_longer_is_named_with_what_to_type(
    quick: Run, images: Path, tmp_path: Path
) -> None:
    end = ("--store", tmp_path / "store")
    assert quick("index", images, "--label", "parent", *end).returncode == 0
    assert quick("train", "--from-labels", "--head", "mine", *end).returncode == 0
    assert quick("heads", "list", *end).stderr == b""
    (tmp_path / "labels.csv").write_text("path,label\npictures/bed/bed-0001.jpg,sofa\n")
    quick("index", images, "--label", tmp_path / "labels.csv", *end)
    for command in (("heads", "list"), ("status",)):
        done = quick(*command, *end)
        assert (done.returncode, done.stderr.decode()) == (
            0,
            "head mine: of the 12 labels that it learned, 1 changed since; "
            "`engine train --from-labels --head mine` learns them anew\n",
        )


def test_a_set_is_shown_beside_the_likeliest_category(quick: Run, shop: Path, drawn: Path) -> None:
    images = (drawn / "bed" / "bed-0001.jpg", drawn / "sofa" / "sofa-0001.jpg")
    asked = ("classify", *images, "--head", "furniture", "-k", "2", "--store", shop)
    done = quick(*asked, "--coverage", "0.99")
    heading, *rows = done.stdout.decode().splitlines()
    assert heading.split() == ["image", "category", "probability", "source", "set"]
    assert [row.count(",") for row in rows] == [4, 0, 4, 0]
    assert "every category is in each set" in done.stderr.decode()
    lines = quick(*asked, "--coverage", "0.5", "--csv").stdout.decode().splitlines()
    assert lines[0] == "image,category,probability,source,set,unknown"
    assert len(lines) == 5
