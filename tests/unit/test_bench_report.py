"""The benchmark's page, from figures that are known: what it says, what it admits, and its charts."""

from __future__ import annotations

import copy

import pytest
from PIL import Image

from Heatmap.commands import bench_report
from Heatmap.commands.bench_chart import WIDTH_PX, number_text
from Heatmap.commands.bench_parts import PARTS
from Heatmap.commands.bench_report import require_checkout, write_page
from Heatmap.errors import HeatmapError

OWN = {"ours": 1.0, "ours, 1 thread": 1.5, "ours, default look": 2.0, "ours, public functions": 3.0}
RESULT = {
    "machine": {
        "cpu": "a processor", "cores": 2, "python": "3.11.7", "read_bytes_per_ms": 24_000_000,
        "versions": {"numpy": "2.0", "datashader": "not installed"},
    },
    "left_out": {"datashader": "datashader"},
    "rows": [
        {"events": events, "best_ms": {"fill": 0.1, "slow": 9.0, "fast": 4.0, **OWN}}
        for events in (1_000, 100_000, 10_000_000)
    ],
}  # fmt: skip
PICTURES = {"as installed": RESULT, "fault-free": RESULT}
GL = "Mesa llvmpipe (LLVM 15)"
FIGURES = {
    "decode": {"test_venue[okx]": {"best_s": 0.001, "frames": 500, "events": 500}},
    "store": {"load": 2.5, "test_writer": {"best_s": 0.5}, "test_reader_window": {"best_s": 0.05}},
    "start": {"test_starting_the_program": {"best_s": 0.0, "window": [1100, 1300, 1200], "image": [2000, 2500]}},
    "view": {"test_another_view_is_crisp_again": {"best_s": 0.05, "gl": GL, "seen_ms": [40.0, 50.0, 60.0]}},
    "live": {
        "test_how_soon_heat_and_liquidations_are_shown": {
            "best_s": 1.0, "gl": GL, "switched_on_ms": [90.0, 110.0], "stored_ms": [200.0, 260.0],
            "pixel_ms": [300.0, 500.0],
        }
    },
    "frames": {
        "test_frames_with_the_heatmap_against_without": {
            "best_s": 1.0, "gl": GL, "dragged": [], "without": [40.0, 40.0], "empty": [38.0, 38.0],
            "with": [30.0, 32.0], "everything": [25.0, 25.0],
        }
    },
    "motion": {"test_the_heat_stays[5.2]": {"distance_px": [0.1, 0.42, 0.5], "frames": 350, "gl": GL}},
}  # fmt: skip


def page(tmp_path, parts):
    path = tmp_path / "benchmarks.md"
    write_page(path, PICTURES, parts)
    return path.read_text(encoding="utf-8")


def test_it_has_every_figure_and_says_that_no_graphics_card_was_measured(tmp_path):
    text = page(tmp_path, FIGURES)
    for said in (
        "| 1,000 | 2.00 | 20 | 0.50 | 1.00 | 0.25 | 3.00 | 0.75 | 4.00 |",
        "Not compared, because not installed: datashader",
        "No graphics card was measured",
        "| OKX | 500,000 | 2.0 |",
        "500 ms, 40,000 a second | not measured |",
        "No server was measured",
        "| 1.10 s | 1.20 s |",
        "| liquidation stored, until its pixel is composed | 400 | 490 | 498 |",
        "0.42 px in the 95th",
        "for 2 cores there were 2.5 to 2.5 processes",
        "there are 0.78 of the frames without it",
    ):
        assert said in text
    assert "a second are made" not in text, "nothing was dragged"
    for name in ("look", "curve", "live", "frames"):
        assert f"](benchmarks/{name}.png)" in text
        with Image.open(tmp_path / "benchmarks" / f"{name}.png") as picture:
            assert picture.width == 2 * WIDTH_PX
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 3


@pytest.fixture
def no_charts(monkeypatch):
    for name in ("draw_bars", "draw_curves"):
        monkeypatch.setattr(bench_report, name, lambda *_: None)


@pytest.mark.usefixtures("no_charts")
@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_failed_is_named_with_the_reason(tmp_path, name):
    assert "no display" in page(tmp_path, FIGURES | {name: {"problem": "no display"}})


@pytest.mark.usefixtures("no_charts")
def test_figures_that_missed_their_bounds_are_shown_with_that(tmp_path):
    parts = copy.deepcopy(FIGURES)
    parts["frames"]["problem"] = "FAILED: 0.7 of 0.75"
    text = page(tmp_path, parts)
    assert "there are 0.78 of the frames" in text
    assert "`FAILED: 0.7 of 0.75`" in text


@pytest.mark.usefixtures("no_charts")
def test_a_graphics_card_is_named(tmp_path):
    parts = copy.deepcopy(FIGURES)
    for test in ("frames", "live", "view", "motion"):
        next(iter(parts[test].values()))["gl"] = "NVIDIA"
    assert "No graphics card" not in page(tmp_path, parts)


def test_outside_of_a_checkout_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_report, "CHECKOUT", tmp_path)
    with pytest.raises(HeatmapError, match="no tests in") as caught:
        require_checkout()
    assert "checkout" in caught.value.short


@pytest.mark.parametrize(("value", "text"), [(0.1234, "0.12"), (12.34, "12.3"), (1234.5, "1,234")])
def test_numbers_have_two_or_three_digits(value, text):
    assert number_text(value) == text
