"""``heatmap vacuum``: give the space of deleted rows back to the disk."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from Heatmap.commands.recorder_options import add_db_argument
from Heatmap.errors import StorageError
from Heatmap.exit_code import ExitCode, code_of
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_db_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Rewrite the database without its empty pages; return the exit code."""
    try:
        database = database_of(args.db)
        done = database.compact()
    except StorageError as error:
        sys.stderr.write(f"{error.short}\n")
        return code_of(error)
    sys.stdout.write(f"{database}: {done.before_bytes / 1e6:.1f} MB before, {done.after_bytes / 1e6:.1f} MB now\n")
    return ExitCode.OK
