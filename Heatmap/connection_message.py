"""State of the connection in words, for the status bar and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from Heatmap.clock import utc_text
from Heatmap.events import Source
from Heatmap.reports import FLOWING, ConnectionState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from Heatmap.reports import ServiceStatus

WRONG_CLOCK_MS: Final = 2000.0  # clock offset from which on it is shown
_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))

# Not called live, for it is not real.
_UNREAL: Final[Mapping[str, str]] = {Source.DEMO: "connection.simulated", Source.REPLAY: "connection.replayed"}
_HAVE_A_REASON: Final = frozenset({ConnectionState.DOWN, ConnectionState.SILENT, ConnectionState.CONNECTING})


@dataclass(frozen=True, slots=True)
class ConnectionText:
    """A headline of some words, and whole sentences."""

    headline: str
    sentences: tuple[str, ...]


def _utc(time_ms: int) -> str:
    return utc_text(time_ms, "%H:%M:%S UTC")


def connection_text(
    texts: Mapping[str, str], status: ServiceStatus, source: str, *, clock_text: Callable[[int], str] = _utc
) -> ConnectionText:
    """Return the text for a status; simulated and replayed sources are not called live.

    ``texts`` is one of `Heatmap.message_catalogue.catalogue`; ``clock_text`` writes a time of day with its zone.
    """
    unreal = _UNREAL.get(source) if status.state in FLOWING else None
    headline = texts[unreal or f"connection.state.{status.state.value}"]
    sentences = [texts[f"connection.help.{status.state.value}"]]
    if status.reason and status.state in _HAVE_A_REASON:
        if status.state is not ConnectionState.CONNECTING:
            headline = texts["status.connection_with_reason"].format(state=headline, reason=brief_reason(texts, status))
        sentences.append(texts[f"connection.reason.{_known_reason(texts, status)}"])
    if status.detail:
        sentences.append(status.detail)
    if status.retry_at_ms is not None and status.state not in FLOWING:
        sentences.append(texts["connection.next_attempt"].format(time=clock_text(status.retry_at_ms)))
    if fault := clock_fault(status):
        key, difference = fault
        sentences.append(texts[key].format(difference=difference))
    if status.state in FLOWING and status.latency_ms is not None:
        sentences.append(texts["connection.latency"].format(latency=f"{status.latency_ms:.0f}"))
    return ConnectionText(headline, tuple(sentences))


def brief_reason(texts: Mapping[str, str], status: ServiceStatus) -> str:
    """Return why there is no connection, in a few words."""
    return texts[f"connection.brief.{_known_reason(texts, status)}"]


def _known_reason(texts: Mapping[str, str], status: ServiceStatus) -> str:
    return status.reason if f"connection.brief.{status.reason}" in texts else "unknown"


def clock_fault(status: ServiceStatus) -> tuple[str, str] | None:
    """Return the key of a sentence and its ``difference`` if this machine's clock is wrong, else None."""
    offset_ms = status.clock_offset_ms
    if offset_ms is None or abs(offset_ms) < WRONG_CLOCK_MS:
        return None
    key = "connection.clock_behind" if offset_ms > 0 else "connection.clock_ahead"
    return key, duration(round(abs(offset_ms), -3))


def clock_line(offset_ms: float, uncertainty_ms: float) -> str:
    """Return a `Heatmap.reports.ClockReading` in words, for the log."""
    doubt = f"(± {uncertainty_ms:.0f} ms)"
    difference_ms = round(abs(offset_ms))
    if not difference_ms:
        return f"this machine's clock agrees with the exchange's {doubt}"
    how = "behind" if offset_ms > 0 else "ahead of"
    difference = f"{difference_ms} ms" if difference_ms < WRONG_CLOCK_MS else duration(round(difference_ms, -3))
    return f"this machine's clock is {difference} {how} the exchange's {doubt}"


def duration(length_ms: float) -> str:
    """Return a length of time in its two largest units, e.g. ``"3 d 4 h"``."""
    left_ms = int(length_ms)
    parts: list[tuple[int, str]] = []
    for unit, unit_ms in _UNITS:
        parts.append((left_ms // unit_ms, unit))
        left_ms %= unit_ms
    first = next((index for index, (number, _) in enumerate(parts) if number), len(parts) - 1)
    shown = [f"{number} {unit}" for number, unit in parts[first : first + 2] if number]
    return " ".join(shown) or "0 s"
