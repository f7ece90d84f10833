"""The signals that end a program in order: Ctrl+C, SIGTERM, SIGHUP, and Ctrl+Break on Windows."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


@contextmanager
def on_end_signals(end: Callable[[], object]) -> Iterator[None]:
    """Call ``end`` at each of the signals; an ignored SIGHUP stays ignored, for ``nohup``."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    if before.get(getattr(signal, "SIGHUP", None)) is signal.SIG_IGN:
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, lambda *_: end())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
