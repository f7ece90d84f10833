"""Log on standard error, in one form for terminals and one for systemd's journal."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

from Heatmap.foreign_text import one_line

if TYPE_CHECKING:
    from types import TracebackType

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# The journal adds time and process itself.
JOURNAL_FORMAT = "%(name)s: %(message)s"
_MOST_CHARS = 4000  # of a line; a message that failed is quoted by its beginning

# Levels of syslog, as sd-daemon(3) wants them before each line.
_PRIORITIES = ((logging.CRITICAL, "<2>"), (logging.ERROR, "<3>"), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))
_DEBUG_PRIORITY = "<7>"


class LineFormatter(logging.Formatter):
    """Formatter of one line a record, and of a traceback whose lines are indented.

    Nothing that an exchange, a page or a file has written can look like another record, or give the terminal a command.
    """

    def __init__(self, form: str = FORMAT) -> None:
        super().__init__(form)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record's line, without a traceback."""
        return one_line(super().formatMessage(record), most=_MOST_CHARS)

    def formatException(  # noqa: N802 - logging's name
        self,
        ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None],
    ) -> str:
        """Return a traceback, each line indented."""
        return "\n".join(f"    {one_line(line)}" for line in super().formatException(ei).splitlines())


class JournalFormatter(LineFormatter):
    """Formatter that begins each line with its priority, also the lines of a traceback."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        priority = next((word for level, word in _PRIORITIES if record.levelno >= level), _DEBUG_PRIORITY)
        return "\n".join(priority + line for line in super().format(record).splitlines())


def goes_to_journal(stream: TextIO) -> bool:
    """Return True if a stream ends in systemd's journal.

    ``JOURNAL_STREAM`` names device and inode of the journal's socket. A child whose output goes elsewhere inherits the
    variable, too, hence the comparison, as in systemd.exec(5).
    """
    named = os.environ.get("JOURNAL_STREAM")
    if not named:
        return False
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return named == f"{found.st_dev}:{found.st_ino}"


def configure_logging(*, verbose: bool = False) -> None:
    """Send the package's log to standard error at INFO, or at DEBUG if ``verbose``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JournalFormatter() if goes_to_journal(sys.stderr) else LineFormatter())
    package = logging.getLogger("Heatmap")
    package.handlers[:] = [handler]
    package.setLevel(logging.DEBUG if verbose else logging.INFO)
    package.propagate = False
