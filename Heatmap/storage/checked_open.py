"""Opening a database to write into it: looked through first, and replaced if it is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError
from Heatmap.storage.damage_recovery import check, is_ours_in_ruins, rescue
from Heatmap.storage.migrations import open_database

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.storage.connection import RecordConnection


@dataclass(frozen=True, slots=True)
class SoundFile:
    """An open database.

    Attributes
    ----------
    connection
        To write by; only for the thread that opened it.
    is_checked
        False if it was not looked through, for another program is at work in it.
    notice
        A sentence for people if it takes the place of a damaged one, "" otherwise.
    """

    connection: RecordConnection
    is_checked: bool
    notice: str = ""


def open_sound(
    path: Path, clock: Clock, *, is_wanted: Callable[[sqlite3.Connection], bool], goes_on: Callable[[], bool]
) -> SoundFile:
    """Open a database, creating it if it is missing and replacing it if it is damaged.

    Parameters
    ----------
    path, clock
        The file; wall time for the name of a damaged one.
    is_wanted
        Whether the file is to be looked through, given its connection.
    goes_on
        Asked again and again meanwhile; False ends it.

    Raises
    ------
    StorageError
        As `Heatmap.storage.migrations.open_database` and `Heatmap.storage.damage_recovery.rescue`.
    """
    try:
        connection = open_database(path)
    except NotADatabaseError:
        if not is_ours_in_ruins(path):
            raise
    except DamagedDatabaseError:
        # The schema itself cannot be read.
        pass
    else:
        try:
            if not is_wanted(connection):
                return SoundFile(connection, is_checked=False)
            check(connection, path, goes_on=goes_on)
        except DamagedDatabaseError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return SoundFile(connection, is_checked=True)
    salvage = rescue(path, clock)
    notice = "" if salvage is None else salvage.sentence(path)
    return SoundFile(open_database(path), is_checked=True, notice=notice)
