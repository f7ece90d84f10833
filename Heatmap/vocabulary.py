"""Names and limits that several packages share. Imports nothing of this package, neither NumPy nor Qt.

To add a palette, name it here and define it in `Heatmap.aggregation.palettes`. To add a language, name it here and
write ``Heatmap/translations/NAME.toml``.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Sides = Literal["both", "long", "short"]  # which liquidations are shown, by the positions that they closed
ListOrder = Literal["latest", "largest"]  # which liquidations a list shows first
LegendPlace = Literal["auto", "off", "top-left", "top-right", "bottom-left", "bottom-right"]  # on the chart's pane
PALETTE_NAMES: Final = ("fire", "ice", "viridis", "cividis", "grey", "long_short")  # in the order of the settings
LANGUAGES: Final = ("en", "de")  # with a catalogue; the first is used where the system's language has none
# Zones in which times can be shown, from west to east; "local" is the computer's.
TIME_ZONES: Final = (
    "UTC", "local",
    "America/Los_Angeles", "America/Chicago", "America/New_York", "America/Sao_Paulo",
    "Europe/London", "Europe/Berlin", "Europe/Istanbul", "Asia/Dubai", "Asia/Kolkata", "Asia/Singapore",
    "Asia/Hong_Kong", "Asia/Shanghai", "Asia/Tokyo", "Asia/Seoul", "Australia/Sydney",
)  # fmt: skip

# A chart fitted to the window shows up to so much more than it on the left, logical pixels: no line and no older heat.
FITTED_PX: Final = 24.0

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS

# Candle intervals of the exchange that divide a UTC day, with their lengths in ms.
INTERVALS_MS: Final[Mapping[str, int]] = MappingProxyType(
    {
        **{f"{minutes}m": minutes * _MINUTE_MS for minutes in (1, 3, 5, 15, 30)},
        **{f"{hours}h": hours * _HOUR_MS for hours in (1, 2, 4, 6, 8, 12)},
        "1d": 24 * _HOUR_MS,
    }
)


class Normalization(StrEnum):
    """How a value in dollars becomes a colour level between empty and full colour."""

    LINEAR = "linear"
    SQRT = "sqrt"
    LOG = "log"
    RANK = "rank"
