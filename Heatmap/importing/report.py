"""What was taken from a file, what was not, and why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Rows that were not taken for one reason.

    Attributes
    ----------
    kind
        A stable word, e.g. ``"bad-price"``.
    rows
        How many.
    first_row
        Number of the first of them; a line's counts from 1, the header included.
    message
        What was wrong with that one; "" for rows that are merely set aside.
    """

    kind: str
    rows: int
    first_row: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file, or one member of a zip. All rows: taken + repeated + known + refused + set aside.

    Attributes
    ----------
    name
        The file's name; inside a zip with the member's.
    format
        What it is, see `Heatmap.importing.import_source`; "" if nothing that can be imported.
    rows
        Rows read, the header not counted.
    inserted
        Events that are new in the database.
    repeated
        Rows that the file itself repeats; Binance's COIN-M archive holds every row twice.
    known
        Events that the database had already.
    converted
        Rows, of the above, that are COIN-M contracts and were converted.
    refused
        Rows that cannot be taken.
    aside
        Rows that are fine and not wanted.
    problem
        Why the file could not be read, or not to its end; "" if it could.
    """

    name: str
    format: str = ""
    rows: int = 0
    inserted: int = 0
    repeated: int = 0
    known: int = 0
    converted: int = 0
    refused: tuple[Reason, ...] = ()
    aside: tuple[Reason, ...] = ()
    problem: str = ""

    @property
    def is_understood(self) -> bool:
        """True unless no row, of one or more, was recognised as a liquidation."""
        unknown = sum(reason.rows for reason in self.aside if reason.kind == "other-message")
        return self.rows == 0 or unknown < self.rows

    @property
    def is_complete(self) -> bool:
        """True if nothing had to be refused."""
        return not self.refused and not self.problem


class Tally:
    """Counts rows by the reason why they are not taken."""

    def __init__(self) -> None:
        self._found: dict[str, Reason] = {}

    def add(self, kind: str, row: int, message: str = "") -> None:
        """Count one row; the first of each kind is remembered."""
        known = self._found.get(kind)
        if known is None:
            self._found[kind] = Reason(kind, 1, row, message)
        else:
            self._found[kind] = Reason(kind, known.rows + 1, known.first_row, known.message)

    def reasons(self) -> tuple[Reason, ...]:
        """Return what was counted, in the order of the file."""
        return tuple(self._found.values())
