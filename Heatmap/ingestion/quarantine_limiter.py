"""How many undecodable frames are kept: enough to mend the decoder, too few to fill a disk. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

KEPT_PER_KIND: Final = 50
"""Frames of one kind that are kept within `PERIOD_S`; the others are only counted."""

PERIOD_S: Final = 3600.0
"""Length of a period, in seconds."""


@dataclass(slots=True)
class RejectionLimit:
    """Decides frame by frame; the kinds are the decoder's own few words."""

    kept_per_kind: int = KEPT_PER_KIND
    period_s: float = PERIOD_S
    _kept: dict[str, int] = field(default_factory=dict)
    _since_s: float | None = None

    def keeps(self, kind: str, now_s: float) -> bool:
        """Note a frame of a kind at ``now_s`` (monotonic seconds); return whether it is to be kept."""
        if self._since_s is None or now_s - self._since_s >= self.period_s:
            self._since_s = now_s
            self._kept.clear()
        kept = self._kept.get(kind, 0)
        self._kept[kind] = kept + 1
        return kept < self.kept_per_kind
