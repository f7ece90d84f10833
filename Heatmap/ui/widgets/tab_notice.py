"""The notice above the settings: what is wrong, or why the map is empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from Heatmap.connection_message import clock_fault
from Heatmap.reports import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.reports import ServiceStatus

NoticeKind = Literal["info", "warning", "problem"]

# In these states this process records.
AWAITING: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.LIVE, ConnectionState.QUIET})

# Only the user can load the chart again.
NEEDS_USER: Final = frozenset({"notice.page_given_up", "notice.page_not_reloaded"})


@dataclass(frozen=True, slots=True)
class Notice:
    """A text in the user's language and its severity; "" hides the notice."""

    text: str = ""
    kind: NoticeKind = "info"


def notice_of(
    text: Callable[..., str],
    *,
    has_graphics: bool,
    problem: tuple[str, str],
    missing: tuple[str, str] = ("", ""),
    crashes: int = 0,
    events: int | None,
    status: ServiceStatus,
) -> Notice:
    """Return the most serious notice.

    ``problem`` is why no map can be built: the key of a text, and details in English; both "" if it can. ``missing`` is
    why there is no chart, in the same form; for ``crashes`` see `PageSession`. ``events`` in the window, None: unknown.
    """
    if not has_graphics:
        return Notice(f"{text('error.no_gl')}\n{text('error.no_gl_cure')}", "problem")
    absence: NoticeKind = "problem" if missing[0] in NEEDS_USER else "warning"
    faults: tuple[tuple[tuple[str, str], NoticeKind], ...] = ((problem, "problem"), (missing, absence))
    for (key, detail), kind in faults:
        if key:
            return Notice("\n".join(filter(None, (text(key, count=crashes), detail))), kind)
    if fault := clock_fault(status):
        clock_key, difference = fault
        return Notice(text(clock_key, difference=difference), "warning")
    if events == 0:
        first = status.last_event_ms is None and status.state in AWAITING
        return Notice(text("notice.first_start" if first else "notice.empty_window"))
    return Notice()
