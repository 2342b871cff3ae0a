"""What is measured, and the table of it. Adding one is adding a row.

A section is a module with `run(settings) -> list[Figure]`, and, if its figures are worth a
picture, `plots(figures, folder)`. It is imported when it is run.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

SECTIONS: dict[str, str] = {
    "embedding": "benchmarks.sections.embedding",
    "agreement": "benchmarks.sections.agreement",
    "gpu": "benchmarks.sections.gpu",
    "memory": "benchmarks.sections.memory",
    "cold-start": "benchmarks.sections.cold_start",
    "search": "benchmarks.sections.search",
    "heads": "benchmarks.sections.heads",
}


def load_section(name: str) -> ModuleType:
    """Import a section."""
    return import_module(SECTIONS[name])
