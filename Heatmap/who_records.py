"""Who records instead of this program, as sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from Heatmap.clock import utc_text
from Heatmap.events import shown_symbols

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.reports import LockHolder


def who_records(holder: LockHolder | None, unrecorded: Sequence[str] = (), *, takes_over: bool) -> str:
    """Return who records and, if this program waits for that, what follows; ``unrecorded`` are its own symbols."""
    follows = " This one takes over when that one ends." if takes_over else ""
    if holder is None:
        return f"Another program records into this database.{follows}" if takes_over else ""
    sentence = (
        f"Another program records {shown_symbols(holder.symbols)} into this database: process {holder.pid} on"
        f" {holder.host}, since {utc_text(holder.started_ms)}.{follows}"
    )
    if holder.is_silent and takes_over:
        sentence += " It has stopped reporting: if it hangs, nobody records until that process is ended."
    if unrecorded:
        sentence += f" Nobody records {shown_symbols(unrecorded)} meanwhile."
    return sentence
