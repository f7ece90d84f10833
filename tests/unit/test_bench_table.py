"""What `heatmap bench` prints, from figures that are known."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from support.bench_peers import PEERS, available_peers

from Heatmap.cli import main
from Heatmap.commands.bench import left_out_lines, look_table, table
from Heatmap.commands.bench_run import LOOK, SPEC, VIEW, market
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.rendering.render_options import render_options
from Heatmap.rendering.view_grid import grid_for_view, same_cells

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {"threads": 2, "read_bytes_per_ms": 24_000_000, "fill_ms": 0.1}


def row(events, **peers):
    own = {"ours, 1 thread": 1.0, "ours": 0.5, "ours, default look, 1 thread": 3.0, "ours, default look": 2.0}
    own["ours, public functions"] = 2.0
    return {
        "events": events,
        "fill_ms": 0.1,
        "log_ms": peers | own,
        "linear_ms": {name: 2 * ms for name, ms in peers.items()} | own,
    }


def test_ratios_are_to_the_best_peer():
    lines = table({"machine": MACHINE, "rows": [row(1_000_000, slow=9.0, fast=4.0)]})
    assert lines[0].split("  ")[0] == "events"
    assert lines[1].split() == ["1e6", "1.100", "9.00", "4.00", "1.000", "0.500", "0.250", "0.125", "0.062", "0.500"]


def test_the_default_look_is_compared_with_plain_pictures_and_the_fill():
    rows = [row(1_000, slow=9.0, fast=4.0), row(1_000_000, slow=9.0, fast=4.0)]
    lines = look_table({"machine": MACHINE, "rows": rows})
    assert len(lines) == 2, "no window holds a million events"
    assert lines[1].split() == ["1e3", "0.100", "9.00", "4.00", "3.00", "2.00", "20.0", "0.750", "0.500"]
    assert len(look_table({"machine": MACHINE, "rows": rows[1:]})) == 2, "asked for, it is shown"


def test_the_default_look_is_that_of_the_default_settings_where_they_choose_this_grid():
    settings = HeatmapSettings()
    chosen = grid_for_view(VIEW, settings, since_ms=SPEC.t0_ms, now_ms=SPEC.end_ms, tick_size=0.1)
    assert same_cells(chosen, SPEC)
    assert render_options(settings, VIEW, chosen, dark=True) == LOOK


def test_without_peers_there_are_no_ratios():
    lines = table({"machine": MACHINE, "rows": [row(1_000)]})
    assert lines[1].split().count("-") == 4


def test_peers_that_are_not_installed_are_named_with_what_they_miss(monkeypatch):
    for module in ("pyqtgraph", "pyqtgraph.functions_numba", "datashader", "matplotlib"):
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails as if it were not there
    peers, missing = available_peers(market(10), linear=False)
    assert not peers
    assert list(missing) == list(PEERS)
    said = "\n".join(left_out_lines(missing))
    assert "numpy + matplotlib (matplotlib is not installed)" in said
    assert "datashader (datashader is not installed)" in said
    assert "pip install" in said
    assert left_out_lines({}) == []
    assert "checkout" in left_out_lines(None)[0]


def test_what_to_install_is_the_dependency_group():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["bench"]
    said = left_out_lines({"datashader": "datashader"})[-1].split()
    assert all(requirement.split(">=")[0] in said for requirement in groups)


@pytest.mark.parametrize("arguments", [["--events", "0"], ["--events", "many"], ["--rounds", "0"]])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(SystemExit) as caught:
        main(["bench", *arguments])
    assert caught.value.code == 2
