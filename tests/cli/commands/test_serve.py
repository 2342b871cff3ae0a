"""`engine serve` where packages of its extra are not installed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from cli.commands.serve import EXTRA

ROOT = Path(__file__).resolve().parents[3]
WITHOUT = """
import sys
sys.modules["httptools"] = None
from cli.commands.serve import require_extra
from engine.errors import UsageError
try:
    require_extra()
except UsageError as error:
    print(error.reason, error.remedy, sep="; ")
"""


def test_what_is_missing_is_named_and_how_to_install_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "httptools is not installed; pip install 'image-engine[serve]'\n"


def test_every_package_of_the_extra_is_known() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.split(r"[^\w-]", line)[0].lower() for line in project["optional-dependencies"]["serve"]
    }
    owners = packages_distributions()
    known = {owner.lower().replace("_", "-") for name in EXTRA for owner in owners.get(name, ())}
    assert wanted <= known
