"""A listener of the build thread for tests without Qt."""

from __future__ import annotations

import threading


class BuildReports:
    """Keeps what a `BuildWorker` reports."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self.results = []
        self.answers = []
        self.sums = []
        self.problems = []

    def on_built(self, result) -> None:
        self._add(self.results, result)

    def on_inspected(self, figures, inspection) -> None:
        self._add(self.answers, (figures, inspection))

    def on_measured(self, figures, question) -> None:
        self._add(self.sums, (figures, question))

    def on_problem(self, key, detail) -> None:
        self._add(self.problems, (key, detail))

    def _add(self, kept, report) -> None:
        with self._news:
            kept.append(report)
            self._news.notify_all()

    def wait_for(self, kept: list, wanted, timeout_s: float = 20.0):
        """Return the first report of a list that satisfies a condition."""
        with self._news:
            found = []

            def is_there() -> bool:
                found[:] = [report for report in kept if wanted(report)]
                return bool(found)

            assert self._news.wait_for(is_there, timeout_s), f"not among {kept[-5:]}"
            return found[0]
