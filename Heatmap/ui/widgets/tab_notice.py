"""The notice to the user: what is wrong, why nothing is recorded, or why the map is empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from Heatmap.connection_message import brief_reason, clock_fault, duration
from Heatmap.events import shown_symbols
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from Heatmap.reports import ServiceStatus
    from Heatmap.ui.translation import Translator

NoticeKind = Literal["info", "warning", "problem"]
# By what one can do about it: wait for the first event, have the connection opened at once, look after the page.
NoticeTopic = Literal["first_event", "not_recording", "page", "other"]

# In these states this process records.
AWAITING: Final = frozenset({ConnectionState.CONNECTING, ConnectionState.LIVE, ConnectionState.QUIET})

# Nothing is shown until somebody acts; the others may pass by themselves.
NEEDS_USER: Final = frozenset(
    {"notice.page_given_up", "notice.page_not_reloaded", "notice.turned", "notice.wrong_times", "notice.covered"}
)


@dataclass(frozen=True, slots=True)
class Notice:
    """A text in the user's language and its severity; "" hides the notice."""

    text: str = ""
    kind: NoticeKind = "info"
    topic: NoticeTopic = "other"


def notice_of(
    translator: Translator,
    *,
    now_ms: int,
    has_graphics: bool,
    problem: tuple[str, str],
    missing: tuple[str, str] = ("", ""),
    crashes: int = 0,
    shift_ms: tuple[int, int] = (0, 0),
    events: int | None,
    shown: int | None = None,
    status: ServiceStatus,
) -> Notice:
    """Return the most serious notice at ``now_ms``, since the epoch.

    ``problem`` is why no map can be built: the key of a text, and details in English; both "" if it can. ``missing`` is
    why no heat can be seen on the chart, in the same form; for ``crashes`` see `PageSession`. ``shift_ms``: see
    `BarShift`, and the offset that would be right. ``events`` in the window, ``shown`` of them pass the filters;
    None: unknown.
    """
    text = translator.text
    if not has_graphics:
        return Notice(f"{text('error.no_gl')}\n{text('error.no_gl_cure')}", "problem")
    absence: NoticeKind = "problem" if missing[0] in NEEDS_USER else "warning"
    faults: tuple[tuple[tuple[str, str], NoticeKind, NoticeTopic], ...]
    faults = ((problem, "problem", "other"), (missing, absence, "page"))
    for (key, detail), kind, topic in faults:
        if key:
            return Notice("\n".join(filter(None, (text(key, count=crashes), detail))), kind, topic)
    if said := _recording_fault(translator, status, now_ms):
        return said
    if old := _staleness(translator, status, now_ms):
        return Notice(old, "warning")
    if warning := _time_fault(text, shift_ms, status):
        return Notice(warning, "warning")
    return _absence(translator, events, shown, status, now_ms=now_ms)


def _recording_fault(translator: Translator, status: ServiceStatus, now_ms: int) -> Notice | None:
    """Return why the symbols are not recorded; None if they are, or will be in a moment."""
    if status.reason == "unknown-symbol":
        return Notice(status.detail, "problem")
    if status.interrupted_since_ms is not None and status.reason:  # without one it has only begun
        return Notice(_interruption(translator, status, now_ms), "problem", "not_recording")
    if status.unrecorded:
        return Notice(translator.text("notice.unrecorded", symbols=shown_symbols(status.unrecorded)), "warning")
    return None


def _interruption(translator: Translator, status: ServiceStatus, now_ms: int) -> str:
    """Return since when and why nothing is recorded, and when it is tried again."""
    since_ms = status.interrupted_since_ms or now_ms
    reason = brief_reason(catalogue(translator.language), status)
    sentences = [
        translator.text("notice.not_recording", time=translator.format_moment(since_ms, now_ms), reason=reason)
    ]
    if status.retry_at_ms is not None and status.retry_at_ms > now_ms:
        sentences.append(translator.text("connection.next_attempt", time=translator.format_clock(status.retry_at_ms)))
    return " ".join(sentences)


def _staleness(translator: Translator, status: ServiceStatus, now_ms: int) -> str:
    """Return since when the map gets nothing new from its server, and why; "" if it is up to date."""
    if status.as_of_ms is None:
        return "\n".join((translator.text("notice.no_copy"), status.server_problem)) if status.server_problem else ""
    key = "notice.as_of" if status.server_problem else "notice.as_of_waiting"
    sentence = translator.text(key, time=translator.format_moment(status.as_of_ms, now_ms))
    return "\n".join(filter(None, (sentence, status.server_problem)))


def _absence(
    translator: Translator, events: int | None, shown: int | None, status: ServiceStatus, *, now_ms: int
) -> Notice:
    """Return why the map is empty; no text if it is not."""
    text = translator.text
    if events == 0 and status.last_event_ms is None and status.state in AWAITING:
        since_ms = status.recording_since_ms
        begin = (
            text("notice.recording_since", time=translator.format_moment(since_ms, now_ms))
            if since_ms is not None
            else ""
        )
        return Notice(f"{begin} {text('notice.first_start')}".strip(), topic="first_event")
    if events == 0:
        return Notice(text("notice.empty_window"))
    return Notice(text("notice.all_hidden") if events and shown == 0 else "")


def _time_fault(text: Callable[..., str], shift_ms: tuple[int, int], status: ServiceStatus) -> str:
    """Return what is wrong with the times of the bars, or with the clock; "" if nothing is."""
    if shift_ms[0]:
        key = "notice.bars_ahead" if shift_ms[0] > 0 else "notice.bars_behind"
        return text(key, difference=duration(abs(shift_ms[0])), offset_s=shift_ms[1] // 1000)
    if fault := clock_fault(status):
        clock_key, difference = fault
        return text(clock_key, difference=difference)
    return ""
