"""A few threads that stay and help the caller with a list of tasks, each a range of columns.

Kernels release the GIL, so threads of Python suffice; Numba's own parallel loops compile seconds longer and would bring
a second pool into the host's process. Whoever is free takes the next task: where the cores are busy with other work,
the caller does most itself and waits for one task of a late helper at most.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# The work is bound by memory well before this many cores are.
_MOST_THREADS: Final = 4

_Tasks = deque["Callable[[int], None]"]
_Outcomes = SimpleQueue["BaseException | None"]


def usable_threads() -> int:
    """Return how many threads this process may keep busy, at most four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _MOST_THREADS))


class Crew:
    """Runs tasks side by side. May be shared by all threads of a process; tasks must not call `run` themselves.

    Its threads are daemons that wait without cost and are started when first needed.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[int, _Tasks, _Outcomes]] = SimpleQueue()
        self._lock = threading.Lock()
        self._helpers = 0

    def run(self, tasks: Sequence[Callable[[int], None]], lanes: int) -> None:
        """Run all tasks and return when the last has ended.

        Parameters
        ----------
        tasks
            Each is called with the lane it runs on, a number below ``lanes``. The caller's is 0. No two tasks run on
            one lane at the same time.
        lanes
            How many threads may take part, the calling one included.

        Raises
        ------
        BaseException
            What a task raised, once all have ended.
        """
        pending = deque(tasks)
        outcomes: _Outcomes = SimpleQueue()
        if lanes > 1:
            self._hire(lanes - 1)
        for lane in range(1, lanes):
            self._calls.put((lane, pending, outcomes))
        _take_part(0, pending, outcomes)
        errors = [outcomes.get() for _ in tasks]
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
            _take_part(*self._calls.get())


def _take_part(lane: int, pending: _Tasks, outcomes: _Outcomes) -> None:
    while pending:
        try:
            task = pending.popleft()
        except IndexError:
            return  # another thread was faster
        try:
            task(lane)
        except BaseException as error:  # noqa: BLE001 - nothing is hidden: `run` raises it on the caller's thread
            outcomes.put(error)
        else:
            outcomes.put(None)


CREW: Final = Crew()
