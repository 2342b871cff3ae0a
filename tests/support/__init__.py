"""What tests are written with: no tests of their own, and nothing that users are given."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
