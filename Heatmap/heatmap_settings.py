"""Declaration of the settings: type, default, range or choices, step, unit and group of every field.

Form, stored form and checks are made from it. The texts of a field are in the catalogues under `FieldSpec.label_key`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, cast, get_args

from Heatmap.errors import SettingsError
from Heatmap.source_choice import CHOICES, choice_text, chosen_sources
from Heatmap.vocabulary import LANGUAGES, PALETTE_NAMES, TIME_ZONES, Normalization, Sides

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from Heatmap.events import Source

Value = bool | int | float | str

Window = Literal["2h", "8h", "2d"]
Decay = Literal["off", "20m", "60m", "6h"]
Trail = Literal["off", "5m", "20m", "60m"]
Resolution = Literal["auto", "manual", "pixels"]
SpotSize = Literal["small", "medium", "large"]

_UNIT_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Kind(StrEnum):
    """Type of a field, by which its editor is chosen."""

    FLAG = "flag"  # bool
    CHOICE = "choice"  # str, one of `FieldSpec.choices`
    SOURCES = "sources"  # str, one or several of `FieldSpec.choices`, see `Heatmap.source_choice`
    INTEGER = "integer"  # int within `minimum` and `maximum`
    NUMBER = "number"  # float within `minimum` and `maximum`


class Group(StrEnum):
    """Section of the form, in the form's order."""

    SWITCH = "switch"  # above all groups
    DISPLAY = "display"
    COLOUR = "colour"
    DATA = "data"
    DRAWING = "drawing"
    RESOLUTION = "resolution"
    GENERAL = "general"


class Unit(StrEnum):
    """Unit of a number; the catalogues have its text."""

    NONE = "none"
    PERCENT = "percent"
    PERCENTILE = "percentile"
    USD = "usd"
    PIXEL = "pixel"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """The declaration of one setting."""

    key: str  # name of the field in `HeatmapSettings`, in the store and in the catalogues
    kind: Kind
    default: Value
    group: Group
    choices: tuple[str, ...] = ()  # the allowed words of a `Kind.CHOICE`, in the form's order
    minimum: float = 0  # of a number, as the maximum included
    maximum: float = 0
    step: float = 1  # what one click on the arrow adds
    unit: Unit = Unit.NONE
    needs: tuple[str, Value] | None = None  # (key, value): no effect unless the other field has that value

    @property
    def label_key(self) -> str:
        """The catalogue key of the short name beside the editor."""
        return f"settings.{self.key}.label"

    @property
    def help_key(self) -> str:
        """The catalogue key of the sentence that explains the field."""
        return f"settings.{self.key}.help"

    def choice_key(self, choice: str) -> str:
        """Return the catalogue key of one choice."""
        return f"settings.{self.key}.choice.{choice}"

    def is_effective(self, settings: HeatmapSettings) -> bool:
        """Return True if the field has an effect under these settings; see `needs`."""
        return self.needs is None or getattr(settings, self.needs[0]) == self.needs[1]

    def checked(self, value: object) -> Value:
        """Return ``value`` in the field's own type, or raise `SettingsError`."""
        if self.kind is Kind.FLAG:
            if isinstance(value, bool):
                return value
            raise self._refusal("expected true or false", value)
        if self.kind is Kind.CHOICE:
            for choice in self.choices:
                if isinstance(value, str) and value == choice:
                    return choice
            raise self._refusal(f"expected one of {', '.join(self.choices)}", value)
        if self.kind is Kind.SOURCES:
            if isinstance(value, str) and (sources := chosen_sources(value)):
                return choice_text(sources)
            raise self._refusal(f"expected one of {', '.join(self.choices)}, or exchanges with + between them", value)
        return self._checked_number(value)

    def parsed(self, raw: object) -> Value:
        """Return a stored value, which may be text, in the field's own type, or raise `SettingsError`."""
        if not isinstance(raw, str) or self.kind in (Kind.CHOICE, Kind.SOURCES):
            return self.checked(raw)
        text = raw.strip().lower()
        if self.kind is Kind.FLAG:
            words = {"true": True, "1": True, "false": False, "0": False}
            return self.checked(words.get(text, raw))
        try:
            number = float(text)
        except ValueError:
            raise self._refusal("expected a number", raw) from None
        return self.checked(number)

    def _checked_number(self, value: object) -> int | float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124 - NaN
            raise self._refusal("expected a number", value)
        # First of all: neither infinity nor an integer of hundreds of digits can be converted.
        if not self.minimum <= value <= self.maximum:
            raise self._refusal(f"expected {self.minimum:,} to {self.maximum:,}", value)
        if self.kind is Kind.INTEGER and value != int(value):
            raise self._refusal("expected a whole number", value)
        return int(value) if self.kind is Kind.INTEGER else float(value)

    def _refusal(self, expected: str, value: object) -> SettingsError:
        return SettingsError(f"Setting {self.key!r}: {expected}, was {value!r}.")


def _flag(group: Group, *, default: bool) -> Any:
    return field(default=default, metadata={"kind": Kind.FLAG, "group": group})


def _choice(group: Group, choices: Iterable[str], *, default: str) -> Any:
    return field(default=default, metadata={"kind": Kind.CHOICE, "group": group, "choices": tuple(choices)})


def _sources(group: Group, *, default: str) -> Any:
    return field(default=default, metadata={"kind": Kind.SOURCES, "group": group, "choices": CHOICES})


def _number(group: Group, minimum: float, maximum: float, *, default: float, **rest: Any) -> Any:
    """Declare a number; a whole default makes it a `Kind.INTEGER`."""
    kind = Kind.INTEGER if isinstance(default, int) else Kind.NUMBER
    return field(
        default=default, metadata={"kind": kind, "group": group, "minimum": minimum, "maximum": maximum, **rest}
    )


_AUTO: Final = ("ceiling_usd", 0)
_MANUAL: Final = ("resolution", "manual")
_PIXELS: Final = ("resolution", "pixels")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapSettings:
    """The user's settings. Always valid: a wrong value raises `SettingsError` at construction.

    The catalogues explain each to users (``settings.NAME.help``).
    """

    enabled: bool = _flag(Group.SWITCH, default=True)

    window: Window = _choice(Group.DISPLAY, get_args(Window), default="8h")  # events are shown so far back from now
    opacity: int = _number(Group.DISPLAY, 0, 100, default=85, step=5, unit=Unit.PERCENT)
    trail: Trail = _choice(Group.DRAWING, get_args(Trail), default="off")  # half-life of the heat to the right
    spot_size: SpotSize = _choice(Group.DRAWING, get_args(SpotSize), default="medium")
    smooth: bool = _flag(Group.DRAWING, default=True)
    gaps: bool = _flag(Group.DISPLAY, default=False)  # times without a record are hatched, too
    coverage_lane: bool = _flag(Group.DISPLAY, default=True)  # what was recorded, in a strip along the lower edge
    candle_sums: bool = _flag(Group.DISPLAY, default=True)  # sums of longs and shorts by bar, above that edge
    profile: bool = _flag(Group.DISPLAY, default=False)  # sums of longs and shorts by price, at the right edge
    bubbles: bool = _flag(Group.DISPLAY, default=True)  # the largest events of the view, in front of the candles
    bubble_count: int = _number(Group.DISPLAY, 1, 50, default=15, needs=("bubbles", True))
    figures: bool = _flag(Group.GENERAL, default=False)  # rates, build time and frames in the status bar
    language: str = _choice(Group.GENERAL, ("auto", *LANGUAGES), default="auto")
    time_zone: str = _choice(Group.GENERAL, TIME_ZONES, default="UTC")  # of all times, where the chart's are UTC

    palette: str = _choice(Group.COLOUR, PALETTE_NAMES, default="long_short")
    normalization: Normalization = _choice(Group.COLOUR, Normalization, default=Normalization.LOG)
    # From this percentile of the window's occupied cells on the colour is full.
    clip_percentile: float = _number(Group.COLOUR, 90, 100, default=99.5, step=0.1, unit=Unit.PERCENTILE, needs=_AUTO)
    # Cells with fewer dollars are not painted; 0: all are.
    floor_usd: int = _number(Group.COLOUR, 0, 1_000_000_000, default=0, step=1000, unit=Unit.USD)
    # From so many dollars per cell on the colour is full; 0: by `clip_percentile`.
    ceiling_usd: int = _number(Group.COLOUR, 0, 1_000_000_000, default=0, step=1000, unit=Unit.USD)
    decay: Decay = _choice(Group.COLOUR, get_args(Decay), default="off")  # half-life of an event's weight by its age

    # "auto" follows the size of the chart, "manual" takes `manual_rows` and `manual_cols` (cells over its height and
    # width), "pixels" `px_per_row` and `px_per_col` (the size of a cell, logical pixels).
    resolution: Resolution = _choice(Group.RESOLUTION, get_args(Resolution), default="auto")
    manual_rows: int = _number(Group.RESOLUTION, 50, 1000, default=300, step=10, needs=_MANUAL)
    manual_cols: int = _number(Group.RESOLUTION, 100, 3000, default=1200, step=50, needs=_MANUAL)
    px_per_row: float = _number(Group.RESOLUTION, 0.5, 20, default=2.5, step=0.1, unit=Unit.PIXEL, needs=_PIXELS)
    px_per_col: float = _number(Group.RESOLUTION, 0.5, 20, default=1.5, step=0.1, unit=Unit.PIXEL, needs=_PIXELS)

    source: str = _sources(Group.DATA, default="binance")  # see `sources`
    sides: Sides = _choice(Group.DATA, get_args(Sides), default="both")
    min_notional_usd: int = _number(Group.DATA, 0, 10_000_000, default=0, step=1000, unit=Unit.USD)

    def __post_init__(self) -> None:
        """Check every field and convert it to its own type."""
        for key, spec in FIELDS.items():
            object.__setattr__(self, key, spec.checked(getattr(self, key)))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources whose events are shown together, at least one."""
        return chosen_sources(self.source)

    def replaced(self, **changes: object) -> HeatmapSettings:
        """Return a copy with some fields changed; an unknown name or a wrong value raises `SettingsError`."""
        for key in changes:
            if key not in FIELDS:
                raise SettingsError(f"There is no setting {key!r}; there are {', '.join(FIELDS)}.")
        return replace(self, **changes)  # type: ignore[arg-type]  # __post_init__ checks the values

    @classmethod
    def from_mapping(cls, stored: Mapping[str, object]) -> tuple[HeatmapSettings, list[str]]:
        """Return settings of stored values, text or typed, and a sentence for each value or name that is not valid.

        Missing and invalid values get their defaults.
        """
        values: dict[str, Value] = {}
        problems = [f"Unknown setting {key!r} is left aside." for key in stored if key not in FIELDS]
        for key, spec in FIELDS.items():
            if key not in stored:
                continue
            try:
                values[key] = spec.parsed(stored[key])
            except SettingsError as error:
                problems.append(f"{error} The default {spec.default!r} is used.")
        return cls().replaced(**values), problems

    def as_mapping(self) -> dict[str, Value]:
        """Return all values by key."""
        return {key: getattr(self, key) for key in FIELDS}


FIELDS: Final[Mapping[str, FieldSpec]] = MappingProxyType(
    {
        item.name: FieldSpec(key=item.name, default=cast("Value", item.default), **item.metadata)
        for item in fields(HeatmapSettings)
    }
)


def window_ms(settings: HeatmapSettings) -> int:
    """Return the length of the shown window in milliseconds."""
    return _span_ms(settings.window)


def decay_half_life_ms(settings: HeatmapSettings) -> int | None:
    """Return the half-life of an event's weight in milliseconds, None if it does not decay."""
    return None if settings.decay == "off" else _span_ms(settings.decay)


def trail_half_life_ms(settings: HeatmapSettings) -> int | None:
    """Return the half-life of the heat to the right of an event in milliseconds, None without a trail."""
    return None if settings.trail == "off" else _span_ms(settings.trail)


def _span_ms(text: str) -> int:
    return int(text[:-1]) * _UNIT_MS[text[-1]]
