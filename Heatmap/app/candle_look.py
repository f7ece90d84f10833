"""How the program's candles are drawn: bodies and colours, as options of the chart library's series."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Body(StrEnum):
    """What a candle's body lets through while the heat is shown; without heat, bodies are solid."""

    HOLLOW = "hollow"
    TRANSLUCENT = "translucent"
    SOLID = "solid"


class Colours(StrEnum):
    """Colours of rising and falling candles."""

    GREEN_RED = "green_red"
    BLUE_ORANGE = "blue_orange"


# Rising, falling; sRGB.
COLOURS: Final[Mapping[Colours, tuple[str, str]]] = MappingProxyType(
    {Colours.GREEN_RED: ("#26a69a", "#ef5350"), Colours.BLUE_ORANGE: ("#4aa3ff", "#ff7f2a")}
)
# Hexadecimal alpha of a body, of its border, and of both where a candle is so narrow that it is all border.
_ALPHAS: Final = MappingProxyType(
    {Body.HOLLOW: ("00", "ff", "80"), Body.TRANSLUCENT: ("40", "ff", "a0"), Body.SOLID: ("ff", "ff", "ff")}
)


@dataclass(frozen=True, slots=True)
class CandleLook:
    """The user's choice."""

    # A tinted body would change the colour of the heat in it, which the legend explains.
    body: Body = Body.HOLLOW
    colours: Colours = Colours.GREEN_RED


@dataclass(frozen=True, slots=True)
class SeriesColours:
    """Colours for the page: of rising and falling candles, and the series' options for wide and for narrow ones."""

    up: str
    down: str
    wide: Mapping[str, str]
    narrow: Mapping[str, str]


def series_colours(look: CandleLook, *, heat_is_shown: bool) -> SeriesColours:
    """Return how to draw the candles; without heat they are solid."""
    body, border, narrow = _ALPHAS[look.body if heat_is_shown else Body.SOLID]
    up, down = COLOURS[look.colours]
    return SeriesColours(up, down, _options(up, down, body, border), _options(up, down, narrow, narrow))


def _options(up: str, down: str, body: str, border: str) -> dict[str, str]:
    """Return options of a candlestick series of Lightweight Charts."""
    options: dict[str, str] = {}
    for side, colour in (("Up", up), ("Down", down)):
        options |= {
            f"{side.lower()}Color": colour + body,
            f"border{side}Color": colour + border,
            f"wick{side}Color": colour + border,
        }
    return options
