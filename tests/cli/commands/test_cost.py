"""`engine cost`: a table for people, JSON for programs, and one line for what cannot be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

Quick = Callable[..., "subprocess.CompletedProcess[bytes]"]


def test_people_see_what_it_follows_from(quick: Quick) -> None:
    done = quick("cost", "--images", "1e10")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "30,864 core-hours" in text
    assert "25.6 TB" in text
    assert "one machine does not, for its time and its memory and its disk" in text
    assert "one machine does\n" in quick("cost", "--images", "1e7").stdout.decode()


def test_programs_read_the_same(quick: Quick) -> None:
    report = json.loads(quick("cost", "--images", "1e7", "--pca", "256", "--json").stdout)
    assert report["options"]["images"] == 1e7
    assert report["one_machine"] is True
    assert {each["unit"] for each in report["lines"]} == {"core-hours", "GETs", "bytes"}


def test_a_backbone_without_a_rate_is_told(quick: Quick) -> None:
    done = quick("cost", "--images", "1e7", "--backbone", "vgg16")
    assert done.returncode == 2
    assert b"--images-per-second-core" in done.stderr
    assert quick("cost").returncode == 2
