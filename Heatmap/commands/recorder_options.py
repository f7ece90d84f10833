"""Options of the command line that `heatmap` and `heatmap collect` share; what is not given is None."""

from __future__ import annotations

import argparse
import math
from pathlib import Path


def add_recorder_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare database, symbols, endpoints and retention."""
    parser.add_argument(
        "--db", dest="db_path", type=Path, metavar="PATH", help="database file (default: in your data folder)"
    )
    parser.add_argument(
        "--symbol",
        dest="symbols",
        action="append",
        metavar="SYMBOL",
        help="symbol to record, repeatable; ALL: every one that the exchange lists (default: BTCUSDT)",
    )
    parser.add_argument("--ws-url", metavar="BASE", help="base address of the streams, ws://host:port")
    parser.add_argument("--rest-url", metavar="BASE", help="base address of the REST interface, http://host:port")
    parser.add_argument("--keep-raw", action="store_true", help="store each frame beside its event")
    parser.add_argument(
        "--retention-days",
        type=float,
        metavar="N",
        help="delete recorded liquidations after this many days, 0: never (default: 14)",
    )


def positive_seconds(text: str) -> float:
    """Return seconds above 0 given on the command line."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, was {text!r}")
    return seconds
