"""The tab: every field changes the model and follows it; nothing is cut off at 300 px, in both languages."""

from dataclasses import replace

import pytest
from PyQt6.QtCore import QPoint, QPointF, Qt
from PyQt6.QtGui import QColor, QPalette, QWheelEvent
from PyQt6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QDoubleSpinBox,
    QGroupBox,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QWidget,
)

from Heatmap.aggregation import GridSpec
from Heatmap.events import Source
from Heatmap.heatmap_settings import FIELDS, HeatmapSettings, Kind
from Heatmap.rendering.event_window import MapStatistics
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.field_editors import FieldEditor, step_at
from Heatmap.ui.widgets.heatmap_tab import HeatmapTab

STATISTICS = MapStatistics(
    events=123_456,
    long_usd=12_345_678,
    short_usd=3.4e6,
    largest_usd=912_345,
    spec=GridSpec(t0_ms=0, time_bin_ms=30_000, cols=1700, price0=0.0, price_bin=12.5, rows=380),
    build_ms=3.27,
    engine="numba",
)


pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def model():
    return SettingsModel()


@pytest.fixture
def make_tab(qtbot, model):
    def made(language="en", size=(300, 500), **options):
        options.setdefault("sources", tuple(Source))
        tab = HeatmapTab(model, Translator(language), **options)
        qtbot.addWidget(tab)
        tab.resize(*size)
        tab.show()
        qtbot.waitExposed(tab)
        return tab

    return made


def field(tab, key):
    found = tab.findChild(QWidget, f"heatmap_{key}")
    assert found is not None, key
    return found


def shown(widget):
    if isinstance(widget, QCheckBox):
        return widget.isChecked()
    if isinstance(widget, QComboBox):
        return widget.currentData()
    assert isinstance(widget, (QSpinBox, QDoubleSpinBox))
    return widget.value()


def put(widget, value):
    if isinstance(widget, QCheckBox):
        widget.setChecked(value)
    elif isinstance(widget, QComboBox):
        widget.setCurrentIndex(widget.findData(value))
    else:
        widget.setValue(value)


def values_of(spec):
    if spec.kind is Kind.FLAG:
        return [not spec.default, spec.default]
    if spec.kind is Kind.CHOICE:
        return [choice for choice in spec.choices if choice != spec.default] + [spec.default]
    return [spec.minimum, spec.maximum, spec.default]


@pytest.mark.parametrize("key", FIELDS)
def test_a_field_changes_the_model_at_once(make_tab, model, key):
    tab = make_tab()
    model.update(resolution="manual")
    for value in values_of(FIELDS[key]):
        put(field(tab, key), value)
        assert getattr(model.value, key) == value


@pytest.mark.parametrize("key", FIELDS)
def test_a_field_follows_the_model_without_changing_it_again(make_tab, model, qtbot, key):
    tab = make_tab()
    for value in values_of(FIELDS[key]):
        if value == getattr(model.value, key):
            continue
        with qtbot.waitSignals([model.changed], timeout=1000) as caught:
            model.update(**{key: value})
        assert len(caught.all_signals_and_args) == 1
        assert shown(field(tab, key)) == value


@pytest.mark.parametrize("key", FIELDS)
def test_showing_a_value_is_not_reported_as_an_edit(make_tab, qtbot, key):
    tab = make_tab()
    (editor,) = (each for each in tab.findChildren(FieldEditor) if each.spec.key == key)
    for value in values_of(FIELDS[key]):
        with qtbot.assertNotEmitted(editor.edited):
            editor.show_value(value)
        assert shown(field(tab, key)) == value


def test_the_opacity_slider_and_number_go_together(make_tab, model):
    tab = make_tab()
    slider = tab.findChild(QSlider)
    slider.setValue(33)
    assert (model.value.opacity, field(tab, "opacity").value()) == (33, 33)
    field(tab, "opacity").setValue(66)
    assert (model.value.opacity, slider.value()) == (66, 66)


def test_typing_acts_when_the_number_is_complete(make_tab, model, qtbot):
    tab = make_tab()
    model.update(resolution="manual")
    rows = field(tab, "manual_rows")
    rows.setFocus()
    rows.selectAll()
    seen = []
    model.changed.connect(lambda new, _previous: seen.append(new.manual_rows))
    qtbot.keyClicks(rows, "512")
    assert seen == []
    qtbot.keyClick(rows, Qt.Key.Key_Return)
    assert seen == [512]


def test_rows_and_columns_can_be_set_only_by_hand(make_tab, model):
    tab = make_tab()
    names = ("manual_rows", "manual_cols")
    assert not any(field(tab, name).isEnabled() for name in names)
    put(field(tab, "resolution"), "manual")
    assert all(field(tab, name).isEnabled() for name in names)
    sizes = ("px_per_row", "px_per_col")
    assert not any(field(tab, name).isEnabled() for name in sizes)
    put(field(tab, "resolution"), "pixels")
    assert all(field(tab, name).isEnabled() for name in sizes)
    assert not any(field(tab, name).isEnabled() for name in names)
    model.update(resolution="auto")
    assert not any(field(tab, name).isEnabled() for name in (*names, *sizes))


def test_only_the_sources_of_this_run_can_be_chosen(make_tab):
    tab = make_tab(sources=(Source.DEMO,))
    combo = field(tab, "source")
    enabled = {
        combo.itemData(row): bool(combo.model().index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled)
        for row in range(combo.count())
    }
    assert enabled == {str(source): source is Source.DEMO for source in Source}


def test_every_palette_has_a_swatch_of_its_own(make_tab):
    tab = make_tab()
    combo = field(tab, "palette")
    pictures = [combo.itemIcon(row).pixmap(80, 24).toImage() for row in range(combo.count())]
    assert not any(picture.isNull() for picture in pictures)
    assert all(first != second for i, first in enumerate(pictures) for second in pictures[:i])
    for picture in pictures:
        left = QColor(picture.pixel(0, 12)).lightness()
        right = QColor(picture.pixel(picture.width() - 1, 12)).lightness()
        assert right > left + 80


def test_reset_returns_every_field(make_tab, model, qtbot):
    tab = make_tab()
    model.update(opacity=10, palette="ice", enabled=False, min_notional_usd=5000)
    qtbot.mouseClick(field(tab, "reset"), Qt.MouseButton.LeftButton)
    assert model.value == HeatmapSettings()
    for key, spec in FIELDS.items():
        assert shown(field(tab, key)) == spec.default


def test_scrolling_past_a_field_does_not_change_it(make_tab, model):
    tab = make_tab()
    field(tab, "enabled").setFocus()
    for key in ("window", "opacity", "clip_percentile"):
        widget = field(tab, key)
        event = QWheelEvent(
            QPointF(5, 5), QPointF(5, 5), QPoint(0, -120), QPoint(0, -120), Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.sendEvent(widget, event)
    assert model.value == HeatmapSettings()


def test_every_field_explains_itself(make_tab):
    tab = make_tab()
    for key in FIELDS:
        assert len(field(tab, key).parentWidget().toolTip()) > 20, key


def test_a_notice_stays_readable_when_the_host_turns_dark(make_tab, qtbot):
    tab = make_tab()
    tab.set_notice("Nobody records at the moment", "warning")
    notice = tab.findChild(QLabel, "heatmap_notice")
    before = QApplication.palette()
    dark = QPalette(before)
    dark.setColor(QPalette.ColorRole.Window, QColor("#1e1f22"))
    dark.setColor(QPalette.ColorRole.WindowText, QColor("#dfe1e5"))
    try:
        QApplication.setPalette(dark)
        qtbot.waitUntil(lambda: _lightest(notice) > 200)
    finally:
        QApplication.setPalette(before)


def _lightest(widget) -> int:
    picture = widget.grab().toImage()
    return max(picture.pixelColor(x, y).lightness() for x in range(picture.width()) for y in range(picture.height()))


def test_a_notice_is_shown_and_taken_away(make_tab):
    tab = make_tab()
    line = field(tab, "notice")
    assert not line.isVisible()
    for kind in ("info", "warning", "problem"):
        tab.set_notice("<b>No</b> OpenGL", kind)
        assert line.isVisible()
        assert line.text() == "<b>No</b> OpenGL"
    tab.set_notice("")
    assert not line.isVisible()


def test_statistics_are_shown_in_the_language(make_tab):
    tab = make_tab("de")
    tab.set_statistics(STATISTICS)
    assert field(tab, "statistics_long_usd").text() == "12,3 Mio. $"
    assert field(tab, "statistics_cells").text() == "380 × 1.700"
    assert field(tab, "statistics_bins").text() == "12,50 $ × 30 s"
    assert field(tab, "statistics_build").text() == "3,3 ms (numba)"
    tab.set_statistics(MapStatistics(events=0))
    assert field(tab, "statistics_events").text() == "0"
    assert not field(tab, "statistics_long_usd").isVisible()


@pytest.mark.parametrize(
    ("language", "counted", "hidden"),
    [("en", "shows 448 of 1,360", "$1.5M"), ("de", "zeigt 448 von 1.360", "1,5 Mio. $")],
)
def test_statistics_count_what_filters_hide(make_tab, language, counted, hidden):
    tab = make_tab(language)
    tab.set_statistics(replace(STATISTICS, events=1360, shown=448, hidden_usd=1.5e6))
    assert field(tab, "statistics_events").text() == counted
    assert field(tab, "statistics_hidden_usd").text() == hidden
    tab.set_statistics(replace(STATISTICS, events=1360, shown=1360, hidden_usd=0.0))
    assert field(tab, "statistics_events").text() == counted.split()[-1]
    assert not field(tab, "statistics_hidden_usd").isVisible()


def test_the_language_field_changes_the_language_at_once(qtbot, model):
    translator = Translator("en")
    translator.follow(model)
    tab = HeatmapTab(model, translator)
    qtbot.addWidget(tab)
    put(field(tab, "language"), "de")
    assert field(tab, "enabled").text() == "Heatmap anzeigen"
    assert field(tab, "clip_percentile").text() == "99,5 %"
    assert model.value == HeatmapSettings(language="de")
    put(field(tab, "language"), "en")
    assert field(tab, "clip_percentile").text() == "99.5%"


def test_a_dead_tab_no_longer_listens(qtbot, model):
    translator = Translator("en")
    tab = HeatmapTab(model, translator)
    with qtbot.waitSignal(tab.destroyed):
        tab.deleteLater()
    model.update(opacity=10)
    translator.set_language("de")


def test_steps_grow_with_a_wide_range_only():
    usd, rows = FIELDS["min_notional_usd"], FIELDS["manual_rows"]
    assert [step_at(usd, value) for value in (0, 5000, 250_000, 10_000_000)] == [1000, 1000, 10_000, 1_000_000]
    assert [step_at(rows, value) for value in (50, 1000)] == [10, 10]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_off_at_300_px(make_tab, qapp, qtbot, language, dark):
    ordinary = qapp.palette()
    if dark:
        qapp.setPalette(QPalette(QColor("#2a2f3a"), QColor("#1b1f27")))
    try:
        tab = make_tab(language)
        tab.set_notice(Translator(language).text("error.no_gl_cure"), "problem")
        tab.set_statistics(STATISTICS)
        bar = tab.findChild(QScrollArea).verticalScrollBar()
        # The layout settles over some events; what is still cut off after that stays so.
        qtbot.waitUntil(lambda: bar.isVisible() and not clipped(tab), timeout=2000)
        assert tab.width() == 300
        view_px = tab.findChild(QScrollArea).viewport().width()
        assert all(box.geometry().right() < view_px for box in tab.findChildren(QGroupBox))
        text, ground = (tab.palette().color(role) for role in (QPalette.ColorRole.Text, QPalette.ColorRole.Base))
        assert abs(text.lightness() - ground.lightness()) > 100
    finally:
        qapp.setPalette(ordinary)


def fits(widget):
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.heightForWidth(widget.width()) <= widget.height()
    return widget.sizeHint().width() <= widget.width() and widget.sizeHint().height() <= widget.height()


def clipped(tab):
    """Return name and text of every widget that has less room than it needs."""
    return [
        (widget.objectName(), getattr(widget, "text", str)(), widget.size(), widget.sizeHint())
        for kind in (QLabel, QCheckBox, QComboBox, QSpinBox, QDoubleSpinBox, QPushButton)
        for widget in tab.findChildren(kind)
        if widget.isVisible() and not fits(widget)
    ]


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_dock_gives_it_the_room_that_its_texts_need(make_tab, qtbot, language):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    window.resize(1200, 700)
    dock = QDockWidget(window)
    tab = make_tab(language)
    dock.setWidget(tab)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    qtbot.waitExposed(window)
    assert clipped(tab) == []


def test_the_check_for_cut_off_texts_sees_one(make_tab):
    tab = make_tab("de", size=(300, 500))
    field(tab, "window").setFixedWidth(40)
    assert "heatmap_window" in {name for name, *_ in clipped(tab)}
