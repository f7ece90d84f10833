"""The tab: every field changes the model and follows it; nothing is cut off at 300 px, in both languages."""

from dataclasses import replace

import pytest
from PyQt6.QtCore import QPoint, QPointF, QSettings, Qt
from PyQt6.QtGui import QAction, QColor, QFont, QPalette, QWheelEvent
from PyQt6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QDockWidget,
    QDoubleSpinBox,
    QInputDialog,
    QLabel,
    QMainWindow,
    QPushButton,
    QScrollArea,
    QSlider,
    QSpinBox,
    QToolButton,
    QWidget,
)

from Heatmap.aggregation import GridSpec
from Heatmap.events import Source
from Heatmap.heatmap_settings import FIELDS, HeatmapSettings, Kind
from Heatmap.rendering.event_window import MapStatistics
from Heatmap.source_choice import ALL, choice_text
from Heatmap.ui.presets import BUILT_IN
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.ui.widgets.field_editors import FieldEditor, step_at
from Heatmap.ui.widgets.heatmap_tab import ESSENTIALS, HeatmapTab

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
    def made(language="en", size=(300, 500), model=model, translator=None, **options):
        options.setdefault("sources", tuple(Source))
        tab = HeatmapTab(model, translator or Translator(language), **options)
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
    if isinstance(widget, QPushButton):
        return choice_text(tuple(each.data() for each in ticks(widget) if each.isChecked() and each.data() != ALL))
    assert isinstance(widget, (QSpinBox, QDoubleSpinBox))
    return widget.value()


def ticks(button):
    """Return the entries of a menu that can be ticked."""
    return [action for action in button.menu().actions() if action.isCheckable()]


def put(widget, value):
    if isinstance(widget, QCheckBox):
        widget.setChecked(value)
    elif isinstance(widget, QComboBox):
        widget.setCurrentIndex(widget.findData(value))
    elif isinstance(widget, QPushButton):
        next(action for action in ticks(widget) if action.data() == value).trigger()
    else:
        widget.setValue(value)


def values_of(spec):
    if spec.kind is Kind.FLAG:
        return [not spec.default, spec.default]
    if spec.kind is Kind.CHOICE:
        return [choice for choice in spec.choices if choice != spec.default] + [spec.default]
    if spec.kind is Kind.SOURCES:
        return [ALL, "demo", spec.default]
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


def offered(tab, *keys):
    """Return which of some fields have a row in the form, folded or not."""
    return {key for key in keys if not field(tab, key).parentWidget().isHidden()}


def test_only_fields_that_have_an_effect_are_shown(make_tab, model):
    tab = make_tab(left_out=("gaps",))
    numbers, sizes = ("manual_rows", "manual_cols"), ("px_per_row", "px_per_col")
    assert offered(tab, *numbers, *sizes, "gaps", "opacity") == {"opacity"}
    put(field(tab, "resolution"), "manual")
    assert offered(tab, *numbers, *sizes) == set(numbers)
    put(field(tab, "resolution"), "pixels")
    assert offered(tab, *numbers, *sizes) == set(sizes)
    model.update(resolution="auto")
    assert offered(tab, *numbers, *sizes) == set()


def test_a_source_is_offered_where_there_is_a_choice(make_tab):
    assert offered(make_tab(sources=(Source.DEMO,)), "source") == set()
    assert offered(make_tab(sources=(Source.BINANCE, Source.COIN_M)), "source") == {"source"}


def test_what_a_trader_changes_most_comes_first_and_the_sums_stay_in_sight(make_tab):
    tab = make_tab()
    tab.set_statistics(STATISTICS)
    heights = [field(tab, key).mapTo(tab, QPoint()).y() for key in ("enabled", "preset", *ESSENTIALS, "gaps")]
    assert heights == sorted(heights)
    area = tab.findChild(QScrollArea)
    assert not area.isAncestorOf(field(tab, "sums"))
    assert not field(tab, "sums").visibleRegion().isEmpty()
    assert field(tab, "sums").isAncestorOf(field(tab, "statistics_long_usd"))
    area.verticalScrollBar().setValue(area.verticalScrollBar().maximum())
    assert field(tab, "reset").visibleRegion().boundingRect().height() == field(tab, "reset").height()


def test_sections_are_opened_by_the_keyboard_and_stay_so(make_tab, qtbot, tmp_path):
    store = QSettings(str(tmp_path / "form.ini"), QSettings.Format.IniFormat)
    tab = make_tab(model=SettingsModel(store))
    for name, key in (("drawing", "trail"), ("resolution", "resolution")):
        heading = field(tab, f"section_{name}")
        assert not field(tab, key).isVisible()
        heading.setFocus(Qt.FocusReason.TabFocusReason)
        qtbot.keyClick(heading, Qt.Key.Key_Space)
        assert field(tab, key).isVisible()
        assert heading.isChecked()
    field(tab, "section_colour").click()
    store.sync()
    again = make_tab(model=SettingsModel(QSettings(store.fileName(), QSettings.Format.IniFormat)))
    assert field(again, "trail").isVisible()
    assert not field(again, "normalization").isVisible()


def test_tab_moves_from_top_to_bottom_and_from_left_to_right(make_tab):
    tab = make_tab(size=(320, 900))
    for heading in tab.findChildren(QToolButton):
        heading.setChecked(True)
    seen, widget = [], field(tab, "enabled")
    while widget not in seen:
        # The line of text within a box of numbers has its own place.
        if (
            widget.isVisible()
            and widget.focusPolicy() & Qt.FocusPolicy.TabFocus
            and widget.objectName() != "qt_spinbox_lineedit"
        ):
            seen.append(widget)
        widget = widget.nextInFocusChain()
    places = [(widget.mapTo(tab, QPoint()).y() // 20, widget.mapTo(tab, QPoint()).x()) for widget in seen]
    reset = seen.index(field(tab, "reset"))
    names = [widget.objectName() for widget in seen]
    assert {"heatmap_preset", "heatmap_opacity", "heatmap_trail", "heatmap_section_resolution"} <= set(names)
    assert places[: reset + 1] == sorted(places[: reset + 1]), names
    assert isinstance(seen[names.index("heatmap_opacity") - 1], QSlider)


def test_the_switch_is_larger_in_a_host_with_sizes_in_pixels(make_tab):
    tab = make_tab()
    font = QFont(tab.font())
    font.setPixelSize(20)
    tab.setFont(font)
    assert field(tab, "enabled").font().pixelSize() == 25


def test_every_control_has_a_name_for_screen_readers(make_tab):
    for language in ("en", "de"):
        tab = make_tab(language)
        labelled = {label.buddy() for label in tab.findChildren(QLabel) if label.text()}
        controls = [
            each
            for each in tab.findChildren(QWidget)
            if each.focusPolicy() & Qt.FocusPolicy.TabFocus and each.objectName().startswith("heatmap_")
        ]
        assert {f"heatmap_{key}" for key in FIELDS} <= {each.objectName() for each in controls}
        for each in controls:
            name = each.accessibleName() or (each.text() if isinstance(each, QAbstractButton) else "")
            assert name or each in labelled, each.objectName()
        assert all(slider.accessibleName() for slider in tab.findChildren(QSlider))


def test_only_the_sources_of_this_run_can_be_chosen(make_tab):
    tab = make_tab(sources=(Source.DEMO,))
    enabled = {action.data(): action.isEnabled() for action in ticks(field(tab, "source"))}
    assert enabled == {choice: choice == Source.DEMO for choice in (ALL, *Source)}


def test_exchanges_are_ticked_together_and_other_sources_alone(make_tab, model, qtbot):
    tab = make_tab()
    button = field(tab, "source")
    seen = []
    model.changed.connect(lambda new, _previous: seen.append(new.source))
    # The last tick stays.
    for choice in ("okx", "binance", "okx", "bybit", "binance", "gate", "gate", "binance-coinm", "gate", "all", "okx"):
        put(button, choice)
        assert shown(button) == model.value.source
    assert seen == [
        "binance+okx", "okx", "bybit+okx", "binance+bybit+okx", "all", "binance+bybit+okx", "binance-coinm", "gate",
        "all", "binance+bybit+gate",
    ]  # fmt: skip
    assert button.text() == "Binance, Bybit, Gate"
    assert button.accessibleName() == "Source: Binance, Bybit, Gate"
    # By the keyboard: the menu stays open for Space.
    menu = button.menu()
    menu.popup(button.mapToGlobal(QPoint(0, 0)))
    menu.setActiveAction(next(action for action in ticks(button) if action.data() == "okx"))
    qtbot.keyClick(menu, Qt.Key.Key_Space)
    assert menu.isVisible()
    assert (model.value.source, button.text()) == ("all", "All exchanges")
    menu.close()


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


def test_reset_returns_every_field_and_can_be_undone(make_tab, model):
    tab = make_tab()
    chosen = {"opacity": 10, "palette": "ice", "enabled": False, "min_notional_usd": 5000}
    model.update(**chosen)
    reset = field(tab, "reset")
    reset.click()
    assert model.value == HeatmapSettings()
    for key, spec in FIELDS.items():
        assert shown(field(tab, key)) == spec.default
    assert reset.text() == "Undo &reset"
    reset.click()
    assert model.value == HeatmapSettings(**chosen)
    assert reset.text() == "&Reset"
    reset.click()
    model.update(opacity=20)
    assert reset.text() == "&Reset"


def test_presets_are_chosen_saved_undone_and_deleted(make_tab, model):
    tab = make_tab()
    combo, note = field(tab, "preset"), field(tab, "preset_note")
    actions = {name: tab.findChild(QAction, f"heatmap_preset_{name}") for name in ("save", "delete", "undo")}

    def choose(name):
        combo.setCurrentIndex(combo.findData(name))
        combo.activated.emit(combo.currentIndex())

    assert combo.currentText() == "Standard"
    choose("large")
    assert (model.value.min_notional_usd, combo.currentText()) == (100_000, "Only large ones")
    assert not actions["delete"].isEnabled()
    actions["undo"].trigger()
    assert (model.value, combo.currentText()) == (HeatmapSettings(), "Standard")
    assert not actions["undo"].isEnabled()

    model.update(opacity=33)
    assert (combo.currentIndex(), combo.placeholderText()) == (-1, "Own values")
    actions["save"].trigger()
    dialog = tab.findChild(QInputDialog)
    dialog.setTextValue("  My  look ")
    dialog.accept()
    assert combo.currentData() == "My look"
    assert actions["delete"].text() == "&Delete My look"
    actions["save"].trigger()
    dialogs = [each for each in tab.findChildren(QInputDialog) if each.isVisible()]
    assert [each.textValue() for each in dialogs] == ["My look"]
    dialogs[0].setTextValue("Calm")
    dialogs[0].accept()
    assert "built-in" in note.text()
    model.update(opacity=34)
    assert not note.isVisible()
    choose("My look")
    assert model.value.opacity == 33
    actions["delete"].trigger()
    assert combo.findData("My look") == -1
    assert model.presets.names() == tuple(BUILT_IN)


def test_a_broken_preset_is_said_and_can_be_deleted(make_tab, tmp_path):
    store = QSettings(str(tmp_path / "broken.ini"), QSettings.Format.IniFormat)
    store.setValue("heatmap/presets/Torn", '{"opacity": 4')
    store.setValue("heatmap/presets/Half", '{"opacity": 900, "palette": "ice"}')
    model = SettingsModel(store)
    tab = make_tab(model=model)
    combo, note = field(tab, "preset"), field(tab, "preset_note")
    for name, words in (("Half", "is damaged"), ("Torn", "cannot be read")):
        combo.setCurrentIndex(combo.findData(name))
        combo.activated.emit(combo.currentIndex())
        assert note.isVisible()
        assert f"“{name}” {words}" in note.text()
    assert model.value == HeatmapSettings(palette="ice")
    tab.findChild(QAction, "heatmap_preset_delete").trigger()
    assert model.presets.names() == (*BUILT_IN, "Half")


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
    # A coin of a tenth of a cent.
    spec = replace(STATISTICS.spec, price_bin=0.0005)
    tab.set_statistics(replace(STATISTICS, spec=spec))
    assert field(tab, "statistics_bins").text() == "0,0005 $ × 30 s"
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
    assert field(tab, "clip_percentile").text() == "Perzentil 99,5"
    assert model.value == HeatmapSettings(language="de")
    put(field(tab, "language"), "en")
    assert field(tab, "clip_percentile").text() == "percentile 99.5"


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


@pytest.mark.parametrize("size", [1.0, 1.6])
@pytest.mark.parametrize("language", ["en", "de"])
def test_nothing_is_cut_off_at_300_px(make_tab, qapp, qtbot, language, size):
    """Neither from the start nor when font and language change while it is open; in dark colours, too."""
    ordinary, font = qapp.palette(), qapp.font()
    translator = Translator("de" if language == "en" else "en")
    tab = make_tab(translator=translator)
    try:
        for heading in tab.findChildren(QToolButton):
            heading.setChecked(True)
        put(field(tab, "resolution"), "pixels")
        tab.set_notice(Translator(language).text("error.no_gl_cure"), "problem")
        tab.set_statistics(replace(STATISTICS, shown=448, hidden_usd=1.5e6))
        large = QFont(font)
        large.setPointSizeF(font.pointSizeF() * size)
        qapp.setFont(large)
        qapp.setPalette(QPalette(QColor("#2a2f3a"), QColor("#1b1f27")))
        translator.set_language(language)
        area = tab.findChild(QScrollArea)
        # The layout settles over some events; what is still cut off after that stays so.
        qtbot.waitUntil(lambda: area.verticalScrollBar().isVisible() and not clipped(tab), timeout=2000)
        assert tab.width() == 300
        assert not area.horizontalScrollBar().isVisible()
        assert field(tab, "enabled").font().pointSizeF() > large.pointSizeF()
        text, ground = (tab.palette().color(role) for role in (QPalette.ColorRole.Text, QPalette.ColorRole.Base))
        assert abs(text.lightness() - ground.lightness()) > 100
    finally:
        qapp.setPalette(ordinary)
        qapp.setFont(font)


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
    qtbot.waitUntil(lambda: window.isVisible() and not clipped(tab), timeout=2000)


def test_the_check_for_cut_off_texts_sees_one(make_tab):
    tab = make_tab("de", size=(300, 500))
    field(tab, "window").setFixedWidth(40)
    assert "heatmap_window" in {name for name, *_ in clipped(tab)}
