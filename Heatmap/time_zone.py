"""Time zones in which times are shown, by the names of the setting ``time_zone``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from Heatmap.errors import SettingsError

LOCAL: Final = "local"
_MINUTE_MS: Final = 60_000


class LocalZone(tzinfo):
    """The time zone of this computer, summer time included. `zoneinfo` has no name for it on every system."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, when: datetime | None) -> timedelta | None:
        del when
        return None  # not needed for `utcoffset`

    def tzname(self, when: datetime | None) -> str | None:
        return None if when is None else when.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, when: datetime) -> datetime:
        # Of the hour that is repeated in autumn, `fromtimestamp` marks the second one (``fold``).
        here = datetime.fromtimestamp(when.replace(tzinfo=UTC).timestamp())  # noqa: DTZ006 - the local time is wanted
        return here.replace(tzinfo=self)


def zone_named(name: str) -> tzinfo:
    """Return the zone ``"UTC"``, ``"local"`` or one of the IANA database; `SettingsError` if there is none."""
    if name == "UTC":
        return UTC
    if name == LOCAL:
        return LocalZone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(
            f"Time zone: expected UTC, local or a name of the IANA database such as 'Europe/Berlin', was {name!r}."
        ) from error


def offset_ms(zone: tzinfo, utc_ms: int) -> int:
    """Return what a zone adds to UTC at a moment, in ms."""
    offset = datetime.fromtimestamp(utc_ms / 1000, zone).utcoffset() or timedelta()
    return offset // timedelta(milliseconds=1)


def offset_text(offset_ms: int) -> str:
    """Return an offset from UTC as it is written beside a time: ``UTC``, ``UTC+1``, ``UTC-3:30``."""
    hours, minutes = divmod(round(abs(offset_ms) / _MINUTE_MS), 60)
    if not (hours or minutes):
        return "UTC"
    sign = "+" if offset_ms > 0 else "-"
    return f"UTC{sign}{hours}:{minutes:02}" if minutes else f"UTC{sign}{hours}"
