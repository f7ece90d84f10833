"""What `heatmap bench` prints, from figures that are known."""

from __future__ import annotations

import pytest

from Heatmap.cli import main
from Heatmap.commands.bench import table

MACHINE = {"threads": 2, "read_bytes_per_ms": 24_000_000, "fill_ms": 0.1}


def row(events, **peers):
    own = {"ours, 1 thread": 1.0, "ours": 0.5, "ours, default look": 2.0}
    return {"events": events, "log_ms": peers | own, "linear_ms": {name: 2 * ms for name, ms in peers.items()} | own}


def test_ratios_are_to_the_best_peer():
    lines = table({"machine": MACHINE, "rows": [row(1_000_000, slow=9.0, fast=4.0)]})
    assert lines[0].split("  ")[0] == "events"
    assert lines[1].split() == ["1e6", "1.100", "9.00", "4.00", "1.000", "0.500", "0.250", "0.125", "0.062", "2.00"]


def test_without_peers_there_are_no_ratios():
    lines = table({"machine": MACHINE, "rows": [row(1_000)]})
    assert lines[1].split().count("-") == 3


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--events", "many"], ["--rounds", "0"]])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["bench", *arguments])
    assert caught.value.code == 2
