"""The legend: amounts stand where the kernel's colours are; it paints, and never takes a mouse event."""

from itertools import pairwise

import numpy as np
import pytest
from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QFontMetricsF

from Heatmap.aggregation.palettes import palette_names
from Heatmap.errors import GridError
from Heatmap.heatmap_settings import FIELDS
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.legend import Legend, level_position, round_values
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
def test_position_rises_from_empty_to_full(normalization):
    positions = [level_position(value, normalization, 1e6) for value in np.geomspace(1, 2e6, 50)]
    assert positions == sorted(positions)
    assert level_position(0, normalization, 1e6) == 0
    assert level_position(1e6, normalization, 1e6) == 1


def test_position_agrees_with_the_meaning_of_the_scale():
    assert level_position(250_000, Normalization.LINEAR, 1e6) == pytest.approx(0.25, abs=0.01)
    assert level_position(250_000, Normalization.SQRT, 1e6) == pytest.approx(0.5, abs=0.01)
    assert level_position(10_000, Normalization.LOG, 1e6) == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("normalization", VALUED)
@pytest.mark.parametrize("reference", [1e-3, 0.5, 850, 99_999, 100_000, 4.2e6, 7e11])
def test_round_values_lie_within_the_bar(normalization, reference):
    found = round_values(normalization, reference)
    assert found
    for position, value in found:
        assert 0 < position <= 1
        assert 0 < value < reference
        assert f"{value:.0e}"[0] in "125"


def test_no_round_values_where_none_can_be_told():
    assert round_values(Normalization.RANK, 1e6) == []
    assert round_values(Normalization.LOG, 0) == []


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("normalization", list(Normalization))
@pytest.mark.parametrize("reference", [850, 91_000, 353_000, 999_500, 4.2e6, 1.23e9])
def test_labels_do_not_overlap_and_the_last_is_full_colour(qtbot, language, normalization, reference):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", normalization, reference)
    labels = legend.labels()
    assert 2 <= len(labels) <= 4
    assert labels[-1][0] == 1
    assert labels[-1][1].startswith("≥ ")
    metrics = QFontMetricsF(legend.font())
    spans = [legend.label_span(position, metrics.horizontalAdvance(text)) for position, text in labels]
    assert all(end < begin for (_, end), (begin, _) in pairwise(spans))


def test_the_usual_scale_has_three_amounts_in_both_languages(qtbot):
    for language, words in (("en", ["$1K", "$10K", "≥ $353K"]), ("de", ["1 Tsd. $", "10 Tsd. $", "≥ 353 Tsd. $"])):
        legend = Legend(Translator(language))
        qtbot.addWidget(legend)
        legend.set_scale("fire", "log", 353_000)
        assert [text for _, text in legend.labels()] == words


def test_an_empty_map_says_so(legend):
    legend.set_scale("fire", "log", 0)
    assert legend.labels() == [(0, "No liquidations yet")]


@pytest.mark.parametrize(
    ("sides", "words"), [("long", "No long liquidations yet"), ("short", "No short liquidations yet")]
)
def test_a_map_of_one_side_says_nothing_of_the_other(legend, sides, words):
    legend.set_scale("fire", "log", 0, sides=sides)
    assert legend.labels() == [(0, words)]


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("palette", palette_names())
def test_the_bars_carry_the_palettes_full_colours(legend, palette, dark):
    legend.set_scale(palette, "log", 353_000, dark=dark)
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
    legend.set_scale("fire", "log", 353_000)
    ground = QColor("#204060")
    legend.set_ground(ground, opacity)
    legend.show()
    picture = legend.picture()
    (bar,) = palette_bars("fire", dark=True)
    # One bar of 216 px below the title, 6 px from the left.
    for at in (10, 60, 120, 180, 210):
        over = bar.pixelColor(round((at + 0.5) / 216 * 256 - 0.5), 0)
        share = over.alphaF() * opacity
        for part in ("redF", "greenF", "blueF"):
            mixed = getattr(over, part)() * share + getattr(ground, part)() * (1 - share)
            assert getattr(picture.pixelColor(6 + at, 6 + 13 + 4), part)() == pytest.approx(mixed, abs=0.02)


def test_long_stands_above_short(legend):
    long_bar, short_bar = palette_bars("long_short", dark=True)
    legend.set_scale("long_short", "log", 353_000)
    assert legend.names() == ("Long liquidated", "Short liquidated")
    assert long_bar.pixelColor(200, 0).red() > long_bar.pixelColor(200, 0).blue()
    assert short_bar.pixelColor(200, 0).blue() > short_bar.pixelColor(200, 0).red()


def test_it_is_small_and_changes_size_with_its_texts(legend, translator):
    legend.set_scale("fire", "log", 353_000)
    sum_size = legend.size()
    legend.set_scale("long_short", "log", 353_000)
    assert legend.width() > sum_size.width()
    assert legend.width() <= 340
    assert legend.height() <= 52
    english = legend.width()
    translator.set_language("de")
    assert legend.width() != english


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_hatching_is_explained_where_there_is_any(qtbot, language):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", "log", 353_000)
    without = legend.size()
    legend.explain(gaps=True, window="")
    assert legend.width() == without.width()
    assert legend.height() > without.height()
    words = Translator(language).text("legend.not_recorded")
    assert 6 + 27 + 6 + QFontMetricsF(legend.font()).horizontalAdvance(words) <= legend.width() - 6
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
    legend.explain(gaps=False, window="")
    assert legend.size() == without


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("window", FIELDS["window"].choices)
def test_the_windows_beginning_is_explained_while_it_is_in_sight(qtbot, language, window):
    legend = Legend(Translator(language))
    qtbot.addWidget(legend)
    legend.set_scale("fire", "log", 353_000)
    without = legend.size()
    legend.explain(gaps=False, window=window)
    assert legend.width() == without.width()
    assert legend.height() > without.height()
    ((swatch, words),) = legend.explanations()
    assert swatch == "line"
    assert {"en": "Start of the window", "de": "Beginn des Fensters"}[language] in words
    assert 6 + 27 + 6 + QFontMetricsF(legend.font()).horizontalAdvance(words) <= legend.width() - 6
    # Left of the words stands one upright line.
    picture = legend.picture()
    middle = legend.height() - 6 - 5
    assert sum(45 < QColor(picture.pixel(x, middle)).red() < 160 for x in range(7, 33)) == 1
    legend.explain(gaps=True, window=window)
    assert [swatch for swatch, _ in legend.explanations()] == ["line", "hatching"]
    legend.explain(gaps=False, window="")
    assert legend.size() == without


def test_the_mouse_goes_through(legend):
    assert legend.testAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


def test_the_same_scale_is_not_painted_again(legend, monkeypatch):
    legend.set_scale("fire", "log", 353_000)
    calls = []
    monkeypatch.setattr(legend, "update", lambda: calls.append(1))
    legend.set_scale("fire", "log", 353_000)
    assert calls == []
    legend.set_scale("fire", "log", 400_000)
    assert calls == [1]


def test_an_unknown_palette_is_refused_and_the_scale_stays(legend):
    legend.set_scale("fire", "log", 353_000)
    before = legend.labels()
    with pytest.raises(GridError):
        legend.set_scale("no such", "log", 1)
    assert legend.labels() == before
