"""A running `HeatmapService` that a test can wait for."""

from __future__ import annotations

import threading

PATIENCE_S = 20.0


class RunningService:
    """A started service; stopped at the end, with none of its threads left."""

    def __init__(self, service):
        self.service = service
        self.threads = set()
        self._changed = threading.Condition()

    def __enter__(self):
        self.threads = set(threading.enumerate())
        self._unsubscribe = self.service.subscribe(self._notify)
        self.service.start()
        return self

    def __exit__(self, *_):
        self.service.stop()
        self._unsubscribe()
        for thread in set(threading.enumerate()) - self.threads:
            thread.join(PATIENCE_S if thread.daemon else 5)
        assert set(threading.enumerate()) <= self.threads

    def _notify(self):
        with self._changed:
            self._changed.notify_all()

    def until(self, predicate):
        """Return the status once ``predicate(status)`` is true."""
        with self._changed:
            assert self._changed.wait_for(lambda: predicate(self.service.status()), PATIENCE_S), self.service.status()
        return self.service.status()
