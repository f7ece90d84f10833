"""Exit codes of all commands; `Heatmap/docs/commands.md` has the same table."""

from __future__ import annotations

from enum import IntEnum

from Heatmap.errors import HeatmapError, UnusableDatabaseError


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    PROBLEM = 1  # something could not be done: read, stored, imported, or a check failed; a sentence says what
    USAGE = 2  # an invalid argument, or a path where no record can be kept: trying again does not help
    NOTHING = 3  # no result: no row of a file was understood, or no market data ever arrived
    NO_PICTURE = 4  # the picture could not be saved, or it shows no chart
    INTERRUPTED = 130  # Ctrl+C; what was stored stays
    BROKEN_PIPE = 141  # the reader of the output has ended


def code_of(error: HeatmapError) -> ExitCode:
    """Return how a command ends that an error has stopped."""
    return ExitCode.USAGE if isinstance(error, UnusableDatabaseError) else ExitCode.PROBLEM
