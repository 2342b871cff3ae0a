"""Without a network everything works, with the embedded backbone, and says so."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[bytes]]
OFFLINE = """
import socket
connect, look_up = socket.socket.connect, socket.getaddrinfo
def refuse(self, address):
    if not str(address[0]).startswith(("127.", "::1", "/")):
        raise OSError("the network is unreachable")
    return connect(self, address)
def unknown(host, *arguments, **settings):
    if host not in ("localhost", "127.0.0.1"):
        raise socket.gaierror(-3, "Temporary failure in name resolution")
    return look_up(host, *arguments, **settings)
socket.socket.connect, socket.getaddrinfo = refuse, unknown
import os
os.environ.pop("ENGINE_BACKBONE", None)
os.environ.pop("ENGINE_WEIGHTS_MIRROR", None)
"""


@pytest.fixture(scope="module")
def indexed(
    engine: Run, drawn: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[bytes]]:
    """A store made offline with no backbone named, and what the command said."""
    store = tmp_path_factory.mktemp("offline") / "store"
    return store, engine("index", drawn / "bed", "--store", store, "--json", first=OFFLINE)


def test_auto_falls_back_to_the_embedded_backbone(
    indexed: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    done = indexed[1]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["backbone"] == "efficientnet_lite0"


def test_one_line_says_why_and_how_to_get_resnet50(
    indexed: tuple[Path, subprocess.CompletedProcess[bytes]],
) -> None:
    [line] = indexed[1].stderr.decode().splitlines()
    assert line.startswith("using the embedded backbone efficientnet_lite0, because ")
    assert "`engine backbones pull resnet50`" in line
    assert "`engine backbones import resnet50 FILE`" in line


def test_the_catalog_keeps_to_its_choice_without_another_word(
    indexed: tuple[Path, subprocess.CompletedProcess[bytes]], engine: Run, drawn: Path
) -> None:
    image = drawn / "bed" / "bed-0001.jpg"
    done = engine("search", image, "--store", indexed[0], "--json", first=OFFLINE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_resnet50_by_name_is_an_error_with_both_remedies(
    engine: Run, drawn: Path, tmp_path: Path
) -> None:
    line = ("classify", drawn / "bed" / "bed-0001.jpg", "--backbone", "resnet50")
    done = engine(*line, first=OFFLINE, cwd=tmp_path)
    assert done.returncode == 1
    announced, error = done.stderr.decode().splitlines()
    assert announced.startswith("fetching the weights of resnet50 from https://")
    assert "engine backbones import resnet50 FILE" in error
    assert "--backbone efficientnet_lite0" in error


def test_an_image_from_afar_is_an_error_that_names_it(
    engine: Run, indexed: tuple[Path, subprocess.CompletedProcess[bytes]]
) -> None:
    url = "https://pictures.example/chair.jpg"
    done = engine("search", url, "--store", indexed[0], first=OFFLINE)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith(f"error: {url}: it cannot be fetched")
