"""Charts of the benchmark's page as PNG, drawn by Pillow: bars, and lines over logarithmic axes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

WIDTH_PX: Final = 900
# Twice as many pixels as the page shows, for dense screens.
_SCALE: Final = 2
_GROUND: Final = (255, 255, 255)
_INK: Final = (36, 41, 47)
_FAINT: Final = (216, 222, 228)
_OURS: Final = ((207, 74, 14), (240, 150, 60), (250, 196, 120))
_OTHERS: Final = ((9, 105, 218), (84, 140, 190), (130, 80, 223), (110, 119, 129), (26, 127, 55))
_ROW_PX: Final = 26
_TITLE_PX: Final = 40
_LABELS_PX: Final = 250
_FIGURES_PX: Final = 110


def number_text(value: float) -> str:
    """Return a number with two or three significant digits."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2  # noqa: PLR2004
    return f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: label, value, and whether it is ours."""

    label: str
    value: float
    is_ours: bool


class _Sheet:
    def __init__(self, height_px: int, title: str) -> None:
        self.image = Image.new("RGB", (WIDTH_PX * _SCALE, height_px * _SCALE), _GROUND)
        self.draw = ImageDraw.Draw(self.image)
        self.text((16, 20), title, size_px=16)

    def text(self, at: tuple[float, float], text: str, *, anchor: str = "lm", size_px: int = 13) -> None:
        font = ImageFont.load_default(size_px * _SCALE)
        self.draw.text((at[0] * _SCALE, at[1] * _SCALE), text, fill=_INK, font=font, anchor=anchor)

    def box(self, box: tuple[float, float, float, float], color: tuple[int, int, int]) -> None:
        self.draw.rectangle([value * _SCALE for value in box], fill=color)

    def line(self, points: Sequence[tuple[float, float]], color: tuple[int, int, int], width_px: float = 1.0) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self.draw.line(scaled, fill=color, width=round(width_px * _SCALE), joint="curve")

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.quantize(64).save(path, optimize=True)


def draw_bars(path: Path, title: str, groups: Mapping[str, Sequence[Bar]], unit: str) -> None:
    """Draw groups of horizontal bars over one linear axis from 0."""
    rows = sum(len(bars) for bars in groups.values())
    sheet = _Sheet(_TITLE_PX + rows * _ROW_PX + len(groups) * _ROW_PX + 10, title)
    largest = max((bar.value for bars in groups.values() for bar in bars), default=1.0)
    y = _TITLE_PX
    for name, bars in groups.items():
        sheet.text((16, y + _ROW_PX / 2), name, size_px=14)
        y += _ROW_PX
        for bar in bars:
            length = (WIDTH_PX - _LABELS_PX - _FIGURES_PX) * bar.value / largest
            sheet.text((_LABELS_PX - 8, y + _ROW_PX / 2), bar.label, anchor="rm")
            sheet.box(
                (_LABELS_PX, y + 4, _LABELS_PX + max(length, 1), y + _ROW_PX - 4),
                _OURS[0] if bar.is_ours else _OTHERS[1],
            )
            sheet.text((_LABELS_PX + length + 8, y + _ROW_PX / 2), f"{number_text(bar.value)} {unit}")
            y += _ROW_PX
    sheet.save(path)


def draw_curves(path: Path, title: str, curves: Mapping[str, Sequence[tuple[float, float]]], axes: str) -> None:
    """Draw lines over two logarithmic axes, names at their right ends; names of ours begin with ``ours``."""
    height, left, right, top, bottom = 420, 70, 250, _TITLE_PX + 10, 40
    sheet = _Sheet(height, f"{title} ({axes})")
    points = [point for curve in curves.values() for point in curve]
    first_x, last_x = (math.log10(pick(x for x, _ in points)) for pick in (min, max))
    first_y, last_y = (
        math.floor(math.log10(min(y for _, y in points))),
        math.ceil(math.log10(max(y for _, y in points))),
    )

    def place(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - first_x) / max(last_x - first_x, 1e-9)
        up = (math.log10(y) - first_y) / max(last_y - first_y, 1)
        return left + along * (WIDTH_PX - left - right), height - bottom - up * (height - top - bottom)

    for power in range(first_y, last_y + 1):
        y = place(10**first_x, 10.0**power)[1]
        sheet.line([(left, y), (WIDTH_PX - right, y)], _FAINT)
        sheet.text((left - 8, y), f"{10.0**power:,g}", anchor="rm")
    for power in range(math.ceil(first_x), math.floor(last_x) + 1):
        x = place(10.0**power, 10.0**first_y)[0]
        sheet.line([(x, top), (x, height - bottom)], _FAINT)
        sheet.text((x, height - bottom + 16), f"{10**power:,}", anchor="mm")
    of_ours, of_others = iter(_OURS), iter(_OTHERS)
    colors = {name: next(of_ours if name.startswith("ours") else of_others) for name in curves}
    lowest = 0.0
    # Names one below the other, those of the largest last values first.
    for name, curve in sorted(curves.items(), key=lambda item: -item[1][-1][1]):
        color = colors[name]
        sheet.line([place(*point) for point in curve], color, 3 if name.startswith("ours") else 2)
        x, y = place(*curve[-1])
        lowest = max(y, lowest + 18)
        sheet.line([(x + 4, y), (x + 18, lowest)], color)
        sheet.text((x + 22, lowest), name)
    sheet.save(path)
