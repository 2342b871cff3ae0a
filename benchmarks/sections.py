"""The table of sections. Adding one is adding a row.

A section is a module with `run(settings) -> list[Figure]`, and, if its figures are worth a
picture, `plots(figures, folder)`. It is imported when it is run.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

SECTIONS: dict[str, str] = {
    "embedding": "benchmarks.embedding",
    "agreement": "benchmarks.agreement",
    "gpu": "benchmarks.gpu",
    "memory": "benchmarks.memory",
    "cold-start": "benchmarks.cold_start",
    "search": "benchmarks.search",
    "heads": "benchmarks.heads",
}


def load_section(name: str) -> ModuleType:
    """Import a section."""
    return import_module(SECTIONS[name])
