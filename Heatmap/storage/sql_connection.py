"""The part of Python's database interface that shared statements need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Cursor(Protocol):
    """The part of a database cursor that is used."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """The part of a database connection that shared statements need; placeholders are ``?`` and ``?1``."""

    @property
    def row_errors(self) -> tuple[type[Exception], ...]:
        """Errors of one unacceptable row; all others concern the whole database."""

    @property
    def delete_rows(self) -> int:
        """Most rows that one statement should delete."""

    def execute(self, statement: str, values: Sequence[Any] = (), /) -> Cursor: ...

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> Cursor: ...
