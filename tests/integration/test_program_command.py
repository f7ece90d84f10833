"""The command as a user runs it: a process of its own, a real window on a virtual screen, files left behind."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from PyQt6.QtGui import QImage
from support.record import store_summary

from Heatmap.clock import SYSTEM_CLOCK
from Heatmap.exit_code import ExitCode
from Heatmap.ingestion.venues import VENUES
from Heatmap.storage.sqlite.sqlite_store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60 * float(os.environ.get("HEATMAP_PATIENCE", "1"))
# Badge and legend lie in the pane's left corners and have the colours of heat.
CORNERS_WIDTH_PX, BADGE_BOTTOM_PX, LEGEND_TOP_PX = 400, 70, 430
# Written by Chromium itself at its start on machines without a system bus or a graphics card.
CHROMIUM = "chromium/"


def environment(tmp_path, **changes) -> dict[str, str]:
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data"), "LANG": "C.UTF-8"}
    merged = os.environ | home | changes
    return {name: value for name, value in merged.items() if value != ""}


def heatmap(tmp_path, *words, **changes) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "Heatmap", *map(str, words)],
        env=environment(tmp_path, **changes),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def own_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and CHROMIUM not in line]


def complaints(text: str) -> list[str]:
    """Return the lines of a log that nobody wants to see; running as root is not the program's fault."""
    return [
        line
        for line in own_lines(text)
        if any(word in line for word in ("WARNING", "ERROR", "CRITICAL", "Traceback", "Qt", "GL error"))
        and "running as root" not in line
    ]


def rows(path: Path) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:  # noqa: TID251  # an eye of its own
        return connection.execute(
            "SELECT side, price, qty, order_price, source FROM liq_events ORDER BY ts_ms"
        ).fetchall()


def frame(number: int, *, side: str, price: str, average: str | None, qty: str, filled: str) -> str:
    ts_ms = 1_700_000_000_000 + number * 90_000
    order = {"s": "BTCUSDT", "S": side, "o": "LIMIT", "f": "IOC", "q": qty, "p": price, "X": "FILLED", "l": "0.001"}
    order |= {"z": filled, "T": ts_ms} | ({"ap": average} if average is not None else {})
    return json.dumps({"e": "forceOrder", "E": ts_ms, "o": order})


RECORDING = [
    frame(0, side="SELL", price="61000.10", average="61200.00", qty="1.000", filled="1.000"),
    frame(1, side="BUY", price="61800.00", average="61600.50", qty="3.000", filled="2.500"),
    frame(2, side="SELL", price="61050.00", average=None, qty="0.500", filled="0.500"),
    frame(3, side="SELL", price="60900.00", average="61100.00", qty="9.000", filled="9.000"),
]


@pytest.fixture
def recording(tmp_path) -> Path:
    path = tmp_path / "recording.jsonl"
    path.write_text("\n".join(RECORDING) + "\n", encoding="utf-8")
    return path


def coloured(image: QImage, hue_low: int, hue_high: int) -> list[tuple[int, int]]:
    """Return the pane's pixels of strong colour within a range of hues (degrees), without badge and legend."""
    found = []
    for y in range(40, image.height() - 70, 2):
        for x in range(0, image.width() - 90, 2):
            if x < CORNERS_WIDTH_PX and not BADGE_BOTTOM_PX < y < LEGEND_TOP_PX:
                continue
            color = image.pixelColor(x, y)
            if color.saturation() > 120 and color.value() > 70 and hue_low <= color.hue() <= hue_high:
                found.append((x, y))
    return found


@pytest.mark.gl
def test_a_replay_stores_every_frame_as_recorded_and_draws_it(tmp_path, recording):
    db, picture = tmp_path / "T.db", tmp_path / "out.png"
    run = heatmap(tmp_path, "--replay", recording, "--db", db, "--screenshot", picture, "--after", 8, "--lang", "en")
    assert run.returncode == 0, run.stderr
    assert complaints(run.stderr) == []
    assert rows(db) == [
        ("SELL", 61200.0, 1.0, 61000.1, "replay"),
        ("BUY", 61600.5, 2.5, 61800.0, "replay"),
        ("SELL", 61050.0, 0.5, 61050.0, "replay"),
        ("SELL", 61100.0, 9.0, 60900.0, "replay"),
    ]
    # A recording is whole from its first frame on: nothing of it is hatched.
    (series,) = store_summary(db).series
    with SqliteStore(db) as store:
        covered = store.coverage(series.symbol, "replay", 0, 2**53)
    assert covered[0].start_ms == series.first_ms
    # Then the program goes on by itself, a moment later.
    assert covered[0].end_ms > series.last_ms - 10_000
    image = QImage(str(picture))
    assert (image.width(), image.height()) == (1060, 550)
    # Amber for liquidated longs, blue for shorts; the candles lie over them.
    longs = coloured(image, 25, 50)
    shorts = coloured(image, 205, 250)
    assert len(longs) > 10
    assert len(shorts) > 10
    # Higher on the screen is a higher price: the short was liquidated above all longs.
    assert min(y for _, y in shorts) < min(y for _, y in longs)


@pytest.mark.gl
def test_a_second_replay_takes_the_place_of_the_first(tmp_path, recording):
    db = tmp_path / "T.db"
    for _ in range(2):
        run = heatmap(tmp_path, "--replay", recording, "--db", db, "--screenshot", tmp_path / "o.png", "--after", 3)
        assert run.returncode == 0, run.stderr
    assert len(rows(db)) == len(RECORDING)


@pytest.mark.gl
def test_a_recording_is_stored_whole(tmp_path, recorded):
    db, picture = tmp_path / "T.db", tmp_path / "out.png"
    source = recorded / "btcusdt_liquidations_recorded.jsonl"
    run = heatmap(tmp_path, "--replay", source, "--db", db, "--screenshot", picture, "--after", 6)
    assert run.returncode == 0, run.stderr
    wanted = []
    for line in source.read_text().splitlines():
        order = json.loads(line)["o"]
        price = float(order.get("ap") or 0) or float(order["p"])
        wanted.append((order["S"], price, float(order["z"]), float(order["p"]), "replay"))
    assert sorted(rows(db)) == sorted(wanted)
    assert len(wanted) > 20


@pytest.mark.gl
def test_the_demo_draws_a_map_without_a_display_of_its_own(tmp_path):
    picture = tmp_path / "demo.png"
    run = heatmap(tmp_path, "--demo", "--screenshot", picture, "--after", 6, DISPLAY="", WAYLAND_DISPLAY="")
    assert run.returncode == 0, run.stderr
    assert complaints(run.stderr) == []
    image = QImage(str(picture))
    assert image.pixelColor(14, 48).hue() in range(40, 50)  # the badge that says "simulated"
    assert len(coloured(image, 205, 250)) + len(coloured(image, 25, 50)) > 300


@contextmanager
def running(tmp_path, *words):
    """Run the command until the block ends; gives the process and the lines of its log as they come."""
    process = subprocess.Popen(
        [sys.executable, "-m", "Heatmap", *map(str, words)],
        env=environment(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    arrived = threading.Condition()

    def read():
        for line in process.stderr:
            with arrived:
                lines.append(line)
                arrived.notify_all()

    reader = threading.Thread(target=read)
    reader.start()

    def wait_for(text: str) -> None:
        with arrived:
            assert arrived.wait_for(lambda: any(text in line for line in lines), PATIENCE_S), lines

    try:
        yield process, lines, wait_for
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


@pytest.mark.gl
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_closes_the_program_in_order(tmp_path, number):
    with running(tmp_path, "--demo", "--db", tmp_path / "s.db") as (process, lines, wait_for):
        wait_for("underlay paints")
        wait_for("feed: live")
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 0
    assert complaints("".join(lines)) == []


@pytest.mark.gl
def test_an_unreachable_exchange_leaves_the_program_usable(tmp_path):
    picture = tmp_path / "p.png"
    run = heatmap(
        tmp_path, "--ws-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9",
        "--db", tmp_path / "x.db", "--screenshot", picture, "--after", 3, "--lang", "en",
    )  # fmt: skip
    assert run.returncode == ExitCode.NO_PICTURE, run.stderr
    assert "the picture shows no chart: 127.0.0.1:9 refuses the connection" in run.stderr
    assert "refuses the connection" in run.stderr
    assert "Traceback" not in run.stderr
    assert not QImage(str(picture)).isNull()


@pytest.mark.gl
def test_an_impossible_database_folder_is_said_and_the_chart_goes_on(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    run = heatmap(
        tmp_path, "--demo", "--db", tmp_path / "file" / "x.db", "--screenshot", tmp_path / "p.png", "--after", 3
    )
    assert run.returncode == 0, run.stderr
    assert "storing is held up" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.gl
def test_broken_lines_are_named_and_the_rest_is_played(tmp_path, recording):
    recording.write_text("garbage\n" + recording.read_text() + '{"e":"forceOrder","o":{}}\n')
    db = tmp_path / "T.db"
    run = heatmap(tmp_path, "--replay", recording, "--db", db, "--screenshot", tmp_path / "p.png", "--after", 3)
    assert run.returncode == 0, run.stderr
    assert "Line 1: not valid JSON" in run.stderr
    assert "Line 6:" in run.stderr
    assert len(rows(db)) == len(RECORDING)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--replay", "nowhere.jsonl"], "is not a file"),
        (["--ws-url", "http://x"], "is not an address"),
        (["--symbol", "a b"], "is not a symbol"),
    ],
)
def test_wrong_words_get_one_plain_sentence(tmp_path, words, sentence):
    run = heatmap(tmp_path, *words, "--screenshot", tmp_path / "p.png")
    assert run.returncode == 1
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


def test_without_a_display_the_live_program_says_what_to_do(tmp_path):
    run = heatmap(tmp_path, DISPLAY="", WAYLAND_DISPLAY="")
    assert run.returncode == 1
    assert "heatmap collect" in run.stderr
    assert "--screenshot" in run.stderr


def test_version_and_help_load_nothing_heavy(tmp_path):
    assert heatmap(tmp_path, "--version").stdout.startswith("heatmap ")
    text = heatmap(tmp_path, "--help").stdout
    for word in ("collect", "status", "doctor", "--demo", "--replay", "--screenshot"):
        assert word in text
    probe = (
        "import sys, Heatmap, Heatmap.cli; Heatmap.cli.program_parser();"
        "print([name for name in ('PyQt6', 'numba', 'numpy') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.gl
def test_the_doctor_names_what_is_wrong_and_a_cure(tmp_path):
    run = heatmap(
        tmp_path,
        "doctor",
        "--db",
        tmp_path / "d.db",
        "--ws-url",
        "ws://127.0.0.1:9",
        *[word for venue in VENUES for word in ("--rest-url", f"{venue}=http://127.0.0.1:9")],
    )
    lines = run.stdout.splitlines()
    assert run.returncode == 1
    others = len(VENUES) - 1
    assert [line[:4] for line in lines] == ["ok  ", "ok  ", "ok  ", "FAIL", "FAIL", *["-   "] * others]
    assert all("→" in line for line in lines[3:5])
    # A venue that nobody asked for is told, and is no fault.
    assert all("refuses the connection" in line and "→" not in line for line in lines[5:])
    assert not (tmp_path / "d.db").exists()


def test_without_opengl_the_chart_is_drawn_and_recording_goes_on(tmp_path):
    picture, database, begun_ms = tmp_path / "out.png", tmp_path / "d.sqlite3", SYSTEM_CLOCK.now_ms()
    arguments = ("--demo", "--db", database, "--screenshot", picture, "--after", 8)
    result = heatmap(tmp_path, *arguments, QT_XCB_GL_INTEGRATION="none", QT_QPA_PLATFORM="xcb")
    assert result.returncode == 0, result.stderr
    assert "OpenGL is not available" in result.stderr
    shown = QImage(str(picture))
    colors = {shown.pixelColor(x, y).name() for x in range(0, shown.width(), 2) for y in range(0, shown.height(), 2)}
    assert {"#26a69a", "#ef5350"} <= colors, "candles, rising and falling"
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True)  # noqa: TID251  # an eye of its own on the file
    (recorded_ms,) = reader.execute("SELECT max(end_ms) FROM coverage").fetchone()
    reader.close()
    assert recorded_ms > begun_ms + 2000


def test_a_time_that_is_none_is_refused_in_plain_words(tmp_path):
    result = heatmap(tmp_path, "--demo", "--after", "soon")
    assert result.returncode == 2
    assert "invalid seconds value: 'soon'" in result.stderr


def test_a_retention_that_cannot_be_is_refused_before_a_window_opens(tmp_path):
    run = heatmap(tmp_path, "--db", tmp_path / "x.db", "--screenshot", tmp_path / "p.png", "--retention-days", "-1")
    assert run.returncode == 1
    assert "Keep liquidations 0 (for ever) to 36500 days." in run.stderr
    assert not (tmp_path / "x.db").exists()
