"""Names of sources for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from Heatmap.ui.translation import Translator


def sources_text(sources: Sequence[str], translator: Translator) -> str:
    """Return the names of sources, e.g. ``Binance, OKX``."""
    return ", ".join(translator.text(f"settings.source.choice.{source}") for source in sources)
