"""Scenarios of the disk and the recorder's process: slow, full, read-only, killed."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import resource
import signal
import threading
import time

from stress.harness import PATIENCE_S, NumberedMarket, Outcome, collecting, compare, select, stored_numbers
from stress.recorded import recorded_here
from support.waiting import until

from Heatmap.storage.sqlite import file_session

NOBODY = 65534
RATE = 300


def disk_slow(db, folder, *, is_long):  # noqa: ARG001 - the signature of all scenarios
    """Each transaction takes half a second more, while a second brings a thousand events."""
    usual = file_session.write_transaction

    @contextlib.contextmanager
    def slow(connection):
        with usual(connection):
            yield
            time.sleep(0.5)

    market = NumberedMarket(1000)

    def work(service):
        file_session.write_transaction = slow
        try:
            begun = market.arrived_count
            until(lambda: market.arrived_count > begun + (60_000 if is_long else 2000), PATIENCE_S)
        finally:
            file_session.write_transaction = usual
        until(lambda: service.status().stored > begun, PATIENCE_S)

    outcome = recorded_here(db, market, work)
    outcome.note = "0.5 s more for each transaction"
    return outcome


def disk_full(db, folder, *, is_long):
    """No file can grow, again and again, in the middle of transactions."""
    market, times = NumberedMarket(1000), 30 if is_long else 2

    def work(service):
        for _ in range(times):
            size = max(path.stat().st_size for path in folder.glob("record.sqlite3*"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
            try:
                until(lambda: service.status().storage_problem, PATIENCE_S)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            until(lambda: not service.status().storage_problem, PATIENCE_S)

    outcome = recorded_here(db, market, work)
    outcome.note = f"full {times} times"
    return outcome


def read_only(db, folder, *, is_long):  # noqa: ARG001 - as above
    """The recorder starts in a folder that it may not write to, which becomes writable while events arrive."""
    outcomes = []
    importlib.import_module("encodings.idna")  # loaded when first used, and then perhaps unreadable
    # The system's administrator may write everywhere.
    is_root = os.geteuid() == 0
    if is_root:
        folder.chmod(0o755)
        os.chown(folder, NOBODY, NOBODY)
    try:
        for number in range(10 if is_long else 1):
            place = folder / f"record{number}"
            place.mkdir(mode=0o555)
            if is_root:
                os.chown(place, NOBODY, NOBODY)
                os.seteuid(NOBODY)
            outcomes.append(_starts_read_only(place))
            if is_root:
                os.seteuid(0)
    finally:
        if is_root:
            os.seteuid(0)
    last = outcomes[-1]
    for one in outcomes[:-1]:
        last.sent, last.stored, last.lost = last.sent + one.sent, last.stored + one.stored, last.lost + one.lost
        last.duplicated, last.faults = last.duplicated + one.duplicated, last.faults + one.faults
        last.seconds += one.seconds
    last.note = f"{len(outcomes)} folders"
    return last


def _starts_read_only(place):
    market = NumberedMarket(500)

    def begin(service):
        until(lambda: service.status().storage_problem and market.arrived_count > 500, PATIENCE_S)
        place.chmod(0o755)

    return recorded_here(place / "record.sqlite3", market, lambda _: None, begin=begin)


def collector_killed(db, folder, *, is_long):
    """The collector is killed while it stores, at any moment; the next one goes on.

    What it had not stored yet, a flush at most, is lost with it, as ``note`` says; what was stored must stay, and
    between the first and the last event of each run none may be missing.
    """
    market, chance, times = NumberedMarket(RATE), random.Random(11), 100 if is_long else 5
    outcome, began_s, missing, late = Outcome(bound_mb=0.0), time.monotonic(), 0, []
    threads, confirmed = threading.active_count(), 0
    with market:
        for _ in range(times):
            before = confirmed
            with collecting(db, market) as process:
                until(lambda before=before: _stored(db) > before, PATIENCE_S)
                time.sleep(chance.uniform(0.0, 0.5))
                confirmed, arrived = _stored(db), market.arrived_count
                process.send_signal(signal.SIGKILL)
                process.wait(PATIENCE_S)
            numbers = sorted(stored_numbers(db))
            missing += max(0, confirmed - len(numbers))
            run = numbers[before:]
            missing += run[-1] - run[0] + 1 - len(run)
            confirmed = len(numbers)
            late.append(max(0, arrived - sum(len(range(*each)) for each in market.arrived[:-1]) - len(run)))
            until(lambda: market.closed == market.opened, PATIENCE_S)
    compare(outcome, db, market.sent, [])
    outcome.lost = missing
    outcome.threads = (threads, threading.active_count())
    outcome.seconds = time.monotonic() - began_s
    outcome.note = f"killed {times} times; of events not yet stored at most {max(late)} went with it"
    if db == folder / "record.sqlite3" and select(db, "PRAGMA integrity_check") != [("ok",)]:
        outcome.faults.append("the file is damaged")
    return outcome


def _stored(db):
    with contextlib.suppress(Exception):
        return select(db, "SELECT count(*) FROM liq_events")[0][0]
    return 0
