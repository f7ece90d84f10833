"""The page of ``heatmap bench --report``: figures of this machine as Markdown, with charts in a folder beside it.

What could not be measured is named with the reason, never estimated.
"""

from __future__ import annotations

import logging
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Final

from Heatmap import __version__
from Heatmap.clock import SYSTEM_CLOCK, utc_text
from Heatmap.commands.bench_chart import Bar, draw_bars, draw_curves, number_text
from Heatmap.commands.bench_parts import SERVER_VARIABLE, measured_parts
from Heatmap.commands.bench_run import CHECKOUT
from Heatmap.errors import HeatmapError
from Heatmap.ingestion.venues import venue_of
from Heatmap.output_file import written
from Heatmap.ui.gl.graphics import is_software

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

_LOOK: Final = "ours, default look"
_FUNCTIONS: Final = "ours, public functions"
_RANKS: Final = (50, 95, 99)
_BEST_CASE: Final = "fault-free"
# A window of two days has 172,800 events of a symbol at most.
_LOOK_EVENTS: Final = (1_000, 20_000, 100_000)


def write_report(path: Path, pictures: dict[str, Any], *, server: str | None) -> None:
    """Measure the parts that tests measure, and write the page.

    ``pictures`` has what `Heatmap.commands.bench_run.measure` found, by regime of the allocator; ``server`` is the
    address of a database server that figures of the store are wanted of. Raises `OSError`.
    """
    write_page(path, pictures, measured_parts(CHECKOUT, server=server, say=log.info))


def require_checkout() -> None:
    """Raise `HeatmapError` unless this is a checkout of the source: its tests do the measuring."""
    if not (CHECKOUT / "tests").is_dir():
        raise HeatmapError(
            f"no tests in {CHECKOUT}",
            short="--report measures by the project's tests: run it in a checkout of the source.",
        )


def write_page(path: Path, pictures: dict[str, Any], parts: dict[str, dict[str, Any]]) -> None:
    """Write the page of figures that are known, and its charts to a folder of the page's name."""
    folder = path.with_suffix("")
    best = pictures[_BEST_CASE]
    _draw_pictures(folder, best)
    written_by = f"Written by `heatmap bench --report {path.name}` with Heatmap {__version__}"
    lines = [
        "# Benchmarks",
        "",
        f"{written_by} on {utc_text(SYSTEM_CLOCK.now_ms())[:10]}; no figure was written by hand.",
        "[Performance](performance.md) describes how a picture is made.",
        "",
        *_machine(best["machine"], parts),
        *_pictures(folder.name, pictures),
        *_live(folder, parts["live"], parts["view"]),
        *_motion(parts["motion"]),
        *_frames(folder, parts["frames"]),
        *_decoding(parts["decode"]),
        *_store(parts["store"]),
        *_start(parts["start"]),
    ]
    with written(path) as file:
        file.write(("\n".join(lines).rstrip() + "\n").encode())


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)] + [""]


def _picture(name: str, what: str) -> list[str]:
    return [f"![{what}]({name})", ""]


def _how(text: str) -> list[str]:
    return [f"**How:** {text}", ""]


def _percentiles(values: Sequence[float]) -> list[str]:
    cuts = quantiles(values, n=100, method="inclusive")
    return [f"{cuts[rank - 1]:.0f}" for rank in _RANKS]


def _missing(part: dict[str, Any], what: str) -> list[str]:
    """Return what to say of a part without figures."""
    return [f"Not measured: {what}. {part.get('problem', '')}".rstrip(), ""]


def _warning(part: dict[str, Any]) -> list[str]:
    """Return what to say of a part whose figures missed the bounds of its test."""
    return [f"The bounds of its test were missed: `{part['problem']}`", ""] if "problem" in part else []


def _machine(machine: dict[str, Any], parts: dict[str, dict[str, Any]]) -> list[str]:
    noted = {test["gl"] for part in parts.values() for test in part.values() if isinstance(test, dict) and "gl" in test}
    gl = sorted(noted)
    lines = [
        "## Machine",
        "",
        *_table(
            ["what", "which"],
            [
                ["processor", f"{machine['cpu']}, {machine['cores']} cores"],
                ["Python and libraries", f"Python {machine['python']}, {_versions(machine['versions'])}"],
                ["OpenGL", "; ".join(gl) or "not measured"],
            ],
        ),
    ]
    if gl and all(is_software(name) for name in gl):
        lines += ["**No graphics card was measured:** OpenGL runs on the processor here, and so does Chromium.", ""]
    return [*lines, *_load([part["load"] for part in parts.values() if "load" in part], machine["cores"])]


def _load(waiting: Sequence[float], cores: int) -> list[str]:
    if not waiting:
        return []
    told = (
        f"Other programs ran meanwhile: for {cores} cores there were {min(waiting):.1f} to {max(waiting):.1f} "
        "processes ready to run in the minutes before the parts. Ratios within a table say more than times."
    )
    return [told, ""]


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items() if number != "not installed")


def _peers(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [name for name in rows[0]["best_ms"] if not name.startswith(("ours", "fill"))]


def _own(times_ms: dict[str, float], name: str) -> float:
    """Return the shortest time of one of the rows, on one thread or on all."""
    return min(times_ms[each] for each in (name, f"{name}, 1 thread") if each in times_ms)


def _draw_pictures(folder: Path, result: dict[str, Any]) -> None:
    rows = result["rows"]
    peers = _peers(rows)
    groups = {
        f"{row['events']:,} events": [
            Bar(_LOOK, _own(row["best_ms"], _LOOK), is_ours=True),
            *(Bar(f"{peer}, plain", row["best_ms"][peer], is_ours=False) for peer in peers),
        ]
        for row in rows
        if row["events"] in _LOOK_EVENTS
    }
    draw_bars(folder / "look.png", "One picture of 380 x 1700 cells: our default look, others' plain one", groups, "ms")
    names = {_LOOK: _LOOK, "ours": "ours, plain", _FUNCTIONS: _FUNCTIONS}
    names |= {peer: peer for peer in peers}
    curves = {shown: [(row["events"], _own(row["best_ms"], name)) for row in rows] for name, shown in names.items()}
    draw_curves(folder / "curve.png", "From events to a picture", curves, "ms over events")


def _pictures(folder: str, pictures: dict[str, Any]) -> list[str]:
    lines = ["## From events to a picture", ""]
    lines += _picture(f"{folder}/look.png", "Time of one picture, our default look beside others' plain pictures")
    for regime, result in pictures.items():
        rows, peers = result["rows"], _peers(result["rows"])
        head = ["events", "default look, ms", "x fill", "x best other", "plain, ms", "x best other"]
        head += ["functions, ms", "x best other", "best other, ms"]
        cells = []
        for row in rows:
            times_ms = row["best_ms"]
            best_ms = min((times_ms[peer] for peer in peers), default=float("nan"))
            look_ms, plain_ms, functions_ms = (_own(times_ms, name) for name in (_LOOK, "ours", _FUNCTIONS))
            look = [number_text(look_ms), f"{look_ms / times_ms['fill']:.0f}", f"{look_ms / best_ms:.2f}"]
            plain = [number_text(plain_ms), f"{plain_ms / best_ms:.2f}"]
            functions = [number_text(functions_ms), f"{functions_ms / best_ms:.2f}"]
            cells.append([f"{row['events']:,}", *look, *plain, *functions, number_text(best_ms)])
        lines += [f"### {regime.capitalize()}", "", *_table(head, cells)]
    lines += _picture(f"{folder}/curve.png", "Time of one picture over the number of events")
    how = (
        "`heatmap bench`; events to an RGBA image of 380 x 1700 cells; of rounds in which all take turns the "
        "shortest, for other programs lengthen all others; ours on one thread or on all, whichever was sooner. "
        "The default look has longs and shorts, and spots over several cells; others draw one colour and no "
        "spots. *Functions*: `build_grid` and `colorize`, which return new arrays. *Fill*: writing the image once"
        " with a constant. *As installed*: the system's allocator, which makes others pay for fresh memory; "
        "*fault-free*: one that keeps its memory, their best case. A lead counts only where it holds there."
    )
    return [*lines, *_left_out(pictures[_BEST_CASE]["left_out"]), *_how(how)]


def _left_out(left_out: dict[str, str] | None) -> list[str]:
    if not left_out:
        return []
    names = ", ".join(f"{peer} ({name})" for peer, name in left_out.items())
    return [f"Not compared, because not installed: {names}", ""]


def _live(folder: Path, live: dict[str, Any], view: dict[str, Any]) -> list[str]:
    lines = ["## Until it is on the screen", ""]
    test = live.get("test_how_soon_heat_and_liquidations_are_shown")
    if test is None:
        return lines + _missing(live, "the window could not be opened here")
    rows = [
        ["heat switched on, until composed", *_percentiles(test["switched_on_ms"])],
        ["liquidation from the socket, until stored", *_percentiles(test["stored_ms"])],
        ["liquidation stored, until its pixel is composed", *_percentiles(test["pixel_ms"])],
    ]
    moved = view.get("test_another_view_is_crisp_again", {}).get("seen_ms")
    if moved:
        rows.append(["another view of 100,000 events, until crisp again", *_percentiles(moved)])
    bars = {
        name: [Bar(f"p{rank}", float(ms), is_ours=True) for rank, ms in zip(_RANKS, values, strict=True)]
        for name, *values in rows
    }
    draw_bars(folder / "live.png", "Until it is on the screen", bars, "ms")
    lines += _picture(f"{folder.name}/live.png", "Times until heat, liquidation and view are on the screen")
    lines += _table(["what", *(f"p{rank}, ms" for rank in _RANKS)], rows)
    how = (
        "`tests/gui/test_live_speed.py`, `tests/bench/test_view_bench.py`; the whole program with the demo's "
        f"exchange on loopback, {len(test['pixel_ms'])} liquidations and {len(test['switched_on_ms'])} switches. "
        "By design a commit waits up to 250 ms for more events, and a picture is made anew every 250 ms at most."
    )
    return [*lines, *_warning(live), *_warning(view), *_how(how)]


def _motion(part: dict[str, Any]) -> list[str]:
    lines = ["## In step with the candles", ""]
    test = next((value for name, value in part.items() if name.startswith("test_") and "distance_px" in value), None)
    if test is None:
        return lines + _missing(part, "no film was made")
    middle, most, almost_all = test["distance_px"]
    told = (
        "While a user pans, zooms, drags the price axis, switches scales and resizes, the heat was "
        f"{middle:.2f} px off its candle in the median frame, {most:.2f} px in the 95th and {almost_all:.2f} px in the "
        f"99th percentile of {test['frames']} frames."
    )
    how = "`tests/gui/host/test_motion.py`: the window is grabbed as each frame is composed, and the middles compared."
    return [*lines, told, "", *_warning(part), *_how(how)]


def _frames(folder: Path, part: dict[str, Any]) -> list[str]:
    lines = ["## Frames a second", ""]
    test = part.get("test_frames_with_the_heatmap_against_without")
    if test is None:
        return lines + _missing(part, "the window could not be opened here")
    names = {
        "without": "chart without the heatmap",
        "empty": "an empty layer beneath",
        "with": "the heat alone",
        "everything": "heat and all in front of it",
    }
    bars = [Bar(shown, median(test[name]), is_ours=name in {"with", "everything"}) for name, shown in names.items()]
    draw_bars(folder / "frames.png", "A chart that is panned without a rest", {"100,000 events": bars}, "frames/s")
    lines += _picture(f"{folder.name}/frames.png", "Frames a second without and with the heatmap")
    ratios = [with_heat / without for with_heat, without in zip(test["with"], test["without"], strict=True)]
    lines += [f"With the heat there are {median(ratios):.2f} of the frames without it, in rounds that take turns.", ""]
    if test["dragged"]:
        lines += [f"While a handle of the legend is dragged, {median(test['dragged']):.0f} maps a second are made.", ""]
    how = "`tests/bench/test_frames_bench.py`; a chart of 1780 x 700 px, 480 candles, 8 rounds of 3 s each."
    return [*lines, *_warning(part), *_how(how)]


def _decoding(part: dict[str, Any]) -> list[str]:
    lines = ["## Decoding", ""]
    tests = {name[11:-1]: test for name, test in part.items() if name.startswith("test_venue[")}
    if not tests:
        return lines + _missing(part, "no frame was decoded")
    rows = []
    for name, test in tests.items():
        each_s = test["best_s"] / test["frames"]
        rows.append([venue_of(name).name, f"{1 / each_s:,.0f}", f"{1e6 * each_s:.1f}"])
    lines += _table(["venue", "frames a second", "microseconds a frame"], rows)
    own, peer = (part.get(f"test_codec{name}", {}).get("best_s") for name in ("", "_peer_stdlib_json_to_events"))
    if own and peer:
        ratio = f"The standard library's JSON and `float()` take {peer / own:.1f} times as long for the same events"
        lines += [f"{ratio} of Binance.", ""]
    how = (
        "`tests/bench/test_codec_bench.py`; frames as the demo publishes them second by second, one thread, best round."
    )
    return [*lines, *_warning(part), *_how(how)]


def _store(part: dict[str, Any]) -> list[str]:
    lines = ["## Store", ""]
    tests = {
        "20,000 events written, as a recorder does": ("test_writer", "test_writer_on_a_server", 20_000),
        "20,000 frames from a socket to the database": ("test_writer_from_the_socket", "", 20_000),
        "window of 100,000 events read to arrays": ("test_reader_window", "test_reader_window_on_a_server", 100_000),
    }
    rows = []
    for what, (of_file, of_server, count) in tests.items():
        times = [part.get(name, {}).get("best_s") for name in (of_file, of_server)]
        rows.append([what, *(f"{1000 * s:,.0f} ms, {count / s:,.0f} a second" if s else "not measured" for s in times)])
    lines += _table(["what", "SQLite file", "PostgreSQL server"], rows)
    if "test_writer_on_a_server" not in part:
        lines += [f"No server was measured: `--server` (or `{SERVER_VARIABLE}`) names one.", ""]
    how = "`tests/bench/test_writer_bench.py`; transactions of 200 events, flushed as the program does it; best round."
    return [*lines, *_warning(part), *_how(how)]


def _start(part: dict[str, Any]) -> list[str]:
    lines = ["## Start and memory", ""]
    names = ("starting_the_program", "importing_the_package", "memory_of_a_recorder")
    program, package, recorder = (part.get(f"test_{name}", {}) for name in names)
    rows = []
    if program:
        for what, ms in (("window is painted", program["window"]), ("map has its first picture", program["image"])):
            rows.append([f"`heatmap --demo` until the {what}", f"{min(ms) / 1000:.2f} s", f"{median(ms) / 1000:.2f} s"])
    if package:
        ms = package["import_ms"]
        rows.append(["`import Heatmap`", f"{min(ms):.1f} ms", f"{median(ms):.1f} ms"])
    if recorder:
        most = f"{recorder['rss_mb']:.0f} MB"
        rows.append([f"most memory of `heatmap collect`, in {recorder['seconds']} s", most, most])
    if not rows:
        return lines + _missing(part, "no program was started")
    how = (
        "`tests/bench/test_start_bench.py`; new processes, files in the system's cache, kernels compiled before. "
        "Memory is what is resident, one symbol of the demo's exchange."
    )
    return [*lines, *_table(["what", "best", "median"], rows), *_warning(part), *_how(how)]
