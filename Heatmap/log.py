"""Where the log goes: one line an event on standard error, fit for a terminal and for journald."""

from __future__ import annotations

import logging
import os
import sys
from typing import TextIO

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
# The journal knows the time and the process itself.
JOURNAL_FORMAT = "%(name)s: %(message)s"

# Levels of syslog, as sd-daemon(3) wants them before each line.
_PRIORITIES = (
    (logging.CRITICAL, "<2>"),
    (logging.ERROR, "<3>"),
    (logging.WARNING, "<4>"),
    (logging.INFO, "<6>"),
)
_DEBUG_PRIORITY = "<7>"


class JournalFormatter(logging.Formatter):
    """Begins each line with its priority, those of a traceback too."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        priority = next((word for level, word in _PRIORITIES if record.levelno >= level), _DEBUG_PRIORITY)
        return "\n".join(priority + line for line in super().format(record).splitlines())


def goes_to_journal(stream: TextIO) -> bool:
    """Return True if what is written to a stream arrives in systemd's journal.

    ``JOURNAL_STREAM`` names device and inode of the journal's socket; a child whose output was sent elsewhere inherits
    the variable all the same, hence the comparison that systemd.exec(5) asks for.
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
    handler.setFormatter(JournalFormatter() if goes_to_journal(sys.stderr) else logging.Formatter(FORMAT))
    package = logging.getLogger("Heatmap")
    package.handlers[:] = [handler]
    package.setLevel(logging.DEBUG if verbose else logging.INFO)
    package.propagate = False
