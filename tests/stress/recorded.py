"""A market recorded by a service of this process, whose memory, threads and descriptors are measured."""

from __future__ import annotations

from stress.harness import PATIENCE_S, Outcome, Watch, compare
from support.waiting import until

from Heatmap.heatmap_service import HeatmapService
from Heatmap.ingestion import feed_group
from Heatmap.ingestion.backoff import Backoff

WARM_S = 1.0


class _Impatient(Backoff):
    """Waits of a hundredth of a second and no limit of attempts: what is tried is what follows a lost connection."""

    def __init__(self):
        super().__init__(base_s=0.01, cap_s=0.05, attempts_per_min=100_000)


def recorded_here(db, market, work, *, begin=lambda _: None, **options):
    """Record a market with a service of this process while ``work(service)`` runs; measure this process.

    ``begin(service)`` is called before anything can be stored.
    """
    outcome, usual = Outcome(), feed_group.Backoff
    feed_group.Backoff = _Impatient
    try:
        with market:
            service = HeatmapService(db, market.symbols, **market.addresses, **options)
            with Watch(outcome) as watch:
                service.start()
                try:
                    begin(service)
                    # What is loaded and allocated once is there before memory is compared.
                    until(lambda: service.status().stored > market.per_s * WARM_S, PATIENCE_S)
                    watch.warm()
                    work(service)
                    market.is_paused = True
                    until(lambda: service.status().stored >= market.arrived_count, PATIENCE_S)
                    watch.settled()
                finally:
                    lost = service.stop()
                # The server's side of a connection is closed by its own thread.
                until(lambda: market.closed == market.opened, PATIENCE_S)
            if lost:
                outcome.faults.append(f"{lost} events could not be stored at the stop")
    finally:
        feed_group.Backoff = usual
    return compare(outcome, db, market.sent, market.arrived)
