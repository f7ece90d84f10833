"""What the program's chart page shows: the message in which it says so, checked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from Heatmap.errors import BridgeError
from Heatmap.ui.page.message import decode

_Logical = Annotated[float, Meta(ge=-1e9, le=1e9)]


class VisibleRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Positions of the pane's edges in the page's bars: bar i has its middle at i; the page has ``bars`` of them.

    ``version``: number of the bars' last message, which positions count from. Positions beyond the bars are possible.
    """

    from_: _Logical = msgspec.field(name="from")
    to: _Logical
    bars: Annotated[int, Meta(ge=1, le=10_000_000)]
    version: Annotated[int, Meta(ge=0, le=1 << 40)]

    @property
    def has_newest(self) -> bool:
        """True if the last bar lies between the edges."""
        return self.from_ <= self.bars - 1 <= self.to


def parse_visible_range(text: str) -> VisibleRange:
    """Return the visible range in a message of the page; a malformed or empty one raises `BridgeError`."""
    shown = decode(text, VisibleRange)
    if not shown.from_ < shown.to:
        raise BridgeError(f"expected a visible range of positive width, was {text[:200]!r}")
    return shown
