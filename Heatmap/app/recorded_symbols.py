"""The symbols that the program records, from one run to the next; the shown one is the first."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from Heatmap.errors import SettingsError
from Heatmap.events import DEFAULT_SYMBOL, Source
from Heatmap.ingestion.venues import venue_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PyQt6.QtCore import QSettings

log = logging.getLogger(__name__)

KEY: Final = "program/symbols"
_BETWEEN: Final = ","


def store_symbols(store: QSettings, shown: str, recorded: Sequence[str]) -> None:
    """Store the symbols for the next run."""
    store.setValue(KEY, _BETWEEN.join(dict.fromkeys((shown, *recorded))))


def symbols_to_record(store: QSettings, asked: Sequence[str], *, source: str = Source.BINANCE) -> tuple[str, ...]:
    """Return the symbols of the command line and then those of the last run; in place of the default one only those.

    Stored words that cannot be symbols of the source are left aside and logged.
    """
    stored = _stored(store, source)
    if stored and tuple(asked) == (DEFAULT_SYMBOL,):
        return stored
    return tuple(dict.fromkeys((*asked, *stored)))


def _stored(store: QSettings, source: str) -> tuple[str, ...]:
    symbols = []
    for word in str(store.value(KEY, "") or "").split(_BETWEEN):
        try:
            if word:
                symbols.append(venue_of(source).normalise_symbol(word))
        except SettingsError as error:
            log.warning("%s: %s is left aside: %s", store.fileName(), KEY, error)
    return tuple(dict.fromkeys(symbols))
