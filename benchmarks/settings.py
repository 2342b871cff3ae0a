"""How a run of the benchmarks is meant; handed to every section whole."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
CACHE = Path(__file__).resolve().parent / ".cache"
RESULTS = Path(__file__).resolve().parent / "results"
SUFFIXES = (".jpg", ".jpeg")


class CannotRunError(Exception):
    """A section lacks something; the message says what, and how to give it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One run of the benchmarks.

    Attributes
    ----------
    quick
        Fewer pictures and runs: a look at whether everything works, not a result.
    data
        Folder with pictures in `catalog/LABEL/` and `imagenet300/`; None where there is none.
    out
        Where results are written.
    cache
        Where weights and compiled models are kept from one run to the next.
    fastdup_python
        An interpreter that has fastdup, None where there is none.
    notes
        Remarks of the section that is running.
    """

    quick: bool
    data: Path | None
    out: Path
    cache: Path = CACHE
    fastdup_python: Path | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How often each tool has its turn."""
        return 3 if self.quick else 5

    def note(self, text: str) -> None:
        """Say something at once, and keep it for the report; once is enough."""
        if text not in self.notes:
            print(f"  note: {text}", file=sys.stderr, flush=True)
            self.notes.append(text)

    def say(self, text: str) -> None:
        """Say how far the run has come."""
        print(f"  {text}", file=sys.stderr, flush=True)

    def images(self, folder: str) -> list[Path]:
        """Return the photographs below a folder of the data, in order of path.

        Raises
        ------
        CannotRunError
            There are none.
        """
        found = sorted((self.data / folder).rglob("*")) if self.data else []
        photos = [path for path in found if path.suffix.lower() in SUFFIXES]
        if not photos:
            raise CannotRunError(
                f"needs JPEG pictures in the folder `{folder}`; name the folder that holds it "
                "with --data DIR or ENGINE_TEST_DATA (benchmarks/README.md says what is in it)"
            )
        return photos


def find_data(named: Path | None) -> Path | None:
    """Return the folder of pictures: `named`, ENGINE_TEST_DATA, or one beside the repository."""
    given = named or os.environ.get("ENGINE_TEST_DATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "data"
    return folder.absolute() if folder.is_dir() else None


def find_fastdup(named: Path | None) -> Path | None:
    """Return the interpreter that has fastdup: `named`, else the one of `make bench-fastdup`."""
    python = named or CACHE / "fastdup" / "bin" / "python"
    # Not resolved: a virtual environment is known by the path of its link.
    return python.absolute() if python.exists() else None
