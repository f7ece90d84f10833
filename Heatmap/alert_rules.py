"""Rules that make alerts of new liquidations: by size, and by bursts against a baseline. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from Heatmap.errors import SettingsError

if TYPE_CHECKING:
    from Heatmap.events import LiquidationEvent

EVERY_SYMBOL: Final = ""
"""Key of the rules for all symbols that have none of their own."""

# An event older than this when it is delivered is history: a file that was locked, a back-fill, a machine that slept.
MAX_AGE_MS: Final = 60_000
# The time before a burst's window from which the usual rate is taken.
BASELINE_MS: Final = 900_000
# So many times the last one is reported at once, however short ago that was.
_BREAKS_THROUGH: Final = 2
_DAY_MIN: Final = 1440

Minute = Annotated[int, Meta(ge=0, lt=_DAY_MIN)]


class SymbolRules(msgspec.Struct, frozen=True, kw_only=True):
    """What is reported of one symbol; off by default."""

    size: bool = False  # a single liquidation of at least `size_usd`
    size_usd: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 1_000_000
    # At least `burst_least_*` within `burst_s`, and at least `burst_factor` times what is usual in that time.
    burst: bool = False
    burst_by: Literal["usd", "count"] = "usd"
    burst_s: Annotated[int, Meta(ge=5, le=600)] = 60
    burst_factor: Annotated[int, Meta(ge=1, le=1000)] = 5
    burst_least_usd: Annotated[int, Meta(ge=1_000, le=1_000_000_000)] = 2_000_000
    burst_least_count: Annotated[int, Meta(ge=2, le=10_000)] = 20

    @property
    def is_active(self) -> bool:
        """True if anything is reported."""
        return self.size or self.burst


class AlertSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The user's choices about alerts. Without a rule nothing is reported."""

    sound: bool = True
    notification: bool = True
    pause_s: Annotated[int, Meta(ge=1, le=3600)] = 10  # shortest time between two alerts of one kind and symbol
    quiet: bool = False  # nothing is reported from `quiet_from_min` to `quiet_to_min`, minutes of the local day
    quiet_from_min: Minute = 22 * 60
    quiet_to_min: Minute = 7 * 60
    rules: dict[str, SymbolRules] = {}

    @property
    def is_active(self) -> bool:
        """True if any rule is on."""
        return any(rules.is_active for rules in self.rules.values())

    def key_of(self, symbol: str) -> str:
        """Return the key of the rules that a symbol has."""
        return symbol if symbol in self.rules else EVERY_SYMBOL

    def rules_of(self, symbol: str) -> SymbolRules:
        """Return the rules of a symbol: its own, or those of all."""
        return self.rules.get(self.key_of(symbol), SymbolRules())

    def is_quiet_at(self, minute: int) -> bool:
        """Return True if a minute of the local day lies in the quiet hours; equal ends are the whole day."""
        if not self.quiet:
            return False
        # From the beginning of the quiet hours on, round the clock.
        return (minute - self.quiet_from_min) % _DAY_MIN < (
            (self.quiet_to_min - self.quiet_from_min) % _DAY_MIN or _DAY_MIN
        )

    def replaced(self, **changes: object) -> AlertSettings:
        """Return a copy with some fields changed; `SettingsError` if a value is out of its range."""
        return checked(msgspec.structs.replace(self, **changes))

    def to_text(self) -> str:
        """Return the settings as JSON."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_text(cls, text: str) -> AlertSettings:
        """Return settings of JSON; `SettingsError` if it is damaged or a value is out of its range."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
            raise SettingsError(f"expected the settings of alerts as JSON, was {text[:100]!r}: {error}") from error


def checked(settings: AlertSettings) -> AlertSettings:
    """Return the settings if every value is within its range, else raise `SettingsError`."""
    try:
        return msgspec.convert(msgspec.to_builtins(settings), AlertSettings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings of alerts: {error}") from error


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert: a large liquidation, or a burst."""

    kind: Literal["size", "burst"]
    symbol: str
    ts_ms: int  # of the last event, ms since the epoch
    is_long: bool  # of the last event: a long was liquidated
    price: float  # of the last event
    count: int  # 1, or the number of events in the burst's window
    usd: float  # their sum
    long_usd: float  # and what of it was longs
    span_s: int = 0  # length of the burst's window
    more: int = 0  # alerts of this kind and symbol that were left out since the last one


@dataclass(slots=True)
class _Past:
    """Sums of one symbol's recent past, exact: the window event by event, the baseline by seconds. Money in cents."""

    span_ms: int
    since_ms: int  # nothing is known of the time before
    now_ms: int = 0
    window: deque[tuple[int, int, bool]] = field(default_factory=deque)  # (time, cents, is long)
    cents: int = 0
    long_cents: int = 0
    base: deque[list[int]] = field(default_factory=deque)  # [second, number, cents]
    base_count: int = 0
    base_cents: int = 0

    def add(self, at_ms: int, cents: int, *, is_long: bool) -> None:
        self.now_ms = max(self.now_ms, at_ms)  # the exchange does not push by trade time
        self.window.append((self.now_ms, cents, is_long))
        self.cents += cents
        self.long_cents += cents if is_long else 0
        while self.window[0][0] <= self.now_ms - self.span_ms:
            self._leave(*self.window.popleft())
        while self.base and self.base[0][0] * 1000 < self.now_ms - self.span_ms - BASELINE_MS:
            _, count, old_cents = self.base.popleft()
            self.base_count -= count
            self.base_cents -= old_cents

    def expected(self, amount: int) -> float | None:
        """Return what is usual in a window by an amount of the baseline, None before that is known."""
        known_ms = min(self.now_ms - self.span_ms - self.since_ms, BASELINE_MS)
        return None if known_ms < self.span_ms else amount / known_ms * self.span_ms

    def _leave(self, at_ms: int, cents: int, is_long: bool) -> None:
        self.cents -= cents
        self.long_cents -= cents if is_long else 0
        second = at_ms // 1000
        if not self.base or self.base[-1][0] != second:
            self.base.append([second, 0, 0])
        self.base[-1][1] += 1
        self.base[-1][2] += cents
        self.base_count += 1
        self.base_cents += cents


@dataclass(slots=True)
class _Last:
    at_ms: int
    usd: float
    left_out: int = 0


class AlertRules:
    """Makes alerts of a sequence of events, each given once, by the user's settings; for one thread at a time.

    Bursts are known from two windows after their rule was set on, for before that nothing says what is usual.
    """

    def __init__(self, settings: AlertSettings, now_ms: int) -> None:
        self._settings = AlertSettings()
        self._since_ms: dict[tuple[str, int], int] = {}
        self._pasts: dict[tuple[str, int], _Past] = {}
        self._last: dict[tuple[str, str], _Last] = {}
        self.too_old = 0  # events that were not looked at because of their age
        self.set_settings(settings, now_ms)

    def set_settings(self, settings: AlertSettings, now_ms: int) -> None:
        """Change the settings; the baseline of a rule that stays on, with the same window, is kept."""
        self._settings = settings
        rules = {(key, rules.burst_s) for key, rules in settings.rules.items() if rules.burst}
        self._since_ms = {key: self._since_ms.get(key, now_ms) for key in rules}
        self._pasts = {
            (symbol, span_s): past
            for (symbol, span_s), past in self._pasts.items()
            if past.since_ms == self._since_ms.get((settings.key_of(symbol), span_s))
        }

    def take(self, event: LiquidationEvent, now_ms: int) -> list[Alert]:
        """Return the alerts that an event gives at ``now_ms`` by the exchange's clock, ms since the epoch."""
        if now_ms - event.ts_ms > MAX_AGE_MS:
            self.too_old += 1
            return []
        rules = self._settings.rules_of(event.symbol)
        at_ms = min(event.ts_ms, now_ms)
        past = self._add_to_past(event, at_ms, rules) if rules.burst else None
        found = []
        if rules.size and event.notional >= rules.size_usd:
            long_usd = event.notional if event.is_long else 0.0
            found.append(_alert("size", event, count=1, usd=event.notional, long_usd=long_usd))
        if past is not None and _is_burst(past, rules):
            found.append(
                _alert(
                    "burst",
                    event,
                    count=len(past.window),
                    usd=past.cents / 100,
                    long_usd=past.long_cents / 100,
                    span_s=rules.burst_s,
                )
            )
        return [limited for alert in found if (limited := self._limited(alert, at_ms, rules)) is not None]

    def _add_to_past(self, event: LiquidationEvent, at_ms: int, rules: SymbolRules) -> _Past:
        key = event.symbol, rules.burst_s
        past = self._pasts.get(key)
        if past is None:
            since_ms = self._since_ms[self._settings.key_of(event.symbol), rules.burst_s]
            past = self._pasts[key] = _Past(rules.burst_s * 1000, since_ms)
        past.add(at_ms, round(event.notional * 100), is_long=event.is_long)
        return past

    def _limited(self, alert: Alert, at_ms: int, rules: SymbolRules) -> Alert | None:
        """Return the alert with the number of those left out before it, None if it is left out itself."""
        pause_s = self._settings.pause_s
        if alert.kind == "burst":
            pause_s = max(pause_s, rules.burst_s)  # the windows overlap
        last = self._last.get((alert.symbol, alert.kind))
        if last is not None and at_ms - last.at_ms < pause_s * 1000 and alert.usd < _BREAKS_THROUGH * last.usd:
            last.left_out += 1
            return None
        self._last[alert.symbol, alert.kind] = _Last(at_ms, alert.usd)
        if last is None or not last.left_out:
            return alert
        return Alert(
            alert.kind, alert.symbol, alert.ts_ms, alert.is_long, alert.price, alert.count, alert.usd, alert.long_usd,
            alert.span_s, last.left_out,
        )  # fmt: skip


def _alert(
    kind: Literal["size", "burst"], event: LiquidationEvent, *, count: int, usd: float, long_usd: float, span_s: int = 0
) -> Alert:
    return Alert(kind, event.symbol, event.ts_ms, event.is_long, event.price, count, usd, long_usd, span_s)


def _is_burst(past: _Past, rules: SymbolRules) -> bool:
    if rules.burst_by == "usd":
        amount, least, usual = past.cents, rules.burst_least_usd * 100, past.expected(past.base_cents)
    else:
        amount, least, usual = len(past.window), rules.burst_least_count, past.expected(past.base_count)
    return usual is not None and amount >= least and amount >= rules.burst_factor * usual
