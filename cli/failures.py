"""What a run could not use: named on stderr, all of it in a file for whoever asks with --failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cli.render import SKIPPED, as_bytes, csv_text, say
from engine.errors import EngineError
from engine.skipped import Skipped

# So many are told on stderr; more would push everything else out of sight.
TOLD = 10
EXAMPLES = 3
ELSEWHERE = "--failed FILE writes all of them"
COLUMNS = ("path", "reason", "remedy", "format")


@contextmanager
def failures_named(
    file: Path | None, skipped: Sequence[Skipped] = (), *, force: bool | None = None
) -> Iterator[None]:
    """Insist on a new file for failures, and name them where a block ends with an error.

    Parameters
    ----------
    file
        What --failed names.
    skipped
        Filled by the block, with what it could not use; else the error brings that along.
    force
        A file that exists may be written over; None where the command has no such option.

    Raises
    ------
    UsageError
        The file exists.
    """
    if file is not None:
        from engine.export.new_files import FORCE, require_new

        remedy = "Name another file" if force is None else FORCE
        require_new(file, force=bool(force), remedy=remedy)
    try:
        yield
    except EngineError as error:
        failures = [*skipped, *error.skipped]
        write_failures(file, failures)
        # The one that the error is about has its line there.
        others = [each for each in failures if each.path != error.thing]
        _tell("skipped", others, TOLD, f"{file} has all of them" if file else ELSEWHERE)
        raise


def tell_failures(
    skipped: Sequence[Skipped],
    file: Path | None = None,
    *,
    unused_labels: Sequence[Skipped] = (),
    elsewhere: str = ELSEWHERE,
) -> int:
    """Name what was skipped, with reason and remedy, and write it to a file; return the exit code.

    Parameters
    ----------
    unused_labels
        Rows of a table of labels that no image could use.
    elsewhere
        Where all are named, if there are more than are told and no file.
    """
    elsewhere = f"{file} has all of them" if file else elsewhere
    _tell("skipped", skipped, TOLD, elsewhere)
    if unused_labels:
        rows = "1 row" if len(unused_labels) == 1 else f"{len(unused_labels)} rows"
        say(f"{rows} of the table of labels could not be used:")
        _tell("unused", unused_labels, EXAMPLES, elsewhere)
    failures = [*skipped, *unused_labels]
    write_failures(file, failures)
    return SKIPPED if failures else 0


def write_failures(file: Path | None, failures: Sequence[Skipped]) -> None:
    """Write a table of failures, where a file is named; without any it is its first line.

    Raises
    ------
    EngineError
        The file cannot be written.
    """
    if file is None:
        return
    from index.errors import reason_of
    from index.files.atomic_file import write_atomically

    rows = [(each.path, each.reason, each.hint, each.format) for each in failures]
    try:
        write_atomically(file, as_bytes(csv_text(COLUMNS, rows)))
    except OSError as error:
        reason = f"the failures cannot be written ({reason_of(error)})"
        raise EngineError(file, reason, "Name another place") from None


def _tell(word: str, failures: Sequence[Skipped], most: int, elsewhere: str) -> None:
    for each in failures[:most]:
        say(f"{word} {each.path or '(no path)'}: {each.reason}. {each.hint}")
    if len(failures) > most:
        say(f"and {len(failures) - most} more; {elsewhere}")
