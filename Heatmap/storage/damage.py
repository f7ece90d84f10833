"""Values that no recorder stores: a damaged file, or one that somebody has altered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from Heatmap.errors import DamagedDatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What reading raises where a value has another type, size or sign than the schema allows.
WRONG_VALUES: Final = (UnicodeError, OverflowError, TypeError, ValueError)


def wrong_value(name: str, error: Exception) -> DamagedDatabaseError:
    """Return the error for a database ``name``, of which a value could not be used."""
    return DamagedDatabaseError(
        f"{name} has a value that the program does not store: {error!r}",
        short=f"The database {name} is damaged or was altered: it has values that the program does not store.",
    )


@contextmanager
def sound_values(name: str) -> Iterator[None]:
    """Raise `DamagedDatabaseError` where a block fails over a value of the database ``name``."""
    try:
        yield
    except WRONG_VALUES as error:
        raise wrong_value(name, error) from error
