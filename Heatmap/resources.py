"""Paths of shipped files that are not Python: shaders, page, JavaScript, translations."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent

# In the repository `shaders/` stands beside the package, in the wheel it lies inside.
SHADERS = PACKAGE / "shaders" if (PACKAGE / "shaders").is_dir() else PACKAGE.parent / "shaders"
CHART_PAGE = PACKAGE / "app" / "page"
CHART_LIBRARY = CHART_PAGE / "vendor" / "lightweight-charts.js"
JAVASCRIPT = PACKAGE / "ui" / "page" / "js"
TRANSLATIONS = PACKAGE / "translations"


def read_text(path: Path) -> str:
    """Return a shipped file as text.

    Raises
    ------
    FileNotFoundError
        The installation is incomplete; the message names the file.
    """
    return path.read_text(encoding="utf-8")
