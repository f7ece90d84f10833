"""The program's entry in the menu of a desktop: what it starts, where it lies, and that it goes away again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
from PyQt6.QtGui import QImage

from Heatmap.cli import main
from Heatmap.commands import install_desktop
from Heatmap.commands.install_desktop import desktop_entry
from Heatmap.errors import MenuEntryError
from Heatmap.exit_code import ExitCode

ENTRY = "applications/liquidation-heatmap.desktop"
LINUX = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="there are no such menu entries")


def values_of(text):
    """The entry's keys and values, strings without their escapes."""
    lines = [line.partition("=") for line in text.splitlines() if "=" in line]
    return {key: value.replace(r"\\", "\\") for key, _, value in lines}


def arguments_of(text):
    """The command line that a desktop makes of `Exec`, by the rules of the specification."""
    parts = re.findall(r'"((?:\\.|[^"\\])*)"|(\S+)', values_of(text)["Exec"])
    return [(re.sub(r"\\(.)", r"\1", quoted) or plain).replace("%%", "%") for quoted, plain in parts]


def is_valid(entry):
    """True if the desktops' own check is content; where it is not installed it is not asked."""
    check = shutil.which("desktop-file-validate")
    if check is None:
        return True
    done = subprocess.run([check, str(entry)], capture_output=True, text=True, check=False)
    return (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    "command",
    [
        ["/usr/bin/python3", "-P", "-m", "Heatmap"],
        ['/home/ann lee/my $venv/`x`/100%/"q"/it\'s/back\\slash/bin/python', "-P", "-m", "Heatmap"],
        ["/opt/Überblick (neu)/heatmap"],
    ],
)
def test_the_entry_starts_the_command_whatever_its_path(command, tmp_path):
    text = desktop_entry(command)
    assert arguments_of(text) == command
    assert values_of(text)["TryExec"] == command[0]
    file = tmp_path / "x.desktop"
    file.write_text(text, encoding="utf-8")
    assert is_valid(file)


def test_the_entry_has_its_names_in_each_language():
    values = values_of(desktop_entry(["/heatmap"]))
    assert (values["Name"], values["Name[de]"]) == ("Liquidation Heatmap", "Liquidations-Heatmap")
    assert values["Comment"] != values["Comment[de]"]


@pytest.mark.parametrize("path", ["/a\nExec=evil", "/a=b/heatmap", "/a\udcff"])
def test_a_path_that_cannot_stand_in_an_entry_is_refused(path):
    with pytest.raises(MenuEntryError, match="install it elsewhere"):
        desktop_entry([path])


@LINUX
def test_the_entry_is_installed_with_icons_and_removed(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for _ in range(2):  # a second time it is the same
        assert main(["install-desktop"]) == ExitCode.OK
    entry = tmp_path / ENTRY
    assert str(entry) in capsys.readouterr().out
    assert arguments_of(entry.read_text(encoding="utf-8")) == [sys.executable, "-P", "-m", "Heatmap"]
    assert is_valid(entry)
    icons = {path for path in tmp_path.rglob("liquidation-heatmap.*") if path != entry}
    assert {path.suffix for path in icons} == {".svg", ".png"}
    for path in icons:
        image = QImage(str(path))
        wanted = re.search(r"/(\d+)x\1/", path.as_posix())
        assert not image.isNull()
        assert wanted is None or image.width() == image.height() == int(wanted[1])
        middle = image.pixelColor(image.width() // 2, image.height() // 2)
        assert middle.alpha() == 255, "the icon has a ground"

    assert main(["install-desktop", "--remove"]) == ExitCode.OK
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert main(["install-desktop", "--remove"]) == ExitCode.OK
    assert "there is no menu entry" in capsys.readouterr().out


@LINUX
def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch, capsys):
    (tmp_path / "icons").write_text("a file")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert main(["install-desktop"]) == ExitCode.PROBLEM
    error = capsys.readouterr().err
    assert f"The menu entry in {tmp_path} cannot be changed" in error
    assert not (tmp_path / ENTRY).exists()


@pytest.mark.parametrize(("platform", "word"), [("win32", "Shortcut"), ("darwin", "Automator")])
def test_other_systems_are_told_what_to_do(platform, word, monkeypatch, capsys):
    monkeypatch.setattr(install_desktop.sys, "platform", platform)
    assert main(["install-desktop"]) == ExitCode.PROBLEM
    text = capsys.readouterr().out
    assert word in text
    assert os.path.basename(sys.executable) in text  # noqa: PTH119 - a name of either system
