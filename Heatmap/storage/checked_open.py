"""Opening a database for writing: checked first, and replaced if it is damaged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from Heatmap.errors import DamagedDatabaseError, NotADatabaseError
from Heatmap.storage.damage_recovery import check, is_damaged_record, rescue
from Heatmap.storage.migrations import open_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from Heatmap.clock import Clock
    from Heatmap.storage.connection import RecordConnection


@dataclass(frozen=True, slots=True)
class CheckedDatabase:
    """An open database.

    Attributes
    ----------
    connection
        To write by; only for the thread that opened it.
    is_checked
        False if no check was wanted.
    notice
        A sentence for people if the file replaces a damaged one, "" otherwise.
    """

    connection: RecordConnection
    is_checked: bool
    notice: str = ""


def open_checked(
    path: Path, clock: Clock, *, wants_check: Callable[[], bool], goes_on: Callable[[], bool]
) -> CheckedDatabase:
    """Open a database, creating it if it is missing and replacing it if it is damaged.

    Parameters
    ----------
    path, clock
        The file; wall time for the name of a damaged one.
    wants_check
        Asked once the file is open.
    goes_on
        Asked about every millisecond of the check; False ends it.

    Raises
    ------
    StorageError
        As `Heatmap.storage.migrations.open_database` and `Heatmap.storage.damage_recovery.rescue`.
    """
    try:
        connection = open_database(path)
    except NotADatabaseError:
        if not is_damaged_record(path):
            raise
    except DamagedDatabaseError:
        # The schema itself cannot be read.
        pass
    else:
        try:
            is_checked = wants_check()
            if is_checked:
                check(connection, path, goes_on=goes_on)
        except DamagedDatabaseError:
            connection.close()
        except BaseException:
            connection.close()
            raise
        else:
            return CheckedDatabase(connection, is_checked)
    recovered = rescue(path, clock)
    notice = "" if recovered is None else recovered.sentence(path)
    return CheckedDatabase(open_database(path), is_checked=True, notice=notice)
