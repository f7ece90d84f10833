"""Xvfb for machines without a display, for as long as the program runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from Heatmap.child_process import system_environment
from Heatmap.errors import GraphicsError

if TYPE_CHECKING:
    from collections.abc import Iterator

SCREEN = "1920x1200x24"
STOP_TIMEOUT_S = 5.0
HINT = "No display was found. Install Xvfb (Debian: apt-get install xvfb) to save a picture without one."


def display_is_missing() -> bool:
    """Return True on a Unix system without a display, macOS excepted."""
    if sys.platform in ("win32", "darwin") or os.environ.get("QT_QPA_PLATFORM"):
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def virtual_display() -> Iterator[None]:
    """Run Xvfb and point ``DISPLAY`` at it; a `GraphicsError` if it is not installed or does not start."""
    program = shutil.which("Xvfb")
    if program is None:
        raise GraphicsError("Xvfb is not on the PATH", short=HINT)
    read_end, write_end = os.pipe()
    # Xvfb chooses a free number and writes it to the pipe when it is ready.
    process = subprocess.Popen(  # noqa: S603  # found on the PATH, fixed arguments
        [program, "-displayfd", str(write_end), "-screen", "0", SCREEN, "-nolisten", "tcp"],
        env=system_environment(),
        pass_fds=(write_end,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        number = pipe.readline().strip()
    if not number:
        raise GraphicsError(f"Xvfb ended with code {process.wait()}", short="The virtual display did not start.")
    os.environ["DISPLAY"] = f":{number}"
    try:
        yield
    finally:
        del os.environ["DISPLAY"]
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
