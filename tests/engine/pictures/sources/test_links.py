"""Which files links lead to, wherever below some folders they lie."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.pictures.sources.links import Links


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file that lies in none of the folders that are looked into."""
    (tmp_path / "target.jpg").write_bytes(b"picture")
    return tmp_path / "target.jpg"


def link(path: Path, target: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    return path


def lead_to(target: Path, *folders: Path) -> bool:
    return Links([str(folder) for folder in folders]).lead_to(os.stat(target))


def test_what_no_link_leads_to_is_no_target(target: Path, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "copy.jpg").write_bytes(target.read_bytes())
    assert not lead_to(target, tmp_path / "shop", tmp_path / "none")


@pytest.mark.parametrize("name", ["a.jpg", "deep/er/a.jpg", ".hidden/a.jpg", "no extension"])
def test_a_link_is_seen_wherever_it_lies(name: str, target: Path, tmp_path: Path) -> None:
    link(tmp_path / "shop" / name, target)
    assert lead_to(target, tmp_path / "shop")


def test_a_link_to_a_link_leads_to_the_file(target: Path, tmp_path: Path) -> None:
    inner = link(tmp_path / "elsewhere" / "link.jpg", target)
    link(tmp_path / "shop" / "link.jpg", inner)
    assert lead_to(target, tmp_path / "shop")


def test_links_to_folders_are_followed_and_loops_end(target: Path, tmp_path: Path) -> None:
    link(tmp_path / "elsewhere" / "a.jpg", target)
    link(tmp_path / "shop" / "album", tmp_path / "elsewhere")
    link(tmp_path / "elsewhere" / "back", tmp_path / "shop")
    assert lead_to(target, tmp_path / "shop")


def test_a_link_that_leads_nowhere_hides_no_other(target: Path, tmp_path: Path) -> None:
    link(tmp_path / "shop" / "a.jpg", tmp_path / "none")
    link(tmp_path / "shop" / "b.jpg", tmp_path / "shop" / "b.jpg")
    link(tmp_path / "shop" / "c.jpg", target)
    assert lead_to(target, tmp_path / "shop")


def test_a_folder_can_be_looked_into_alone(target: Path, tmp_path: Path) -> None:
    link(tmp_path / "shop" / "deep" / "a.jpg", target)
    links = Links()
    links.scan([str(tmp_path / "shop")])
    assert not links.lead_to(os.stat(target))
    links.scan([str(tmp_path / "shop" / "deep")])
    assert links.lead_to(os.stat(target))
