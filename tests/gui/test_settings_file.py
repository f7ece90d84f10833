"""The program's settings file: whatever it contains, no code of it runs."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from pathlib import Path

import pytest
from PyQt6.QtCore import QSettings
from PyQt6.QtWidgets import QMainWindow

from Heatmap.app import window_state
from Heatmap.errors import SettingsError
from Heatmap.ui.settings_file import is_plain, own_settings
from Heatmap.ui.settings_model import SettingsModel

pytestmark = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="settings are in no file of lines there")


class Code:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def variant(path: Path) -> str:
    """Return the value of an ini file that holds a pickled object, as Qt writes it."""
    name, pickled = b"PyQt_PyObject\0", pickle.dumps(Code(path))
    raw = struct.pack(">II", 127, len(name)) + name + struct.pack(">I", len(pickled)) + pickled
    return "@Variant(" + "".join(f"\\x{byte:x}" for byte in raw) + ")"


@pytest.fixture
def folder(tmp_path):
    """Where QSettings looks for the files of this test."""
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, str(tmp_path))
    yield tmp_path
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    QSettings.setPath(QSettings.Format.NativeFormat, QSettings.Scope.UserScope, str(home))


def written(folder: Path, text: str) -> Path:
    path = folder / "Org" / "App.conf"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_pyqt_runs_what_a_settings_file_says(folder):
    """The reason for all of this; where it fails, the check can go."""
    written(folder, f"[heatmap]\npalette={variant(folder / 'ran')}\n")
    QSettings("Org", "App").value("heatmap/palette")
    assert (folder / "ran").is_dir()


def test_a_file_with_objects_is_moved_aside_before_it_is_read(folder, caplog, qapp):
    del qapp
    path = written(folder, f"[heatmap]\nopacity=50\npalette={variant(folder / 'ran')}\n")
    store = own_settings("Org", "App")
    model = SettingsModel(store)
    assert not (folder / "ran").exists()
    assert "can run any code" in caplog.text
    assert (folder / "Org" / "App.conf.refused").is_file()
    assert model.value.opacity != 50
    model.update(opacity=60)
    model.flush()
    assert SettingsModel(own_settings("Org", "App")).value.opacity == 60
    assert path.is_file()


def test_settings_of_the_organization_are_not_read(folder):
    (folder / "Org.conf").write_text(f"[heatmap]\npalette={variant(folder / 'ran')}\n")
    assert own_settings("Org", "App").value("heatmap/palette") is None
    assert not (folder / "ran").exists()


def test_a_file_that_cannot_be_moved_is_not_read(folder, monkeypatch):
    written(folder, f"[heatmap]\npalette={variant(folder / 'ran')}\n")

    def refuse(*_):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(SettingsError, match="delete it"):
        own_settings("Org", "App")
    assert not (folder / "ran").exists()


def hidden(path: Path) -> list[str]:
    plain = variant(path)
    rest = plain[1:]
    return [
        plain, f'"{plain}"', f"  {plain}", f"a, {plain}", f'"a", "{plain}"', f"\\x40{rest}", f"\\x0040{rest}",
        f"\\x10040{rest}", f"\\100{rest}", f"\\200100{rest}", f"\\q{plain}", f"\\x{plain}", f"\\\n{plain}",
        f'@"{rest}"', f'""{plain}', f"@\\q{rest}",
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(16))
def test_no_way_to_write_an_object_is_plain(folder, number):
    """Whatever Qt reads as an object is found: both are asked about the same text."""
    value = hidden(folder / "ran")[number]
    text = f"[heatmap]\npalette={value}\n"
    path = folder / "x.ini"
    path.write_text(text)
    QSettings(str(path), QSettings.Format.IniFormat).value("heatmap/palette")
    has_run = (folder / "ran").exists()
    assert not (has_run and is_plain(text.encode()))
    assert has_run or number > 0


def test_what_the_program_stores_is_plain(tmp_path, qapp):
    del qapp
    store = QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat)
    model = SettingsModel(store)
    model.update(source="binance+okx", opacity=50, min_notional_usd=1e6, gaps=False, time_zone="Asia/Tokyo")
    model.presets.save("Größe = @Variant(1), 50 %")
    model.remember("x", value=True)
    window_state.save(QMainWindow(), store)
    store.setValue("program/symbols", "BTCUSDT,牛来USDT,币安人生USDT")
    store.setValue("program/cjk", "幀USDT, 幀")
    model.flush()
    assert is_plain((tmp_path / "s.ini").read_bytes()), (tmp_path / "s.ini").read_text()
