"""The ``heatmap`` command: reads the arguments and hands over; each subcommand loads only what it needs."""

from __future__ import annotations

import argparse
import logging
import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap import __version__
from Heatmap.errors import GraphicsError, HeatmapError
from Heatmap.log import configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

EXIT_PROBLEM = 1
MAX_AFTER_S = 86_400.0

# Name, one line of help, module with `add_arguments(parser)` and `run(namespace) -> int`; loaded only when asked for.
COMMANDS = {
    "collect": ("record liquidations without a screen", "Heatmap.commands.collect"),
    "status": ("show what is recorded", "Heatmap.commands.status"),
    "import": ("bring files into the record", "Heatmap.commands.import_"),
    "export": ("write the record to CSV, Parquet or NPZ, or the map to PNG", "Heatmap.commands.export"),
    "bench": ("measure the map's speed beside other libraries", "Heatmap.commands.bench"),
    "vacuum": ("give the space of deleted liquidations back to the disk", "Heatmap.commands.vacuum"),
    "doctor": ("check graphics, web engine, database and endpoints", "Heatmap.commands.doctor"),
}

EXAMPLES = """\
examples:
  heatmap                                live BTCUSDT of Binance USD-M
  heatmap --demo                         a simulated market, no network needed
  heatmap --replay FILE                  recorded forceOrder frames, one JSON object a line
  heatmap --demo --screenshot map.png    save a picture and quit; without a display it uses Xvfb
  heatmap collect --db liquidations.db   record only

commands (heatmap COMMAND --help tells more):
"""


def program_parser() -> argparse.ArgumentParser:
    """Return the parser of ``heatmap`` without a subcommand: the window."""
    commands = "".join(f"  {name:<10}{text}\n" for name, (text, _) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="heatmap",
        usage="heatmap [options]  |  heatmap COMMAND [options]",
        description="A native heatmap of realised liquidations behind a candle chart.",
        epilog=EXAMPLES + commands,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"heatmap {__version__}")
    market = parser.add_mutually_exclusive_group()
    market.add_argument("--demo", action="store_true", help="a simulated market on loopback, marked as such")
    market.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="play recorded forceOrder frames, times shifted to end now",
    )
    parser.add_argument("--db", type=Path, metavar="PATH", help="database (default: the user's data folder)")
    parser.add_argument(
        "--symbol", action="append", metavar="SYMBOL", help="default BTCUSDT; may be given several times"
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
    parser.add_argument("--lang", choices=("de", "en"), help="language of this run")
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="save the composed window, then quit")
    parser.add_argument("--after", type=seconds, default=10.0, metavar="SECONDS", help="when to save it (default 10)")
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser


def seconds(text: str) -> float:
    """Return a length of time given on the command line; argparse names this function when it is none."""
    value = float(text)
    if not 0 <= value <= MAX_AFTER_S:
        raise argparse.ArgumentTypeError(f"expected 0 to {MAX_AFTER_S} seconds, was {text}")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit code: 0 done, 1 a problem that was told in a sentence, 2 wrong arguments.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in COMMANDS:
        text, module_name = COMMANDS[words[0]]
        module = import_module(module_name)
        parser = argparse.ArgumentParser(prog=f"heatmap {words[0]}", description=f"{text[0].upper()}{text[1:]}.")
        module.add_arguments(parser)
        parser.add_argument("--verbose", action="store_true", help="log more")
        run: Callable[[argparse.Namespace], int] = module.run
        options = parser.parse_args(words[1:])
    else:
        run, options = _run_program, program_parser().parse_args(words)
    configure_logging(verbose=options.verbose)
    try:
        return run(options)
    except HeatmapError as error:
        log.debug("details", exc_info=error)
        print(f"heatmap: {error.short}", file=sys.stderr)  # noqa: T201  # the sentence for the person at the terminal
        return EXIT_PROBLEM


def _run_program(options: argparse.Namespace) -> int:
    """Open the window; without a display save a picture instead, where that makes sense."""
    from Heatmap.app.virtual_display import display_is_missing, virtual_display  # noqa: PLC0415  # lazy on purpose

    with ExitStack() as stack:
        if display_is_missing():
            if options.screenshot is None and not (options.demo or options.replay):
                raise GraphicsError(
                    "neither DISPLAY nor WAYLAND_DISPLAY is set",
                    short="There is no display to open a window on. `heatmap collect` records without one, and "
                    "`heatmap --screenshot PNG` saves a picture by means of Xvfb.",
                )
            stack.enter_context(virtual_display())
            if options.screenshot is None:
                options.screenshot = Path("heatmap.png")
                log.info("no display: the window is drawn by Xvfb and saved as %s", options.screenshot)
        # Qt is loaded only now: the display must be known before.
        from Heatmap.app.program import Program, ProgramOptions  # noqa: PLC0415
        from Heatmap.storage.retention import DEFAULT_DAYS  # noqa: PLC0415

        return Program(
            ProgramOptions(
                symbols=tuple(options.symbol or ("BTCUSDT",)),
                db_path=options.db,
                ws_url=options.ws_url,
                rest_url=options.rest_url,
                keep_raw=options.keep_raw,
                retention_days=DEFAULT_DAYS if options.retention_days is None else options.retention_days,
                language=options.lang,
                demo=options.demo,
                replay=options.replay,
                screenshot=options.screenshot,
                after_s=options.after,
            )
        ).run()
