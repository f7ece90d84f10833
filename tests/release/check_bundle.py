"""The bundle that `bash .ci/release --bundle` made: unpacked, started without Python, and pictured.

pytest does not collect this file by itself; `.ci/release` names it. ``HEATMAP_BUNDLE`` is the packed bundle; the
picture is kept beside it as ``bundle.png``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from PyQt6.QtGui import QImage

import Heatmap
from Heatmap.demo.exchange import DemoExchange
from Heatmap.demo.market import SimulatedMarket

ARCHIVE = Path(os.environ["HEATMAP_BUNDLE"])
PICTURE = ARCHIVE.with_name("bundle.png")
PATIENCE_S = 110.0
# Badge and legend, in the left corners, have the colours of heat.
LEFT_PX, TOP_PX, BOTTOM_PX = 400, 70, 430
EXPECTED = ("running as root",)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """The program, in a folder whose name has a blank."""
    folder = tmp_path_factory.mktemp("bundle") / "with a blank"
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root / "heatmap"


@pytest.fixture
def run(program, tmp_path):
    """Runs the program with nothing of this environment but the screen, and with no other program in its reach."""
    empty = tmp_path / "empty"
    empty.mkdir()
    bare = {"HOME": str(tmp_path), "PATH": str(empty), "DISPLAY": os.environ["DISPLAY"], "LC_ALL": "C.UTF-8"}

    def run(*words) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *map(str, words)],
            env=bare,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


def heat_pixels(image: QImage) -> int:
    """The number of pixels with a strong amber or blue on the chart."""
    colours = (image.pixelColor(x, y) for x in range(LEFT_PX, image.width() - 80) for y in range(TOP_PX, BOTTOM_PX))
    hues = (colour.hue() for colour in colours if colour.saturation() > 120 and colour.value() > 90)
    return sum(25 < hue < 50 or 210 < hue < 250 for hue in hues)


def test_it_tells_the_version(run):
    started_s = time.perf_counter()
    done = run("--version")
    print(f"\n--version took {time.perf_counter() - started_s:.2f} s")  # noqa: T201 - for the checklist
    assert (done.stdout, done.returncode) == (f"heatmap {Heatmap.__version__}\n", 0)


def test_its_kernels_are_compiled(run):
    done = run("-m", "Heatmap.aggregation.warmup")
    assert json.loads(done.stdout.splitlines()[-1])["compiled"] == 0, done


def test_it_shows_a_map_without_a_complaint(run):
    PICTURE.unlink(missing_ok=True)
    started_s = time.perf_counter()
    done = run("--demo", "--screenshot", PICTURE, "--after", 12, "--verbose")
    print(f"\nthe demo and its picture after 12 s took {time.perf_counter() - started_s:.2f} s")  # noqa: T201 - for the checklist
    assert done.returncode == 0, done.stderr
    assert "underlay paints with" in done.stderr
    complaints = [
        line
        for line in done.stderr.splitlines()
        if any(word in line for word in ("WARNING", "ERROR", "CRITICAL", "Traceback", "compil", "NumPy"))
        and not any(word in line for word in EXPECTED)
    ]
    assert complaints == []
    assert heat_pixels(QImage(str(PICTURE))) > 300


def test_it_records_and_its_doctor_finds_all_well(run, tmp_path):
    database = tmp_path / "record.db"
    with DemoExchange(SimulatedMarket()) as exchange:
        addresses = ("--ws-url", exchange.ws_url, "--rest-url", exchange.rest_url)
        recorded = run("collect", "--db", database, "--duration", 5, *addresses)
        doctor = run("doctor", "--db", database, *addresses)
    assert recorded.returncode == 0, recorded.stderr
    assert doctor.returncode == 0, doctor.stdout
    assert all(f"ok    {name}" in doctor.stdout for name in ("OpenGL", "WebEngine", "database", "REST", "streams"))
    assert "BTCUSDT" in run("status", "--db", database).stdout


def test_it_has_the_driver_of_a_database_server(run):
    assert "cannot be reached" in run("status", "--db", "postgresql://nobody@127.0.0.1:9/x").stderr


@pytest.mark.skipif(sys.platform != "linux", reason="menu entries of Linux desktops")
def test_its_menu_entry_starts_it(run, program, tmp_path):
    assert run("install-desktop").returncode == 0
    text = (tmp_path / ".local/share/applications/liquidation-heatmap.desktop").read_text(encoding="utf-8")
    assert f'Exec="{program}"\n' in text


def test_it_carries_the_licences_of_what_is_in_it(program):
    folder = program.parent / "_internal" / "licenses"
    assert {"PyQt6", "numba", "llvmlite", "numpy", "liquidation-heatmap"} <= {path.name for path in folder.iterdir()}
    assert list(program.parent.rglob("lightweight-charts.LICENSE"))
