"""The legend: amounts stand where the kernel's colours are; it paints, and never takes a mouse event."""

import math
from itertools import pairwise

import numpy as np
import pytest
from PyQt6.QtCore import QRectF, Qt
from PyQt6.QtGui import QColor, QFontMetricsF
from support.colour_axes import axis

from Heatmap.aggregation.palettes import palette_names
from Heatmap.errors import GridError
from Heatmap.heatmap_settings import FIELDS
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.legend import Legend, Marks, round_values
from Heatmap.ui.widgets.palette_image import palette_bars
from Heatmap.vocabulary import Normalization

VALUED = [item for item in Normalization if item is not Normalization.RANK]


@pytest.fixture
def translator():
    return Translator("en")


@pytest.fixture
def legend(qtbot, translator):
    made = Legend(translator)
    qtbot.addWidget(made)
    return made


def colours(legend):
    legend.show()
    picture = legend.picture()
    return {QColor(picture.pixel(x, y)).name() for x in range(picture.width()) for y in range(picture.height())}


@pytest.mark.parametrize("normalization", VALUED)
def test_position_rises_from_empty_to_the_right_end(normalization):
    scale = axis(1e6, normalization)
    positions = [scale.position(value) for value in np.geomspace(1, 2e6, 50)]
    assert positions == sorted(positions)
    assert scale.position(0) == 0
    assert 0.9 < scale.position(1e6) < 0.95
    assert scale.position(2e6) == pytest.approx(1)


def test_position_agrees_with_the_meaning_of_the_scale():
    for normalization, usd, share in (("linear", 250_000, 0.25), ("sqrt", 250_000, 0.5), ("log", 10_000, 1 / 3)):
        scale = axis(1e6, Normalization(normalization))
        assert scale.position(usd) / scale.position(1e6) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("normalization", VALUED)
@pytest.mark.parametrize("reference", [1e-3, 0.5, 850, 99_999, 100_000, 4.2e6, 7e11])
def test_round_values_lie_within_the_bar(normalization, reference):
    found = round_values(axis(reference, normalization))
    assert found
    for position, value in found:
        assert 0 < position <= 1
        assert 0 < value < 2.001 * reference
        assert f"{value:.0e}"[0] in "125"


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("normalization", list(Normalization))
@pytest.mark.parametrize("reference", [850, 91_000, 353_000, 999_500, 4.2e6, 1.23e9])
def test_labels_do_not_overlap_and_the_last_is_full_colour(qtbot, language, normalization, reference):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    for options in ({}, {"floor_usd": reference / 40}, {"ceiling_usd": reference / 9, "floor_usd": reference / 30}):
        scale, full_usd = axis(reference, normalization, **options), options.get("ceiling_usd", reference)
        legend.set_scale("fire", normalization, scale)
        labels = legend.labels()
        assert 2 <= len(labels) <= 4
        ((position, text),) = [label for label in labels if label[1].startswith("≥ ")]
        assert text == f"≥ {Translator(language).format_usd(full_usd)}"
        assert position == scale.position(full_usd)
        metrics = QFontMetricsF(legend.drawn_font)
        spans = [legend.label_span(position, metrics.horizontalAdvance(text)) for position, text in labels]
        assert all(end < begin for (_, end), (begin, _) in pairwise(spans))


def test_the_usual_scale_has_at_least_three_amounts_in_both_languages(qtbot):
    for language, words in (
        ("en", ["$1K", "$10K", "$50K", "≥ $353K"]),
        ("de", ["1 Tsd. $", "10 Tsd. $", "≥ 353 Tsd. $"]),
    ):
        legend = Legend(Translator(language))
        qtbot.addWidget(legend)
        legend.set_scale("fire", "log", axis(353_000))
        assert [text for _, text in legend.labels()] == words


def test_an_empty_map_says_so(legend):
    legend.set_scale("fire", "log", None)
    assert legend.labels() == [(0, "No liquidations yet")]


@pytest.mark.parametrize(
    ("sides", "words"), [("long", "No long liquidations yet"), ("short", "No short liquidations yet")]
)
def test_a_map_of_one_side_says_nothing_of_the_other(legend, sides, words):
    legend.set_scale("fire", "log", None, sides=sides)
    assert legend.labels() == [(0, words)]


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("palette", palette_names())
def test_the_bars_carry_the_palettes_full_colours(legend, palette, dark):
    legend.set_scale(palette, "log", axis(353_000), dark=dark)
    painted = colours(legend)
    bars = palette_bars(palette, dark=dark)
    assert len(bars) == (2 if palette == "long_short" else 1)
    ground = QColor("#0e1116") if dark else QColor("#ffffff")
    for bar in bars:
        full = bar.pixelColor(255, 0)
        mixed = [
            full_part * full.alphaF() + ground_part * (1 - full.alphaF())
            for full_part, ground_part in zip(full.getRgbF()[:3], ground.getRgbF()[:3], strict=True)
        ]
        nearest = min(
            max(abs(a - b) for a, b in zip(QColor(name).getRgbF()[:3], mixed, strict=True)) for name in painted
        )
        assert nearest < 0.03


@pytest.mark.parametrize("opacity", [0.05, 0.5, 0.85])
def test_the_bars_lie_on_the_charts_ground_with_the_maps_opacity(legend, opacity):
    legend.set_scale("fire", "log", axis(353_000))
    ground = QColor("#204060")
    legend.set_ground(ground, opacity)
    legend.show()
    picture = legend.picture()
    ((bar,), (place,)) = palette_bars("fire", dark=True), legend.bar_boxes()
    for at in (10, 60, 120, 180, 210):
        over = bar.pixelColor(legend.axis.levels[at], 0)
        share = over.alphaF() * opacity
        for part in ("redF", "greenF", "blueF"):
            mixed = getattr(over, part)() * share + getattr(ground, part)() * (1 - share)
            assert getattr(
                picture.pixelColor(int(place.left()) + at, int(place.center().y())), part
            )() == pytest.approx(mixed, abs=0.02)


def test_long_stands_above_short(legend):
    long_bar, short_bar = palette_bars("long_short", dark=True)
    legend.set_scale("long_short", "log", axis(353_000))
    assert legend.names() == ("Long liquidated", "Short liquidated")
    assert long_bar.pixelColor(200, 0).red() > long_bar.pixelColor(200, 0).blue()
    assert short_bar.pixelColor(200, 0).blue() > short_bar.pixelColor(200, 0).red()


def test_it_is_small_and_changes_size_with_its_texts(legend, translator):
    legend.set_scale("fire", "log", axis(353_000))
    sum_size = legend.size()
    legend.set_scale("long_short", "log", axis(353_000))
    assert legend.width() > sum_size.width()
    assert legend.width() <= 340
    assert legend.height() <= 76
    assert legend.size_with(0, is_compact=True).height() <= 52
    english = legend.width()
    translator.set_language("de")
    assert legend.width() != english


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_hatching_is_explained_where_there_is_any(qtbot, language):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", "log", axis(353_000))
    without = legend.size()
    legend.explain(Marks(gaps=True))
    assert legend.width() == without.width()
    assert legend.height() > without.height()
    words = Translator(language).text("legend.not_recorded")
    assert 6 + 27 + 6 + QFontMetricsF(legend.drawn_font).horizontalAdvance(words) <= legend.width() - 6
    # Left of the words stand lines of a grey that is neither ground nor ink, and they rise to the right.
    picture = legend.picture()
    grey = {
        (x, y)
        for y in range(without.height() - 6, legend.height() - 5)
        for x in range(7, 32)
        if 45 < QColor(picture.pixel(x, y)).red() < 130
    }
    assert len(grey) > 10
    rising, falling = (sum((x + 3, y + down) in grey for x, y in grey) for down in (-3, 3))
    assert rising > 3 * falling
    legend.explain(Marks())
    assert legend.size() == without


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("window", FIELDS["window"].choices)
def test_the_windows_beginning_is_explained_while_it_is_in_sight(qtbot, language, window):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", "log", axis(353_000))
    without = legend.size()
    legend.explain(Marks(window=window))
    assert legend.width() == without.width()
    assert legend.height() > without.height()
    ((swatch, words),) = legend.explanations()
    assert swatch == "line"
    assert words.endswith({"en": "begins here", "de": "ab hier"}[language])
    assert 6 + 27 + 6 + QFontMetricsF(legend.drawn_font).horizontalAdvance(words) <= legend.width() - 6
    # Left of the words stands one upright line.
    picture = legend.picture()
    middle = legend.height() - 6 - 5
    assert sum(45 < QColor(picture.pixel(x, middle)).red() < 160 for x in range(7, 33)) == 1
    legend.explain(Marks(gaps=True, window=window))
    assert [swatch for swatch, _ in legend.explanations()] == ["line", "hatching"]
    legend.explain(Marks())
    assert legend.size() == without


@pytest.mark.parametrize("language", ["en", "de"])
def test_older_heat_trails_and_what_was_left_out_are_explained(qtbot, language):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", "log", axis(353_000))
    without = legend.size()
    marks = Marks(window="8h", older=True, cut=True, gaps=True, trail=True)
    legend.explain(marks)
    assert [swatch for swatch, _ in legend.explanations()] == ["line", "older", "cut", "hatching", "trail"]
    assert (legend.size(), legend.width()) == (legend.size_with(marks.count), without.width())
    room = legend.width() - 6 - (6 + 27 + 6)
    widths = {words: QFontMetricsF(legend.drawn_font).horizontalAdvance(words) for _, words in legend.explanations()}
    assert all(width <= room for width in widths.values()), widths
    # What is older has the colours of the bar, fainter; a trail is full on the left and fades to the right.
    picture = legend.picture()

    def brightness(line: int) -> list[int]:
        y = legend.height() - 6 - 13 * (5 - line) + 6
        return [QColor(picture.pixel(x, y)).lightness() for x in (8, 19, 30)]

    (box,) = legend.bar_boxes()
    bar = [QColor(picture.pixel(6 + x, round(box.center().y()))).lightness() for x in (16, 108, 200)]
    older, trail = brightness(1), brightness(4)
    assert older == sorted(older)
    assert older[0] < older[2] < 0.6 * bar[2]
    assert trail[0] > 2 * trail[2]


def test_the_mouse_goes_through(legend):
    assert legend.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


def test_the_same_scale_is_not_painted_again(legend, monkeypatch):
    scale = axis(353_000)
    legend.set_scale("fire", "log", scale)
    calls = []
    monkeypatch.setattr(legend, "update", lambda: calls.append(1))
    legend.set_scale("fire", "log", scale)
    legend.set_range(0, 0, None)
    assert calls == []
    legend.set_scale("fire", "log", axis(400_000))
    assert calls == [1]


def test_an_unknown_palette_is_refused_and_the_scale_stays(legend):
    legend.set_scale("fire", "log", axis(353_000))
    before = legend.labels()
    with pytest.raises(GridError):
        legend.set_scale("no such", "log", axis(1))
    assert legend.labels() == before


def columns_of_ink(legend, box):
    """Return the x of the columns of a box of the legend that are lighter than the ground: its histogram."""
    picture = legend.picture()
    rows = range(math.ceil(box.top()), math.floor(box.bottom()))
    return {x for x in range(picture.width()) if any(QColor(picture.pixel(x, y)).lightness() > 60 for y in rows)}


def test_a_floor_takes_colour_and_cells_away_and_says_how_many(legend):
    """What is hidden has the chart's ground in the bars; its cells stay in the histogram, dim."""
    for palette in ("fire", "long_short"):
        scale = axis(353_000, floor_usd=10_000, palette=palette)
        legend.set_scale(palette, "log", scale)
        legend.set_range(10_000, 0, None)
        legend.show()
        picture, middle = legend.picture(), legend.handle_px("floor")
        hidden = np.count_nonzero(np.geomspace(353_000 / 4000, 353_000, 400) < 10_000)
        assert legend.hidden() == f"{hidden} hidden"
        assert (legend.axis.position(10_000), "$10K") in legend.labels()
        for box in legend.bar_boxes():
            y = int(box.center().y())
            assert middle == pytest.approx(box.left() + 216 * scale.position(10_000))
            left = {QColor(picture.pixel(x, y)).name() for x in range(int(box.left()) + 1, int(middle) - 3)}
            assert left == {"#0e1116"}
            assert QColor(picture.pixel(int(middle) + 8, y)).name() != "#0e1116"
        above = QRectF(0, legend.bars_box().top(), legend.width(), 11)
        assert min(columns_of_ink(legend, above)) > middle - 5  # a bin is 4 px wide
    legend.set_scale("fire", "log", axis(353_000))
    assert legend.hidden() == ""


def test_only_hidden_cells_are_not_none_at_all(legend):
    legend.set_scale("fire", "log", axis(353_000, floor_usd=10**8))
    assert legend.hidden() == "400 hidden"
    assert "No liquidations yet" not in [text for _, text in legend.labels()]
    legend.set_scale("fire", "log", axis(353_000, min_notional=10**8))
    assert "No liquidations yet" not in [text for _, text in legend.labels()]


def test_a_ceiling_moves_full_colour_to_its_place_on_the_same_bar(legend):
    scale = axis(353_000, ceiling_usd=20_000)
    legend.set_scale("fire", "log", scale)
    legend.set_range(0, 20_000, None)
    legend.show()
    picture, (box,) = legend.picture(), legend.bar_boxes()
    row = [QColor(picture.pixel(int(box.left()) + at, int(box.center().y()))).name() for at in range(216)]
    at = round(216 * scale.position(20_000))
    assert legend.handle_px("ceiling") == pytest.approx(box.left() + at, abs=0.6)
    assert len(set(row[at + 4 :])) == 1
    assert row[at - 20] != row[-1]


def test_the_bars_do_not_move_when_a_floor_hides_cells(legend, translator):
    for language in ("en", "de"):
        translator.set_language(language)
        legend.set_scale("long_short", "log", axis(353_000, palette="long_short"))
        before = legend.bars_box(), legend.size()
        legend.set_scale("long_short", "log", axis(353_000, palette="long_short", floor_usd=10_000))
        assert (legend.bars_box(), legend.size()) == before
        metrics = QFontMetricsF(legend.drawn_font)
        assert 6 + metrics.horizontalAdvance(legend.hidden()) < legend.bars_box().left()


def test_a_legend_of_one_side_has_the_histogram_on_its_bar(legend):
    heights = {}
    for sides in ("long", "short"):
        legend.set_scale("long_short", "log", axis(353_000, palette="long_short", sides=sides), sides=sides)
        legend.show()
        box = legend.bars_box()
        upper, lower = QRectF(0, box.top(), 0, 11), QRectF(0, box.bottom() - 11, 0, 11)
        handles = {round(legend.handle_px(handle)) + off for handle in ("floor", "ceiling") for off in (-1, 0, 1)}
        heights[sides] = [len(columns_of_ink(legend, part) - handles) > 50 for part in (upper, lower)]
    assert heights == {"long": [True, False], "short": [False, True]}


def test_without_the_histogram_it_is_as_small_as_before(legend):
    legend.set_scale("long_short", "log", axis(353_000, palette="long_short"))
    tall = legend.height()
    legend.set_compact(True)
    assert tall - legend.height() == 24
    assert legend.size() == legend.size_with(0, is_compact=True)
    assert len(legend.bar_boxes()) == 2
    assert legend.bars_box().height() == 26
