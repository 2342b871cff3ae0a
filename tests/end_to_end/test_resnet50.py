"""ResNet50, with weights at random: imported, pulled, and used by every command."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
CONTENT = bytes(range(256)) * 4096
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass(frozen=True)
class Shop:
    """A store made with ResNet50, its pictures, and the cache with the weights."""

    store: Path
    images: Path
    cache: Path
    index: dict[str, Any]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Make a file of ResNet50's shape with weights at random (100 MB)."""

    def make(seed: int) -> Path:
        import torch

        from engine.backbones.torchvision_import import import_torchvision

        import_torchvision()
        from torchvision.models import get_model

        torch.manual_seed(seed)
        path = tmp_path_factory.mktemp("weights") / f"random-{seed}.pth"
        torch.save(get_model("resnet50", weights=None).state_dict(), path)
        return path

    return make


@pytest.fixture(scope="module")
def resnet(
    engine: Run,
    drawn: Path,
    weights: Callable[[int], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Shop:
    """Import weights and index ten pictures with them, by the real command."""
    folder = tmp_path_factory.mktemp("resnet")
    images, cache = folder / "pictures", folder / "cache"
    for category in ("bed", "chair"):
        (images / category).mkdir(parents=True)
        for source in sorted((drawn / category).iterdir())[:5]:
            shutil.copy2(source, images / category / source.name)
    environment = {"ENGINE_CACHE": str(cache)}
    file = weights(0)
    done = engine("backbones", "import", "resnet50", file, "--json", env=environment)
    assert done.returncode == 0, done.stderr
    assert b"is not the published file" in done.stderr, "random weights are not the real ones"
    assert json.loads(done.stdout)["weights"] == "here"
    file.unlink()
    line = ("index", images, "--label", "parent", "--backbone", "resnet50", "--json")
    done = engine(*line, "--store", folder / "store", env=environment)
    assert done.returncode == 0, done.stderr
    return Shop(folder / "store", images, cache, json.loads(done.stdout))


@pytest.fixture
def ask(resnet: Shop, quick: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command on the store made with ResNet50; the store says which backbone it wants."""
    monkeypatch.setenv("ENGINE_CACHE", str(resnet.cache))
    monkeypatch.setenv("ENGINE_STORE", str(resnet.store))
    monkeypatch.delenv("ENGINE_BACKBONE")
    return quick


def test_images_are_indexed_with_it(resnet: Shop) -> None:
    assert (resnet.index["images"], resnet.index["backbone"]) == (10, "resnet50")


def test_an_embedding_has_2048_numbers(ask: Run, tmp_path: Path) -> None:
    assert ask("export", tmp_path / "all.npy").returncode == 0
    vectors = np.load(tmp_path / "all.npy")
    assert vectors.shape == (10, 2048)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)


def test_search_finds_the_image_itself(ask: Run, resnet: Shop) -> None:
    image = resnet.images / "bed" / "bed-0002.jpg"
    [report] = json.loads(ask("search", image, "--json").stdout)
    assert len(report["results"]) == 10
    best = [hit["path"] for hit in report["results"] if hit["score"] > 0.999]
    assert str(image) in best


def test_a_head_is_trained_and_answers(ask: Run, resnet: Shop) -> None:
    line = ("train", resnet.images, "--head", "two", "--epochs", "5", "--json")
    report = json.loads(ask(*line).stdout)
    assert report["categories"] == ["bed", "chair"]
    image = resnet.images / "bed" / "bed-0001.jpg"
    line = ("classify", image, "--head", "two", "--backbone", "resnet50", "--json")
    [answer] = json.loads(ask(*line).stdout)
    assert {each["category"] for each in answer["predictions"]} == {"bed", "chair"}


def test_the_built_in_categories_are_its_own(ask: Run, resnet: Shop) -> None:
    image = resnet.images / "bed" / "bed-0001.jpg"
    done = ask("classify", image, "--head", "imagenet", "-k", "1000", "--json")
    [answer] = json.loads(done.stdout)
    assert len(answer["predictions"]) == 1000


def test_the_embedded_backbone_is_refused(ask: Run, resnet: Shop) -> None:
    done = ask("index", resnet.images, "--backbone", "efficientnet_lite0")
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert "made with resnet50, not efficientnet_lite0" in line


def test_auto_takes_it_where_its_weights_are(ask: Run, resnet: Shop, tmp_path: Path) -> None:
    line = ("index", resnet.images / "bed" / "bed-0001.jpg", "--store", tmp_path, "--json")
    done = ask(*line)
    assert (json.loads(done.stdout)["backbone"], done.stderr) == ("resnet50", b"")


@pytest.fixture
def other(
    ask: Run, weights: Callable[[int], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Another cache, into which other weights of the same backbone were imported."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("ENGINE_CACHE", str(cache))
    file = weights(1)
    assert ask("backbones", "import", "resnet50", file).returncode == 0
    file.unlink()
    yield cache
    shutil.rmtree(cache)


def test_a_catalog_refuses_other_weights_of_the_same_backbone(
    ask: Run, resnet: Shop, other: Path
) -> None:
    before = (resnet.store / "catalog.sqlite").read_bytes()
    done = ask("search", resnet.images / "bed" / "bed-0001.jpg")
    assert done.returncode == 1
    [line] = done.stderr.decode().splitlines()
    assert "resnet50: its weights with the fingerprint" in line
    assert "`engine backbones import resnet50 FILE`" in line
    assert (resnet.store / "catalog.sqlite").read_bytes() == before


def test_importing_the_first_weights_as_the_error_says_serves_both_catalogs(
    ask: Run, resnet: Shop, other: Path, tmp_path: Path
) -> None:
    image = resnet.images / "bed" / "bed-0001.jpg"
    new = tmp_path / "new"
    assert ask("index", image, "--backbone", "resnet50", "--store", new).returncode == 0
    [file] = (resnet.cache / "weights").glob("resnet50-*.pth")
    assert ask("backbones", "import", "resnet50", file).returncode == 0
    for store in (resnet.store, new):
        done = ask("search", image, "--store", store, "--json")
        assert done.returncode == 0, done.stderr
        [report] = json.loads(done.stdout)
        assert report["results"][0]["score"] > 0.999


@pytest.fixture
def pull(quick: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `backbones pull resnet50` with a cache of the test's own, and no pauses."""
    monkeypatch.setenv("ENGINE_CACHE", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        return quick("backbones", "pull", "resnet50", *arguments)

    return run


def _files_in(cache: Path) -> list[str]:
    folder = cache / "weights"
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in files)


def test_a_pull_says_what_from_where_and_how_large(pull: Run, site: Any, tmp_path: Path) -> None:
    site.serve("/w.pth", CONTENT)
    done = pull("--url", f"{site.url}/w.pth", "--sha256", DIGEST, "--json")
    assert done.returncode == 0
    told = f"fetching the weights of resnet50 from {site.url}/w.pth (103 MB)\n"
    assert done.stderr.decode() == told
    assert json.loads(done.stdout)["sha256"] == DIGEST
    stem = f"resnet50-{DIGEST[:16]}"
    assert _files_in(tmp_path) == [f"records/{stem}.json", f"{stem}.pth", "resnet50.json"]


def test_a_mirror_is_asked_for_the_published_name(
    pull: Run, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", f"{site.url}/mirror/")
    site.serve("/mirror/resnet50-11ad3fa6.pth", CONTENT)
    assert pull("--sha256", DIGEST[:8]).returncode == 0


def test_a_file_with_another_hash_is_thrown_away(pull: Run, site: Any, tmp_path: Path) -> None:
    site.serve("/w.pth", CONTENT)
    done = pull("--url", f"{site.url}/w.pth")
    assert done.returncode == 1
    [_, line] = done.stderr.decode().splitlines()
    assert f"the file's SHA-256 is {DIGEST[:16]}…, expected 11ad3fa62ca79e40…" in line
    assert _files_in(tmp_path) == []


def test_a_broken_connection_is_taken_up_where_it_broke(pull: Run, site: Any) -> None:
    site.serve("/w.pth", CONTENT, breaks_after=[len(CONTENT) // 2])
    done = pull("--url", f"{site.url}/w.pth", "--sha256", DIGEST)
    assert done.returncode == 0
    assert [asked for _, _, asked in site.asked] == [None, f"bytes={len(CONTENT) // 2}-"]


def test_where_nobody_answers_the_remedy_is_to_import(pull: Run, site: Any) -> None:
    done = pull("--url", f"{site.url}/none.pth")
    assert done.returncode == 1
    [_, line] = done.stderr.decode().splitlines()
    assert "the server answered 404" in line
    assert "engine backbones import resnet50 FILE" in line


def test_where_the_server_is_down_it_is_said(pull: Run) -> None:
    done = pull("--url", "http://127.0.0.1:9/w.pth")
    assert done.returncode == 1
    assert "it cannot be fetched" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr
