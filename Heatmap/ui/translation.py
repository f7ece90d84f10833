"""Texts in the languages of the catalogues; numbers, money and durations in each one's format."""

from __future__ import annotations

import logging
import math
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QDateTime, QLocale, QObject, QTimeZone, pyqtSignal

from Heatmap.clock import SYSTEM_CLOCK, utc_text
from Heatmap.errors import SettingsError
from Heatmap.message_catalogue import catalogue
from Heatmap.time_zone import offset_ms, offset_text, zone_named
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from Heatmap.heatmap_settings import HeatmapSettings
    from Heatmap.ui.settings_model import SettingsModel

_LOG = logging.getLogger(__name__)

_MONEY_STEPS: Final = ((1e9, "billion"), (1e6, "million"), (1e3, "thousand"), (1.0, "plain"))
_SECOND_MS: Final = 1000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400
_SHORT_MS: Final = 10


class Translator(QObject):
    """Texts, number formats and time zone for people, which may change while the program runs.

    ``language`` is one of `LANGUAGES`, or ``"auto"`` for the system's (the first where it has no catalogue).
    """

    languageChanged = pyqtSignal()  # the language or the time zone: every text may be another

    def __init__(self, language: str = "auto", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._missing: set[str] = set()
        self.language, self.locale = _resolved(language)
        self._zone_name = "UTC"
        self._offset_ms: Callable[[int], int] = partial(offset_ms, UTC)
        self._follows_zone = True

    def set_language(self, language: str) -> None:
        before = self.language
        self.language, self.locale = _resolved(language)
        if self.language != before:
            self.languageChanged.emit()

    def follow(self, model: SettingsModel, chart_offset_ms: Callable[[int], int] | None = None) -> None:
        """Take language and time zone from the settings, now and whenever they change.

        ``chart_offset_ms`` is what the host of a chart adds to UTC at a moment: then the chart decides on the zone.
        """
        if chart_offset_ms is not None:
            self._offset_ms, self._follows_zone = chart_offset_ms, False
        self._on_settings_changed(model.value)
        model.changed.connect(self._on_settings_changed)

    def offset_ms(self, utc_ms: int) -> int:
        """Return what the time zone adds to UTC at a moment, in ms."""
        return self._offset_ms(utc_ms)

    def zone_label(self, utc_ms: int | None = None) -> str:
        """Return the time zone as it stands beside a time, e.g. ``UTC+1``: at a moment, or now."""
        return offset_text(self.offset_ms(SYSTEM_CLOCK.now_ms() if utc_ms is None else utc_ms))

    def format_clock(self, utc_ms: int) -> str:
        """Return a time of day with its zone, e.g. ``17:08:00 UTC+1``."""
        return f"{utc_text(utc_ms + self.offset_ms(utc_ms), '%H:%M:%S')} {self.zone_label(utc_ms)}"

    def format_moment(self, utc_ms: int, now_ms: int) -> str:
        """Return a time to the minute with its zone, and with its date unless that is today's."""
        here, now = (
            QDateTime.fromMSecsSinceEpoch(each_ms + self.offset_ms(each_ms), QTimeZone.utc())
            for each_ms in (utc_ms, now_ms)
        )
        # 24 hours in every locale, as on the chart.
        form = "HH:mm" if here.date() == now.date() else self.text("tooltip.moment", time="HH:mm")
        return f"{self.locale.toString(here, form)} {self.zone_label(utc_ms)}"

    def has(self, key: str) -> bool:
        return key in catalogue(self.language)

    def text(self, key: str, **values: object) -> str:
        """Return the text for a key with its placeholders filled in.

        A missing key is returned itself, and a text with a missing value is returned unfilled; each is logged once.
        """
        template = catalogue(self.language).get(key)
        if template is None:
            self._log_once(key, "There is no text %r in the %s catalogue.")
            return key
        try:
            return template.format(**values)
        except KeyError:
            self._log_once(key, "A value is missing for the text %r of the %s catalogue.")
            return template

    def format_number(self, value: float, decimals: int = 0) -> str:
        """Return a number with the language's decimal point and group separators."""
        return self.locale.toString(float(value), "f", decimals)

    def format_usd(self, value_usd: float) -> str:
        """Return an amount of US dollars in three significant digits, e.g. ``$12.3M`` or ``12,3 Mio. $``."""
        if not math.isfinite(value_usd):
            return self.text("money.unknown")
        sign = "-" if value_usd < 0 else ""
        amount, unit, decimals = _scaled_money(abs(value_usd))
        return sign + self.text(f"money.{unit}", value=self.format_number(amount, decimals))

    def format_duration(self, seconds: float) -> str:
        """Return a duration in its natural unit: ``12 s``, ``5 min``, ``3 h 20 min``, ``2 d``."""
        whole = max(0, int(seconds))
        if whole < 2 * _MINUTE_S:
            return self.text("duration.seconds", value=whole)
        if whole < 2 * _HOUR_S:
            return self.text("duration.minutes", value=whole // _MINUTE_S)
        if whole < 2 * _DAY_S:
            hours, minutes = divmod(whole // _MINUTE_S, 60)
            if minutes:
                return self.text("duration.hours_minutes", hours=hours, minutes=minutes)
            return self.text("duration.hours", value=hours)
        return self.text("duration.days", value=whole // _DAY_S)

    def format_milliseconds(self, milliseconds: float) -> str:
        """Return a time in milliseconds, below 10 ms with one decimal."""
        decimals = 1 if milliseconds < _SHORT_MS else 0
        return self.text("duration.milliseconds", value=self.format_number(milliseconds, decimals))

    def format_age(self, age_ms: float) -> str:
        """Return an age, e.g. ``12 s ago`` or ``vor 12 s``; a future time is just now."""
        if age_ms < _SECOND_MS:
            return self.text("age.now")
        return self.text("age.past", duration=self.format_duration(age_ms / _SECOND_MS))

    def _on_settings_changed(self, settings: HeatmapSettings, _previous: HeatmapSettings | None = None) -> None:
        before = self.language
        self.language, self.locale = _resolved(settings.language)
        is_new_zone = self._follows_zone and settings.time_zone != self._zone_name
        if is_new_zone:
            self._zone_name = settings.time_zone
            self._offset_ms = partial(offset_ms, _zone(settings.time_zone))
        if is_new_zone or self.language != before:
            self.languageChanged.emit()

    def _log_once(self, key: str, message: str) -> None:
        if key not in self._missing:
            self._missing.add(key)
            _LOG.error(message, key, self.language)


def _resolved(language: str) -> tuple[str, QLocale]:
    if language == "auto":
        system = QLocale.system()
        for code in LANGUAGES:
            if system.language() == _locale(code).language():
                return code, system
        language = LANGUAGES[0]
    return language, _locale(language)


def _zone(name: str) -> tzinfo:
    try:
        return zone_named(name)
    except SettingsError as error:  # the computer has no database of time zones
        _LOG.error("%s Times are shown in UTC.", error)
        return UTC


def _locale(language: str) -> QLocale:
    return QLocale(catalogue(language)["language.locale"])


def _scaled_money(amount: float) -> tuple[float, str, int]:
    """Return the amount in the largest unit in which it is >= 1, that unit, and the number of decimals."""
    # Rounded before it is compared: 999,600 is 1 million in three digits, not 1,000 thousand.
    rounded = float(f"{amount:.3g}")
    factor, unit = next((step for step in _MONEY_STEPS if rounded >= step[0]), _MONEY_STEPS[-1])
    scaled = float(f"{amount / factor:.3g}")
    digits = f"{scaled:.2f}".rstrip("0").partition(".")[2]
    cents = unit == "plain" and digits  # $4.50, never $4.5
    return scaled, unit, 2 if cents else len(digits)
