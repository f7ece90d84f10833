"""Options of the command line that `heatmap` and `heatmap collect` share; what is not given is None."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from Heatmap.errors import StorageError
from Heatmap.events import Source
from Heatmap.ingestion.venues import VENUES
from Heatmap.storage.database import database_of

if TYPE_CHECKING:
    from Heatmap.storage.contract import Database


def add_recorder_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare database, symbols, endpoints and retention."""
    add_db_argument(parser)
    parser.add_argument(
        "--symbol",
        dest="symbols",
        action="append",
        metavar="SYMBOL",
        help="symbol to record, repeatable; ALL: every one that the exchange lists (default: BTCUSDT)",
    )
    parser.add_argument(
        "--venue",
        dest="venues",
        action="append",
        choices=list(VENUES),
        help="exchange to record, repeatable; each on its own connection (default: binance)",
    )
    for option, what in (("--ws-url", "the streams, ws://host:port"), ("--rest-url", "REST, http://host:port")):
        parser.add_argument(
            option,
            action="append",
            type=venue_address,
            metavar="[VENUE=]BASE",
            help=f"base address of {what}; repeatable, without a VENUE it is Binance's",
        )
    parser.add_argument("--keep-raw", action="store_true", help="store each frame beside its event")
    parser.add_argument(
        "--retention-days",
        type=float,
        metavar="N",
        help="delete recorded liquidations after this many days, 0: never (default: 14)",
    )


def add_db_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--db``; `Heatmap.storage.database.database_of` turns None into the default."""
    parser.add_argument(
        "--db",
        type=database,
        metavar="DATABASE",
        help="file, or postgresql://user@host/name (default: a file in your data folder)",
    )


def database(text: str) -> Database:
    """Return the database of an address given on the command line."""
    try:
        return database_of(text)
    except StorageError as error:
        raise argparse.ArgumentTypeError(error.short) from error


def venue_address(text: str) -> tuple[str, str]:
    """Return the venue and the base address of ``VENUE=BASE``, or of ``BASE`` alone, which is Binance's."""
    venue, equals, base = text.partition("=")
    # An address may contain "=", a venue no "://".
    if not equals or "://" in venue:
        return Source.BINANCE, text
    if venue not in VENUES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(VENUES)} before “=”, was {venue!r}")
    return venue, base


def positive_seconds(text: str) -> float:
    """Return seconds above 0 given on the command line."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"expected seconds above 0, was {text!r}")
    return seconds
