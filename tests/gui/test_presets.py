"""Presets: a look under a name, kept over a restart; a broken one harms nothing."""

from __future__ import annotations

import logging

import pytest
from PyQt6.QtCore import QSettings

from Heatmap.errors import SettingsError
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.ui.presets import BUILT_IN, LOOK
from Heatmap.ui.settings_model import SettingsModel

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture
def open_model(tmp_path):
    """Return a function that opens the store anew, as another start of the program would."""

    def opened(**overrides):
        return SettingsModel(QSettings(str(tmp_path / "p.ini"), QSettings.Format.IniFormat), overrides=overrides)

    return opened


@pytest.mark.parametrize("name", ["Scalping", "9:30 / NY open", "größte, nur Long", 'a"b=c;%d\\', "x" * 40])
def test_a_saved_look_is_kept_over_a_restart(open_model, name):
    model = open_model()
    model.update(opacity=33, palette="ice", window="2h", smooth=False, clip_percentile=97.3)
    saved = model.value
    assert model.presets.save(f"  {name} ") == name
    model.flush()
    model.reset()
    later = open_model()
    assert later.presets.names() == (*BUILT_IN, name)
    assert later.presets.apply(name) == []
    assert later.value == saved
    assert later.presets.current() == name


def test_a_preset_is_a_look_and_nothing_else(open_model):
    others = {"enabled", "source", "language", "time_zone", "figures"}
    assert set(HeatmapSettings().as_mapping()) - set(LOOK) == others
    model = open_model(source="demo")
    model.update(enabled=False, language="de", opacity=20)
    model.presets.save("Mine")
    model.update(enabled=True, language="en", opacity=90)
    model.presets.apply("Mine")
    assert model.value == HeatmapSettings(source="demo", language="en", opacity=20)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_preset_is_valid_whole_and_cannot_be_changed(open_model, name):
    model = open_model()
    model.update(opacity=7, manual_rows=123)
    assert model.presets.current() is None
    assert model.presets.apply(name) == []
    assert model.value == HeatmapSettings(**BUILT_IN[name])
    assert model.presets.current() == name
    for refused in (name, name.upper(), "Calm", "nur große"):
        with pytest.raises(SettingsError, match="built in"):
            model.presets.save(refused)
    with pytest.raises(SettingsError, match="no saved preset"):
        model.presets.delete(name)


def test_built_in_presets_differ():
    looks = [tuple(sorted(HeatmapSettings(**values).as_mapping().items())) for values in BUILT_IN.values()]
    assert len(set(looks)) == len(BUILT_IN)


def test_a_preset_can_be_undone_until_the_next_change(open_model, qtbot):
    model = open_model(source="demo")
    model.update(opacity=20)
    before = model.value
    with qtbot.waitSignal(model.undoChanged):
        model.presets.apply("large")
    assert model.undoable == "preset"
    model.undo()
    assert (model.value, model.undoable) == (before, None)
    model.presets.apply("large")
    model.update(opacity=30)
    model.undo()
    assert (model.value.opacity, model.value.min_notional_usd) == (30, 100_000)
    model.flush()
    assert open_model().value == HeatmapSettings(min_notional_usd=100_000, spot_size="large", opacity=30)


def test_names_are_replaced_and_deleted_without_regard_to_case(open_model, qtbot):
    model = open_model()
    model.presets.save("night")
    model.update(opacity=20)
    with qtbot.waitSignal(model.presets.changed):
        model.presets.save("Night")
    assert model.presets.names() == (*BUILT_IN, "Night")
    assert model.presets.look("Night")[0]["opacity"] == 20
    model.presets.delete("Night")
    model.flush()
    assert open_model().presets.names() == tuple(BUILT_IN)


@pytest.mark.parametrize("name", ["", "  ", "x" * 41, "a\x00b"])
def test_a_bad_name_is_refused(open_model, name):
    with pytest.raises(SettingsError, match="1 to 40"):
        open_model().presets.save(name)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "[" * 5000, '"x"', ["a", "b"], 5])
def test_a_preset_that_cannot_be_read_harms_nothing_and_can_be_deleted(open_model, tmp_path, caplog, text):
    store = QSettings(str(tmp_path / "p.ini"), QSettings.Format.IniFormat)
    store.setValue("heatmap/presets/Torn%2F1", text)
    store.sync()
    with caplog.at_level(logging.WARNING):
        model = open_model()
    assert any("'Torn/1' cannot be read: delete it" in record.getMessage() for record in caplog.records)
    assert model.presets.names() == (*BUILT_IN, "Torn/1")
    assert model.presets.current() == "standard"
    with pytest.raises(SettingsError, match="cannot be read"):
        model.presets.apply("Torn/1")
    assert model.value == HeatmapSettings()
    model.presets.delete("Torn/1")
    model.flush()
    assert open_model().presets.names() == tuple(BUILT_IN)


def test_bad_values_and_foreign_fields_of_a_preset_are_left_out_and_named(open_model, tmp_path, caplog):
    store = QSettings(str(tmp_path / "p.ini"), QSettings.Format.IniFormat)
    store.setValue(
        "heatmap/presets/Half", '{"opacity": 900, "palette": "ice", "gone": 1, "language": "de", "trail": NaN}'
    )
    store.sync()
    model = open_model()
    with caplog.at_level(logging.WARNING):
        problems = model.presets.apply("Half")
    assert model.value == HeatmapSettings(palette="ice")
    assert [word for word in ("'opacity'", "'gone'", "'trail'") if any(word in each for each in problems)] == [
        "'opacity'", "'gone'", "'trail'",
    ]  # fmt: skip
    assert len(caplog.records) == len(problems) == 3


def test_an_unknown_preset_is_refused_with_those_that_exist(open_model):
    with pytest.raises(SettingsError, match="'nothing'; there are standard, levels"):
        open_model().presets.apply("nothing")


def test_without_a_store_presets_last_for_the_run():
    model = SettingsModel()
    model.update(opacity=20)
    model.presets.save("Mine")
    model.reset()
    model.presets.apply("Mine")
    assert model.value.opacity == 20
