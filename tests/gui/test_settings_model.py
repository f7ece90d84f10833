"""The settings model: one value, one signal, kept over a restart."""

import json
import logging
import subprocess
import sys

import pytest
from PyQt6.QtCore import QSettings

from Heatmap.errors import SettingsError
from Heatmap.events import Source
from Heatmap.heatmap_settings import HeatmapSettings
from Heatmap.ui.settings_model import SettingsModel

NOT_DEFAULT = {
    "enabled": False,
    "window": "2d",
    "opacity": 40,
    "trail": "20m",
    "spot_size": "large",
    "smooth": False,
    "gaps": True,
    "coverage_lane": False,
    "candle_sums": False,
    "profile": True,
    "figures": True,
    "bubbles": False,
    "bubble_count": 7,
    "language": "de",
    "time_zone": "Asia/Tokyo",
    "palette": "cividis",
    "normalization": "rank",
    "clip_percentile": 97.3,
    "floor_usd": 12_000,
    "ceiling_usd": 3_000_000,
    "decay": "6h",
    "resolution": "manual",
    "manual_rows": 77,
    "manual_cols": 2222,
    "px_per_row": 3.7,
    "px_per_col": 0.8,
    "source": "demo",
    "sides": "short",
    "min_notional_usd": 25_000,
}
pytestmark = pytest.mark.usefixtures("qapp")
READER = """
import json, sys
from PyQt6.QtCore import QCoreApplication, QSettings
from Heatmap.ui.settings_model import SettingsModel
application = QCoreApplication([])
model = SettingsModel(QSettings(sys.argv[1], QSettings.Format.IniFormat))
print(json.dumps(model.value.as_mapping()))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "settings.ini"


@pytest.fixture
def open_model(path):
    """Return a function that opens the file anew, as another start of the program would."""

    def opened(**overrides):
        return SettingsModel(QSettings(str(path), QSettings.Format.IniFormat), overrides=overrides)

    return opened


def test_every_value_is_kept_for_a_fresh_process(open_model, path):
    model = open_model()
    for key, value in NOT_DEFAULT.items():
        model.update(**{key: value})
    model.flush()
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == NOT_DEFAULT
    assert "Variant" not in path.read_text()


class CountingStore(QSettings):
    syncs = 0

    def sync(self):
        self.syncs += 1
        super().sync()


def test_many_changes_are_written_to_disk_once(path, qtbot):
    store = CountingStore(str(path), QSettings.Format.IniFormat)
    model = SettingsModel(store)
    for opacity in range(10, 60):
        model.update(opacity=opacity)
    assert store.syncs == 0
    qtbot.waitUntil(lambda: store.syncs > 0, timeout=5000)
    assert store.syncs == 1
    assert not model._sync_timer.isActive()
    assert "opacity=59" in path.read_text()
    assert model.value.opacity == 59


def test_changed_carries_new_and_previous_once(open_model, qtbot):
    model = open_model()
    with qtbot.waitSignal(model.changed) as caught:
        model.update(opacity=10, palette="ice")
    new, previous = caught.args
    assert (new.opacity, new.palette) == (10, "ice")
    assert previous == HeatmapSettings()
    assert model.value is new


def test_an_unchanged_value_is_no_change(open_model, qtbot):
    model = open_model()
    with qtbot.assertNotEmitted(model.changed):
        model.update(opacity=85)


def test_a_bad_value_changes_nothing(open_model, qtbot):
    model = open_model()
    with qtbot.assertNotEmitted(model.changed), pytest.raises(SettingsError):
        model.update(palette="ice", opacity=1000)
    assert model.value == HeatmapSettings()


def test_overrides_are_for_this_run_only(open_model):
    model = open_model(window="2d", source="replay")
    assert (model.value.window, model.value.source) == ("2d", Source.REPLAY)
    model.update(opacity=50)
    model.flush()
    later = open_model().value
    assert later == HeatmapSettings(opacity=50)


def test_an_override_gives_way_when_the_user_changes_its_field(open_model):
    model = open_model(window="2d")
    model.update(window="2h")
    model.flush()
    assert open_model().value.window == "2h"
    model.reset()
    assert model.value.window == "8h"


def test_a_bad_override_is_a_fault_of_the_program(open_model):
    with pytest.raises(SettingsError):
        open_model(window="3h")


def test_what_is_recorded_is_shown_unless_the_stored_choice_has_it(tmp_path):
    store = QSettings(str(tmp_path / "chosen.ini"), QSettings.Format.IniFormat)
    assert SettingsModel(store, recorded="bybit").value.source == "bybit"
    SettingsModel(store).update(source="okx")
    assert SettingsModel(store).value.source == "okx"
    assert SettingsModel(store, recorded="bybit").value.source == "bybit"
    SettingsModel(store).update(source="okx+bybit")
    assert SettingsModel(store, recorded="bybit").value.source == "bybit+okx"
    store.sync()
    assert SettingsModel(QSettings(store.fileName(), QSettings.Format.IniFormat)).value.source == "bybit+okx"
    for wrong in ("binance, okx", "bybit+nowhere", "", ["a", "b"]):
        store.setValue("heatmap/source", wrong)
        assert SettingsModel(store).value.source == "binance"


def test_reset_forgets_what_was_stored_but_not_the_run(open_model, qtbot):
    model = open_model(source="demo")
    model.update(opacity=10, decay="6h")
    with qtbot.waitSignal(model.changed):
        model.reset()
    assert model.value == HeatmapSettings(source=Source.DEMO)
    model.flush()
    assert open_model().value == HeatmapSettings()


def test_without_a_store_it_works_for_the_run():
    model = SettingsModel()
    model.update(opacity=10)
    model.flush()
    model.reset()
    assert model.value == HeatmapSettings()


@pytest.mark.parametrize("content", [b"\x00\xff\xfe" * 99, b"[heatmap\nopacity=5", b"no equals sign"])
def test_a_damaged_file_gives_defaults_and_is_logged(open_model, path, caplog, content):
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        model = open_model()
        model.update(palette="ice")
        model.flush()
        model.flush()
    assert model.value.palette == "ice"
    assert [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()] != []
    assert len(caplog.records) == 1


def test_a_bad_value_in_the_file_is_named_in_the_log(open_model, path, caplog):
    path.write_text("[heatmap]\nopacity=900\nwindow=8h, 2d\nsmooth=false\n")
    with caplog.at_level(logging.WARNING):
        model = open_model()
    assert model.value == HeatmapSettings(smooth=False)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert any("'opacity'" in message and "900" in message for message in messages)
    assert any("'window'" in message for message in messages)


def test_a_place_that_cannot_be_written_is_logged_once_and_the_run_goes_on(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    store = QSettings(str(tmp_path / "file" / "settings.ini"), QSettings.Format.IniFormat)
    with caplog.at_level(logging.WARNING):
        model = SettingsModel(store)
        model.update(opacity=10)
        model.flush()
        model.flush()
    assert model.value.opacity == 10
    assert [record.getMessage() for record in caplog.records if "cannot be" in record.getMessage()] != []
    assert len(caplog.records) == 1
