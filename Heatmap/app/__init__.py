"""The stand-alone program: a chart window that uses the plugin as any host would."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DESKTOP_ID: Final = "liquidation-heatmap"
"""Name of the program's entry and icon in a desktop's menu."""

ICON: Final = Path(__file__).with_name("icon.svg")
"""The program's icon."""
