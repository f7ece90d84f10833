"""Dark Qt palette for the stand-alone program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PyQt6.QtGui import QColor, QPalette

if TYPE_CHECKING:
    from PyQt6.QtWidgets import QApplication

WINDOW, BASE, BUTTON = QColor("#161a21"), QColor("#0e1116"), QColor("#232933")
TEXT, DIM, ACCENT = QColor("#d5dae2"), QColor("#7d8796"), QColor("#2f7fd1")


def apply_dark_look(application: QApplication) -> None:
    """Set Qt's Fusion style with dark colours, the same on every desktop."""
    application.setStyle("Fusion")
    role, group = QPalette.ColorRole, QPalette.ColorGroup
    palette = QPalette()
    for color, roles in (
        (WINDOW, (role.Window, role.AlternateBase)),
        (BASE, (role.Base,)),
        (BUTTON, (role.Button, role.ToolTipBase, role.Mid)),
        (TEXT, (role.WindowText, role.Text, role.ButtonText, role.ToolTipText, role.BrightText)),
        (DIM, (role.PlaceholderText,)),
        (ACCENT, (role.Highlight, role.Link)),
        (QColor("white"), (role.HighlightedText,)),
        (QColor("#3a4250"), (role.Light, role.Midlight)),
        (QColor("#07090c"), (role.Dark, role.Shadow)),
    ):
        for each in roles:
            palette.setColor(each, color)
    for each in (role.WindowText, role.Text, role.ButtonText):
        palette.setColor(group.Disabled, each, DIM)
    application.setPalette(palette)
