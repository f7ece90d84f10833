"""A few threads that stay and help a caller with work that it shares out among all who come.

Kernels release the GIL, so threads of Python suffice; Numba's own parallel loops compile seconds longer and would bring
a second pool into the host's process. Nobody waits for a helper to come: where the cores are busy with other work, the
caller does all of it.
"""

from __future__ import annotations

import logging
import os
import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_logger = logging.getLogger(__name__)

# The work is bound by memory well before this many cores are.
_MOST_THREADS: Final = 4


def usable_threads() -> int:
    """Return how many threads this process may keep busy, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _MOST_THREADS))


class _Job:
    """Work that is open to helpers until it is closed."""

    def __init__(self, work: Callable[[int], object]) -> None:
        self.work: Callable[[int], object] | None = work


class Crew:
    """Lends a hand to any thread of a process.

    Its threads are daemons that wait without cost and are started when first needed.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[int, _Job]] = SimpleQueue()
        self._lock = threading.Lock()
        self._helpers = 0

    @contextmanager
    def helping(self, work: Callable[[int], object], lanes: int) -> Iterator[None]:
        """Let helpers call ``work`` while the block runs, each with a lane of its own from 1 to ``lanes - 1``.

        They may come late, or never. When the block ends no more will begin; ``work`` itself must know when nothing is
        left to do, and the block must not end while a helper still does something that counts.

        Parameters
        ----------
        work
            Called with a lane. What it raises is logged.
        lanes
            How many threads may take part, the calling one, which has lane 0, included.
        """
        job = _Job(work)
        self._hire(lanes - 1)
        for lane in range(1, lanes):
            self._calls.put((lane, job))
        try:
            yield
        finally:
            # Who comes later finds nothing, and nothing is kept alive for him.
            job.work = None

    def _hire(self, wanted: int) -> None:
        if self._helpers >= wanted:
            return
        with self._lock:
            while self._helpers < wanted:
                self._helpers += 1
                name = f"heatmap-kernel-{self._helpers}"
                threading.Thread(target=self._help, name=name, daemon=True).start()

    def _help(self) -> None:
        while True:
            lane, job = self._calls.get()
            work = job.work
            if work is None:
                continue
            try:
                work(lane)
            except Exception:  # a fault in one job must not cost the threads of all; its caller learns of it by itself
                _logger.exception("a helping thread failed")
            # Not kept until the next call: the caller's image may be among it.
            del work, job


CREW: Final = Crew()
