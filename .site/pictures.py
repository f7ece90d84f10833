"""Pictures of the program for the site: `python -P .site/pictures.py FOLDER [NAME …]`, with tests/ on PYTHONPATH.

Each is made by a program of its own against the demo's market, operated as a trader would.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from PyQt6.QtWidgets import QWidget
    from visitor import Visitor

HOUR_MS: Final = 3_600_000
WIDE: Final = (1500, 760)


class Picture(NamedTuple):
    """What a picture shows."""

    caption: str
    operate: Callable[[Visitor], None]
    size: tuple[int, int] | None = None  # None: as the program starts
    language: str = "en"
    venues: bool = False  # four exchanges instead of the demo's own


def default(at: Visitor) -> None:
    """Nothing is operated."""


def bubbles(at: Visitor) -> None:
    """Two days, with the profile."""
    at.settings.update(window="2d", bubbles=True, profile=True)
    at.wait_for_hours(20)


def legend(at: Visitor) -> None:
    """The floor is moved up."""
    at.settings.update(bubbles=False, floor_usd=60_000)


def largest(at: Visitor) -> None:
    """The list, by size; the first is clicked."""
    at.trader.open_list()
    at.trader.show_largest()
    at.settle()
    at.trader.click_row(0)


def replay(at: Visitor) -> None:
    """The replay, some hours back."""
    at.trader.click_tool("replay")
    at.trader.drag_time_line(-3 * HOUR_MS)


def german(at: Visitor) -> None:
    """The settings are open."""
    at.trader.click_tool("settings_toggle")


def area(at: Visitor) -> None:
    """A rectangle around the largest liquidation of the last hours."""
    time_ms, price = at.largest()
    middle, height = at.trader.x_of(time_ms), at.trader.viewport.y_px(price)
    at.trader.drag_area((middle - 90, height - 70), (middle + 70, height + 60))


def card(at: Visitor) -> None:
    """The mouse rests on the heat of the largest liquidation."""
    at.settings.update(source="all", bubbles=False)
    at.settle()
    time_ms, price = at.largest()
    at.trader.rest_on(at.trader.x_of(time_ms), at.trader.viewport.y_px(price))


def gap(at: Visitor) -> None:
    """Times that nobody recorded are hatched."""
    at.settings.update(gaps=True, bubbles=False)


PICTURES: Final[dict[str, Picture]] = {
    "default": Picture(
        "The window as it opens: amber is liquidated longs, blue liquidated shorts, bubbles are the largest. "
        "Along the lower edge: dollars per candle, and below them the lane that says what was recorded.",
        default,
    ),
    "bubbles": Picture(
        "Two days, with the profile on: dollars of longs and shorts at each price, at the right edge. "
        "Of bubbles that would overlap, the largest is drawn; zoom in for the others.",
        bubbles,
        WIDE,
    ),
    "legend": Picture(
        "The legend is a histogram and a filter: its left handle was moved to $60K, smaller cells are hidden, and the "
        "legend says how many.",
        legend,
    ),
    "list": Picture(
        "The list of liquidations, by size. A click scrolled the chart to the largest one.", largest, (1300, 650)
    ),
    "area": Picture("Shift and drag: what was liquidated in this time at these prices.", area, (1300, 650)),
    "replay": Picture("A replay: the map, its sums and the list know nothing later than the time in the bar.", replay),
    "german": Picture("In German, with the settings open.", german, (1300, 650), language="de"),
    "venues": Picture(
        "Four exchanges in one map. Binance reports prices of fills, which lie on the candles; Bybit, OKX and Gate "
        "report bankruptcy prices, which lie beyond them. The card says which.",
        card,
        (1300, 650),
        venues=True,
    ),
    "gap": Picture(
        "Nobody recorded for 90 minutes: the lane is red there, and the times are hatched if you want it. Nothing is "
        "known of them, which is not the same as nothing happened.",
        gap,
        venues=True,
    ),
    "light": Picture(
        "In a program with light colours. Window, toolbar and page are its own; the heat, the settings tab and the row "
        "in the status bar are Heatmap's.",
        default,
        (1300, 650),
    ),
}


def main(folder: Path, names: list[str]) -> int:
    """Make the pictures, each in a process and with a home of its own; return the number of those that failed."""
    from Heatmap.app.virtual_display import virtual_display  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    with virtual_display():
        for name in names or PICTURES:
            with tempfile.TemporaryDirectory() as home:
                environment = os.environ | dict.fromkeys(("XDG_DATA_HOME", "XDG_CONFIG_HOME"), home)
                command = [sys.executable, "-P", __file__, "--one", name, str(folder / f"{name}.png"), home]
                done = subprocess.run(  # noqa: S603 - this file
                    command, env=environment, capture_output=True, text=True, timeout=300, check=False
                )
            sys.stdout.write(f"{name}: {'made' if done.returncode == 0 else 'FAILED'}\n")
            sys.stdout.flush()
            if done.returncode:
                failed.append(name)
                sys.stderr.write(done.stderr)
    return len(failed)


def make_one(name: str, path: Path, home: Path) -> int:
    """Run a program and save its picture; return its exit code."""
    sys.path.insert(0, str(Path(__file__).parent))
    from light_host import run_light_host  # noqa: PLC0415
    from visitor import Visitor, four_venues  # noqa: PLC0415

    from Heatmap.app.program import Program, ProgramOptions  # noqa: PLC0415
    from Heatmap.storage.database import database_of  # noqa: PLC0415

    picture = PICTURES[name]
    made: list[str] = []

    def visit(window: QWidget) -> None:
        try:
            at = Visitor(window, db_path)
            if picture.size is not None:
                window.resize(*picture.size)
            at.settle()
            picture.operate(at)
            at.settle()
            at.save(path, mark=picture.venues)
            made.append(name)
        finally:
            window.close()

    with ExitStack() as stack:
        db_path = home / "record.sqlite3"
        if name == "light":
            code = run_light_host(db_path, visit)
        else:
            market = stack.enter_context(four_venues(db_path, gap=name == "gap")) if picture.venues else {"demo": True}
            options = ProgramOptions(db=database_of(db_path), language=picture.language, **market)
            code = Program(options, on_shown=visit).run()
    return code or not made


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        sys.exit(make_one(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
