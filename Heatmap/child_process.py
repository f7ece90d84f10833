"""Command line and environment of a child process that runs a module of this package."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_ROOT: Final = str(Path(__file__).resolve().parents[1])


def module_command(module: str) -> list[str]:
    """Return the command line that runs a module by this interpreter."""
    # -P: otherwise -m puts the working directory first on the path, and a numpy.py there would be run.
    return [sys.executable, "-P", "-m", module]


def module_environment() -> dict[str, str]:
    """Return the environment in which the child finds this package, wherever the host found it."""
    # An empty entry stands for the working directory.
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([_ROOT, *path])}
