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

# Nothing is shown until somebody acts; the others may pass by themselves.
NEEDS_USER: Final = frozenset(
    {"notice.page_given_up", "notice.page_not_reloaded", "notice.turned", "notice.wrong_times", "notice.covered"}
)
_HOUR_MS: Final = 3_600_000


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
    shift_ms: tuple[int, int] = (0, 0),
    events: int | None,
    shown: int | None = None,
    status: ServiceStatus,
) -> Notice:
    """Return the most serious notice.

    ``problem`` is why no map can be built: the key of a text, and details in English; both "" if it can. ``missing`` is
    why no heat can be seen on the chart, in the same form; for ``crashes`` see `PageSession`. ``shift_ms``: see
    `BarShift`, and the offset that would be right. ``events`` in the window, ``shown`` of them pass the filters;
    None: unknown.
    """
    if not has_graphics:
        return Notice(f"{text('error.no_gl')}\n{text('error.no_gl_cure')}", "problem")
    absence: NoticeKind = "problem" if missing[0] in NEEDS_USER else "warning"
    faults: tuple[tuple[tuple[str, str], NoticeKind], ...] = ((problem, "problem"), (missing, absence))
    for (key, detail), kind in faults:
        if key:
            return Notice("\n".join(filter(None, (text(key, count=crashes), detail))), kind)
    if status.reason == "unknown-symbol":
        return Notice(status.detail, "problem")
    if warning := _time_fault(text, shift_ms, status):
        return Notice(warning, "warning")
    return Notice(text(key) if (key := _absence(events, shown, status)) else "")


def _absence(events: int | None, shown: int | None, status: ServiceStatus) -> str:
    """Return the key of a text on why the map is empty; "" if it is not."""
    if events == 0:
        first = status.last_event_ms is None and status.state in AWAITING
        return "notice.first_start" if first else "notice.empty_window"
    return "notice.all_hidden" if events and shown == 0 else ""


def _time_fault(text: Callable[..., str], shift_ms: tuple[int, int], status: ServiceStatus) -> str:
    """Return what is wrong with the times of the bars, or with the clock; "" if nothing is."""
    if shift_ms[0]:
        hours = f"{abs(shift_ms[0]) / _HOUR_MS:g}"
        key = "notice.bars_ahead" if shift_ms[0] > 0 else "notice.bars_behind"
        return text(key, hours=hours, offset_s=shift_ms[1] // 1000)
    if fault := clock_fault(status):
        clock_key, difference = fault
        return text(clock_key, difference=difference)
    return ""
