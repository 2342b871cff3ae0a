"""Run the benchmarks: `python -m benchmarks [--quick] [--only SECTION,...]`."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.report import Results, plain_table
from benchmarks.sections import SECTIONS, load_section
from benchmarks.settings import RESULTS, CannotRunError, Settings, find_data, find_fastdup


def main(arguments: Sequence[str]) -> int:
    """Run sections in turn and keep what they measure; 1 where a bound is missed or one broke."""
    chosen = _parser().parse_args(arguments)
    out = chosen.out or (RESULTS / "quick" if chosen.quick else RESULTS)
    data = find_data(chosen.data)
    # Somebody's own settings must not bend a figure, nor made-up images reach their catalog.
    for variable in [each for each in os.environ if each.startswith("ENGINE_")]:
        del os.environ[variable]
    wrong = 0
    for name in chosen.only:
        settings = Settings(
            chosen.quick,
            data,
            out.absolute(),
            fastdup_python=find_fastdup(chosen.fastdup_python),
        )
        print(f"{name}:", file=sys.stderr, flush=True)
        outcome = _run(name, settings)
        figures = outcome or []
        # Kept after each section: a later one that fails takes nothing with it.
        _keep(name, figures, settings)
        if figures:
            print(f"\n{name}\n{plain_table(figures)}\n", flush=True)
        wrong += sum(figure.holds is False for figure in figures) + (outcome is None)
    print(f"results are in {os.path.relpath(out)}", file=sys.stderr)
    return 1 if wrong else 0


def _run(name: str, settings: Settings) -> list[Figure] | None:
    """Run a section; return its figures, none where it cannot run, None where it broke."""
    try:
        figures: list[Figure] = load_section(name).run(settings)
    except CannotRunError as error:
        settings.note(f"this section was not run: {error}")
        return []
    except ModuleNotFoundError as error:
        settings.note(f"this section was not run: it needs the package {error.name}")
        return []
    except Exception as error:
        # One section that breaks must not take an hour of others with it.
        traceback.print_exc()
        settings.note(f"this section failed ({type(error).__name__}); stderr says why")
        return None
    return figures


def _keep(name: str, figures: Sequence[Figure], settings: Settings) -> None:
    results = Results.read(settings.out)
    if not figures and results.of(name):
        # A machine that lacks the pictures must not wipe out what another one measured.
        print("  the figures of an earlier run are kept", file=sys.stderr)
        return
    settings.out.mkdir(parents=True, exist_ok=True)
    plots = getattr(load_section(name), "plots", None) if figures else None
    if plots is not None:
        try:
            plots(figures, settings.out)
        except ModuleNotFoundError as error:
            settings.note(f"no plots: they need the package {error.name} (pip install '.[bench]')")
    results.replaced(name, figures, settings).write(settings.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pictures, 3 runs instead of 5")
    parser.add_argument(
        "--only",
        type=_sections,
        default=list(SECTIONS),
        metavar="SECTION,...",
        help=f"of {', '.join(SECTIONS)}; figures of the others are kept as they are",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="pictures; see README.md")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where results go (benchmarks/results; with --quick its subfolder quick)",
    )
    parser.add_argument(
        "--fastdup-python",
        type=Path,
        metavar="FILE",
        help="an interpreter that has fastdup (by default that of `make bench-fastdup`)",
    )
    return parser


def _sections(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown or not names:
        known = ", ".join(SECTIONS)
        raise argparse.ArgumentTypeError(f"no section is called {unknown}; there are {known}")
    return names


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
