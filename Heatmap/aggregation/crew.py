"""A few threads that stay: each takes a range of columns while the caller does the first itself.

Kernels release the GIL, so threads of Python suffice; Numba's own parallel loops compile seconds longer and would bring
a second pool into the host's process.
"""

from __future__ import annotations

import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The work is bound by memory well before this many cores are.
_MOST_THREADS: Final = 4

_Task = tuple["Callable[[], None]", "SimpleQueue[BaseException | None]"]


def usable_threads() -> int:
    """Return how many threads this process may keep busy, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _MOST_THREADS))


class Crew:
    """Runs tasks side by side. May be shared by all threads of a process; tasks must not call `run` themselves.

    Its threads are daemons that wait without cost and are started when first needed.
    """

    def __init__(self) -> None:
        self._tasks: SimpleQueue[_Task] = SimpleQueue()
        self._lock = threading.Lock()
        self._helpers = 0

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run all tasks and return when the last has ended; the first runs on the calling thread.

        Raises
        ------
        BaseException
            What a task raised, once all have ended.
        """
        self._hire(len(tasks) - 1)
        ended: SimpleQueue[BaseException | None] = SimpleQueue()
        for task in tasks[1:]:
            self._tasks.put((task, ended))
        errors = [_error_of(tasks[0])]
        errors += [ended.get() for _ in tasks[1:]]
        for error in errors:
            if error is not None:
                raise error

    def _hire(self, wanted: int) -> None:
        if self._helpers >= wanted:
            return
        with self._lock:
            while self._helpers < wanted:
                self._helpers += 1
                name = f"heatmap-kernel-{self._helpers}"
                threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while True:
            task, ended = self._tasks.get()
            ended.put(_error_of(task))


def _error_of(task: Callable[[], None]) -> BaseException | None:
    try:
        task()
    except BaseException as error:  # noqa: BLE001 - nothing is hidden: `run` raises it on the caller's thread
        return error
    return None


CREW: Final = Crew()
