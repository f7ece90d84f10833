"""Command lines and environments of child processes: this program again, a module of this package, other programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_LIBRARY_PATH: Final = "LD_LIBRARY_PATH"


def program_command() -> list[str]:
    """Return the command line that runs ``heatmap``."""
    return [sys.executable] if is_frozen() else module_command("Heatmap")


def module_command(module: str) -> list[str]:
    """Return the command line that runs a module by this interpreter, or by the bundle (``.build/bundle_entry.py``)."""
    # -P: otherwise -m puts the working directory first on the path, and a numpy.py there would be run.
    return [sys.executable, *([] if is_frozen() else ["-P"]), "-m", module]


def module_environment() -> dict[str, str]:
    """Return the environment in which the child finds this package, wherever the host found it."""
    # An empty entry stands for the working directory.
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *path])}


def system_environment() -> dict[str, str]:
    """Return the environment for a program of the system, which must not load the libraries of a bundle."""
    environment = dict(os.environ)
    if is_frozen():
        # PyInstaller's start program puts its own folder in front, and keeps what was there.
        before = environment.pop(f"{_LIBRARY_PATH}_ORIG", None)
        environment.pop(_LIBRARY_PATH, None)
        if before is not None:
            environment[_LIBRARY_PATH] = before
    return environment


def is_frozen() -> bool:
    """Return True in a program made by PyInstaller or its like: its executable is that program, not Python."""
    return bool(getattr(sys, "frozen", False))
