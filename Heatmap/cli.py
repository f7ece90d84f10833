"""The ``heatmap`` command: parses arguments and runs a subcommand, whose module is loaded only then."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import sys
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from Heatmap import __version__
from Heatmap.commands.recorder_options import add_recorder_arguments
from Heatmap.errors import GraphicsError, HeatmapError
from Heatmap.exit_code import ExitCode, code_of
from Heatmap.foreign_text import one_line
from Heatmap.log import configure_logging
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from _typeshed import SupportsWrite

log = logging.getLogger(__name__)

MAX_AFTER_S = 86_400.0

# Name, one line of help, module with `add_arguments(parser)` and `run(namespace) -> int`; loaded only when asked for.
COMMANDS = {
    "collect": ("record liquidations without a screen", "Heatmap.commands.collect"),
    "status": ("show what is recorded", "Heatmap.commands.status"),
    "import": ("bring files into the record", "Heatmap.commands.import_"),
    "export": ("write the record to CSV, Parquet or NPZ, or the map to PNG", "Heatmap.commands.export"),
    "bench": ("measure the map's speed", "Heatmap.commands.bench"),
    "vacuum": ("give the space of deleted liquidations back to the disk", "Heatmap.commands.vacuum"),
    "install-desktop": ("put the program with its icon into the desktop's menu", "Heatmap.commands.install_desktop"),
    "doctor": ("check graphics, web engine, database and endpoints", "Heatmap.commands.doctor"),
}

EXAMPLES = """\
examples:
  heatmap                                live BTCUSDT of Binance USD-M
  heatmap --demo                         a simulated market, no network needed
  heatmap --replay FILE                  recorded forceOrder frames as JSON
  heatmap --demo --screenshot map.png    save a picture and quit; needs no display
  heatmap collect --db liquidations.db   record only

commands (heatmap COMMAND --help lists their options):
"""


class Parser(argparse.ArgumentParser):
    """Parser that raises when its help cannot be written; argparse ignores that."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message:
            (sys.stderr if file is None else file).write(message)


def program_parser() -> argparse.ArgumentParser:
    """Return the parser of ``heatmap`` without a subcommand: the window."""
    commands = "".join(f"  {name:<16}{text}\n" for name, (text, _) in COMMANDS.items())
    parser = Parser(
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
    add_recorder_arguments(parser)
    parser.add_argument("--lang", dest="language", choices=LANGUAGES, help="language of this run")
    parser.add_argument("--screenshot", type=Path, metavar="PNG", help="save the composed window, then quit")
    parser.add_argument("--after", dest="after_s", type=seconds, metavar="SECONDS", help="when to save it (default 10)")
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one of `COMMANDS`, whose module is loaded."""
    text, module_name = COMMANDS[name]
    parser = Parser(prog=f"heatmap {name}", description=f"{text[0].upper()}{text[1:]}.")
    import_module(module_name).add_arguments(parser)
    parser.add_argument("--verbose", action="store_true", help="log more")
    return parser


def seconds(text: str) -> float:
    """Return seconds given on the command line; argparse names this function in its error."""
    value = float(text)
    if not 0 <= value <= MAX_AFTER_S:
        raise argparse.ArgumentTypeError(f"expected 0 to {MAX_AFTER_S} seconds, was {text}")
    return value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return one of `Heatmap.exit_code.ExitCode`."""
    _open_standard_streams()
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has ended, as `head` does.
        _discard(sys.stdout)
        return ExitCode.BROKEN_PIPE
    except OSError as error:
        _discard(sys.stdout)
        _say(f"heatmap: the output cannot be written: {error.strerror or error}.")
        return ExitCode.PROBLEM
    return code


def _run(words: list[str]) -> int:
    if words and words[0] in COMMANDS:
        run: Callable[[argparse.Namespace], int] = import_module(COMMANDS[words[0]][1]).run
        options = _parsed(command_parser(words[0]), words[1:])
    else:
        program = program_parser()
        if words and not words[0].startswith("-"):
            program.error(f"there is no command {words[0]!r}, but {', '.join(sorted(COMMANDS))}")
        run, options = _run_program, _parsed(program, words)
    configure_logging(verbose=options.verbose)
    try:
        return run(options)
    except HeatmapError as error:
        log.debug("details", exc_info=error)
        _say(f"heatmap: {error.short}")
        return code_of(error)


def _parsed(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    try:
        return parser.parse_args(words)
    except SystemExit:
        # Whether help and version could be written shows now.
        sys.stdout.flush()
        raise


def _open_standard_streams() -> None:
    """Open standard streams that were closed at the start: a database must not get the number of one of them."""
    for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115 - stays


def _discard(stream: TextIO) -> None:
    """Discard a stream's buffer, which the interpreter would otherwise fail to write at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _say(sentence: str) -> None:
    """Write a sentence to standard error, if that is possible."""
    try:
        sys.stderr.write(f"{one_line(sentence)}\n")
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def _run_program(options: argparse.Namespace) -> int:
    """Open the window; without a display save a picture of the demo, of a replay, or where one is asked for."""
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
        # Modules and the window are no garbage; looking for some takes a fifth of the start.
        gc.disable()
        stack.callback(gc.enable)
        # Qt is loaded only now: the display must be known before.
        try:
            from Heatmap.app.program import Program, ProgramOptions  # noqa: PLC0415
        except ImportError as error:
            raise GraphicsError(
                f"Qt cannot be loaded: {error}",
                short=f"Qt cannot be loaded: {error}. Install what is named there with your system's packages"
                " (`.ci/setup` in the source lists Debian's).",
            ) from error

        gc.freeze()

        # What is not given gets the default of `ProgramOptions`.
        given = {name: value for name, value in vars(options).items() if value is not None and name != "verbose"}
        return Program(ProgramOptions(**given)).run()
