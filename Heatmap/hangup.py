"""SIGHUP, which the starter of a program may have asked it to ignore."""

from __future__ import annotations

import signal


def is_to_be_ignored(number: int) -> bool:
    """Return True for SIGHUP where it is ignored already: ``nohup`` asks for that."""
    return number == getattr(signal, "SIGHUP", None) and signal.getsignal(number) is signal.SIG_IGN
