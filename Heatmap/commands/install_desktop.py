"""``heatmap install-desktop``: an entry with icons in the menu of a freedesktop.org desktop, for this user.

The entry starts this interpreter or bundle by its absolute path, whatever the ``PATH`` of the desktop is; once that is
gone, desktops hide it (``TryExec``).
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import platformdirs

from Heatmap.app import DESKTOP_ID, ICON
from Heatmap.child_process import program_command
from Heatmap.errors import MenuEntryError
from Heatmap.exit_code import ExitCode
from Heatmap.message_catalogue import catalogue
from Heatmap.output_file import written
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

_PNG_SIZES_PX: Final = (48, 256)
# What the specification of desktop entries asks to escape within double quotes.
_ESCAPED: Final = re.compile(r'(["`$\\])')
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./:+,@-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--remove", action="store_true", help="remove entry and icons again")


def run(options: argparse.Namespace) -> int:
    """Write or remove entry and icons, and print where; elsewhere than on such desktops print what to do instead.

    Raises
    ------
    MenuEntryError
        The files cannot be written or removed, or the program's path cannot stand in an entry.
    """
    if (advice := _advice(sys.platform)) is not None:
        sys.stdout.write(advice)
        return ExitCode.PROBLEM
    folder = _data_folder()
    try:
        sys.stdout.write(_remove(folder) if options.remove else _install(folder))
    except OSError as error:
        raise MenuEntryError(
            f"the menu entry: {error}",
            short=f"The menu entry in {folder} cannot be changed: {error.strerror or error}.",
        ) from error
    return ExitCode.OK


def desktop_entry(command: Sequence[str]) -> str:
    """Return the entry's text for a command line, its first item an absolute path.

    Raises
    ------
    MenuEntryError
        An item has a control character or is not UTF-8, or the path has ``=``: such a command cannot be written there.
    """
    for item in command:
        if _CONTROL.search(item):
            raise MenuEntryError(f"expected a path of printable characters, was {item!r}: install it elsewhere")
    if "=" in command[0]:
        raise MenuEntryError(f"expected a program without '=' in its path, was {command[0]!r}: install it elsewhere")
    first, *others = LANGUAGES
    lines = ["[Desktop Entry]", "Version=1.4", "Type=Application"]
    for key, text in (("Name", "desktop.name"), ("Comment", "desktop.comment"), ("Keywords", "desktop.keywords")):
        lines.append(f"{key}={catalogue(first)[text]}")
        lines += [f"{key}[{code}]={catalogue(code)[text]}" for code in others]
    lines += [
        f"TryExec={_string(command[0])}",
        f"Exec={' '.join(_string(_argument(item)) for item in command)}",
        f"Icon={DESKTOP_ID}",
        "Terminal=false",
        "Categories=Office;Finance;",
        "StartupWMClass=heatmap",
    ]
    return "".join(f"{line}\n" for line in lines)


def _argument(text: str) -> str:
    """Return an argument as ``Exec`` wants it, before the escapes that each string has."""
    text = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return text
    escaped = _ESCAPED.sub(r"\\\1", text)
    return f'"{escaped}"'


def _string(text: str) -> str:
    return text.replace("\\", "\\\\")


def _data_folder() -> Path:
    try:
        return platformdirs.user_data_path()
    except RuntimeError as error:
        raise MenuEntryError(f"no data folder: {error}", short="This user has no home folder: set HOME.") from error


def _files(folder: Path) -> tuple[Path, Path, dict[int, Path]]:
    """Return the paths of the entry, of the SVG icon, and of the PNG icons by their size."""
    icons = folder / "icons" / "hicolor"
    small = {size_px: icons / f"{size_px}x{size_px}" / "apps" / f"{DESKTOP_ID}.png" for size_px in _PNG_SIZES_PX}
    return folder / "applications" / f"{DESKTOP_ID}.desktop", icons / "scalable" / "apps" / f"{DESKTOP_ID}.svg", small


def _install(folder: Path) -> str:
    entry, vector, small = _files(folder)
    text = desktop_entry(program_command()).encode()
    contents = {vector: ICON.read_bytes(), **{path: _png(size_px) for size_px, path in small.items()}, entry: text}
    for path, content in contents.items():
        with written(path) as file:
            file.write(content)
    return f"menu entry: {entry}\nremove it with: heatmap install-desktop --remove\n"


def _remove(folder: Path) -> str:
    entry, vector, small = _files(folder)
    if not entry.exists():
        return f"there is no menu entry {entry}\n"
    for path in (entry, vector, *small.values()):
        path.unlink(missing_ok=True)
    return f"removed: {entry}\n"


def _png(size_px: int) -> bytes:
    """Return the icon as a square PNG."""
    from PyQt6.QtCore import QBuffer  # noqa: PLC0415 - other commands do without Qt
    from PyQt6.QtGui import QImage, QPainter  # noqa: PLC0415
    from PyQt6.QtSvg import QSvgRenderer  # noqa: PLC0415

    image = QImage(size_px, size_px, QImage.Format.Format_ARGB32)
    image.fill(0)
    painter = QPainter(image)
    QSvgRenderer(str(ICON)).render(painter)
    painter.end()
    content = QBuffer()
    image.save(content, "PNG")
    return content.data().data()


def _advice(platform: str) -> str | None:
    """Return what to do by hand on a platform without desktop entries, None on all others."""
    if platform == "win32":
        way = "press the right mouse button on the desktop, choose New and Shortcut, and enter as location"
        command = subprocess.list2cmdline(program_command())
    elif platform == "darwin":
        way = "open Automator, make an Application with the action Run Shell Script, and enter"
        command = shlex.join(program_command())
    else:
        return None
    return f"This command makes menu entries on Linux. Here, {way}:\n  {command}\n"
