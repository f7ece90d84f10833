"""Writers that a test can wait for."""

from __future__ import annotations

import os
import threading

from Heatmap.reports import CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage.writer import EventWriter
from support.record import T

PATIENCE_S = 20.0
# A program that records, or waits until it may, until its input ends; it prints which.
HOLDER = """
import os, sys
from Heatmap.reports import CollectorReport, ConnectionState, ServiceStatus
from Heatmap.storage.writer import EventWriter
def report():
    status = ServiceStatus(state=ConnectionState.LIVE)
    return CollectorReport("binance", ("BTCUSDT",), "holder", "host", os.getpid(), 5, status)
def told(may_record, holder):
    print("records" if may_record else "waits", flush=True)
writer = EventWriter(sys.argv[1], report=report, on_role=told)
writer.start()
sys.stdin.read()
writer.stop()
"""


class Watched:
    """A writer that needs no lock."""

    def __init__(self, db, **options):
        self.changed = threading.Condition()
        self.writer = EventWriter(db, **{"flush_ms": 5, "on_change": self.tell, **options})

    def __enter__(self):
        self.writer.start()
        return self

    def __exit__(self, *_):
        self.writer.stop(1.0)

    def tell(self):
        with self.changed:
            self.changed.notify_all()

    def until(self, predicate):
        with self.changed:
            assert self.changed.wait_for(lambda: predicate(self.writer.stats()), PATIENCE_S), self.writer.stats()


class Program:
    """A writer that needs the lock, and what it was told; it is started."""

    def __init__(self, db, name, symbols=("BTCUSDT",), **options):
        self.name, self.symbols = name, symbols
        self.changed = threading.Condition()
        self.told = []
        self.writer = EventWriter(
            db, flush_ms=5, report=self.report, on_role=self.take_role, on_change=self.tell, **options
        )
        self.writer.start()

    def report(self):
        return self.answer()

    def answer(self):
        status = ServiceStatus(state=ConnectionState.LIVE)
        return CollectorReport("binance", self.symbols, self.name, "host", os.getpid(), T, status)

    def take_role(self, may_record, holder):
        with self.changed:
            self.told.append((may_record, None if holder is None else holder.run_id))
            self.changed.notify_all()

    def tell(self):
        with self.changed:
            self.changed.notify_all()

    def until(self, predicate, *, wakes=False):
        """Wait for what the writer does; with ``wakes`` it is given something to report meanwhile."""
        with self.changed:
            if wakes:
                self.writer.report_changed()
            assert self.changed.wait_for(predicate, PATIENCE_S), (self.name, self.told, self.writer.stats())

    def until_told(self, *told):
        self.until(lambda: self.told and self.told[-1] == told)
