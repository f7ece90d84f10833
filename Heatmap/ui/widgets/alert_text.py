"""The line that an alert is for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from Heatmap.events import Source

if TYPE_CHECKING:
    from Heatmap.alert_rules import Alert
    from Heatmap.ui.translation import Translator

_PRICE_DIGITS: Final = 7
_MOST_DECIMALS: Final = 8


def alert_line(alert: Alert, translator: Translator, source: str) -> str:
    """Return symbol, side, dollars and price, or a burst's count and sum; a simulated one is called so."""
    words = translator
    if alert.kind == "size":
        key = "alerts.size_long" if alert.is_long else "alerts.size_short"
        price = words.format_number(alert.price, _decimals(alert.price))
        line = words.text(key, symbol=alert.symbol, usd=words.format_usd(alert.usd), price=price)
    else:
        line = words.text(
            "alerts.burst_line",
            symbol=alert.symbol,
            count=words.format_number(alert.count),
            usd=words.format_usd(alert.usd),
            span=words.format_duration(alert.span_s),
            long=words.format_usd(alert.long_usd),
            short=words.format_usd(alert.usd - alert.long_usd),
        )
    if alert.more:
        line = f"{line} {words.text('alerts.more', count=words.format_number(alert.more))}"
    return line if source != Source.DEMO else f"{words.text('alerts.simulated')} {line}"


def _decimals(price: float) -> int:
    """Return the decimals of a price in seven digits."""
    return min(max(_PRICE_DIGITS - 1 - math.floor(math.log10(price)), 0), _MOST_DECIMALS)
