"""``heatmap vacuum``: give the space of deleted rows back to the disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap.errors import StorageError
from Heatmap.exit_code import ExitCode, code_of
from Heatmap.storage.location import default_db_path
from Heatmap.storage.retention import compact

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--db", type=Path, metavar="PATH", help="database file (default: in your data folder)")


def run(args: argparse.Namespace) -> int:
    """Rewrite the database without its empty pages; return the exit code."""
    path = args.db or default_db_path()
    try:
        done = compact(path)
    except StorageError as error:
        sys.stderr.write(f"{error.short}\n")
        return code_of(error)
    sys.stdout.write(f"{path}: {done.before_bytes / 1e6:.1f} MB before, {done.after_bytes / 1e6:.1f} MB now\n")
    return ExitCode.OK
