"""Screens of every pixel ratio, a window that goes from one to another, and a machine without OpenGL.

Qt takes all this from the environment before the application is made, so each of these runs pytest in a process of its
own, on an X server of its own, and passes on what that says.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gl, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
MONITOR_PX = (1300, 1000)
_ID, _INT = ctypes.c_ulong, ctypes.c_int


class Monitor(ctypes.Structure):
    """``XRRMonitorInfo`` of Xrandr.h."""

    _fields_ = (
        *((name, _ID) for name in ("name",)),
        *((name, _INT) for name in ("primary", "automatic", "noutput", "x", "y", "width", "height", "mm_x", "mm_y")),
        ("outputs", ctypes.POINTER(_ID)),
    )


class Resources(ctypes.Structure):
    """The beginning of ``XRRScreenResources``."""

    _fields_ = (
        ("timestamp", _ID),
        ("config", _ID),
        ("ncrtc", _INT),
        ("crtcs", ctypes.POINTER(_ID)),
        ("noutput", _INT),
        ("outputs", ctypes.POINTER(_ID)),
    )


@contextmanager
def x_server(*, monitors: int):
    """Run an X server whose screen is cut into monitors side by side; give its name."""
    width, height = MONITOR_PX
    read_end, write_end = os.pipe()
    screen = ["-screen", "0", f"{width * monitors}x{height}x24"]
    command = ["Xvfb", "-displayfd", str(write_end), *screen, "-nolisten", "tcp", "-noreset"]
    with subprocess.Popen(command, pass_fds=(write_end,), stderr=subprocess.DEVNULL) as server:
        os.close(write_end)
        try:
            with os.fdopen(read_end) as told:
                name = f":{int(told.readline())}"
            if monitors > 1:
                cut(name, monitors)
            yield name
        finally:
            server.terminate()


def cut(display_name: str, monitors: int) -> None:
    """Name the monitors as ``xrandr --setmonitor`` would; Qt WebEngine needs this library, so it is there."""
    x11, xrandr = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXrandr.so.2")
    x11.XOpenDisplay.restype = xrandr.XRRGetScreenResources.restype = ctypes.c_void_p
    x11.XDefaultRootWindow.restype = x11.XInternAtom.restype = _ID
    display = ctypes.c_void_p(x11.XOpenDisplay(display_name.encode()))
    assert display.value, "the X server does not answer"
    root = _ID(x11.XDefaultRootWindow(display))
    resources = ctypes.cast(xrandr.XRRGetScreenResources(display, root), ctypes.POINTER(Resources)).contents
    width, height = MONITOR_PX
    for number in range(monitors):
        name = x11.XInternAtom(display, f"heatmap-{number}".encode(), 0)
        first = int(number == 0)  # the one real output can be of one monitor only
        monitor = Monitor(name, first, 0, first, number * width, 0, width, height, 340, 260, resources.outputs)
        xrandr.XRRSetMonitor(display, root, ctypes.byref(monitor))
    x11.XCloseDisplay(display)


def run_pytest(what: list[str], *, monitors: int, environment: dict[str, str]) -> None:
    """Run tests in a process of their own; whatever goes wrong there fails here."""
    with x_server(monitors=monitors) as name:
        command = [sys.executable, "-m", "pytest", "--no-xvfb", "-q", "-x", *what]
        surroundings = os.environ | environment | {"DISPLAY": name}
        ended = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, cwd=HERE)
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert re.search(r"\d+ passed", ended.stdout)
    assert "skipped" not in ended.stdout


@pytest.mark.parametrize("factors", ["1;2", "1.5;1.25"])
def test_a_window_moves_between_screens_of_different_factors(factors):
    run_pytest([str(HERE / "on_two_screens.py")], monitors=2, environment={"QT_SCREEN_SCALE_FACTORS": factors})


PLACES = (
    "test_every_price_scale",
    "test_a_left_price_scale",
    "test_a_series_in_the_second_pane",
    "test_a_gap_in_the_bars",
    "test_page_zoom",
    "test_a_chart_beside_a_header_and_a_sidebar",
)


@pytest.mark.parametrize("ratio", ["1.25", "1.5", "2"])
def test_the_heat_lies_in_its_place_at_every_pixel_ratio(ratio):
    tests = [f"{HERE / 'test_host_position.py'}::{name}" for name in PLACES]
    run_pytest(tests, monitors=1, environment={"QT_SCALE_FACTOR": ratio})


def test_without_opengl_the_chart_stays_usable_and_the_tab_says_so():
    run_pytest([str(HERE / "without_opengl.py")], monitors=1, environment={"QT_XCB_GL_INTEGRATION": "none"})
