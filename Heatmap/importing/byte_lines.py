"""Lines of a file of any size, in constant memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

# Twice a frame: in an exported CSV a frame is one column, its quotes doubled.
MAX_LINE_BYTES: Final = 132 * 1024
"""Longest line that is read, in bytes."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def byte_lines(file: BufferedIOBase) -> Iterator[tuple[int, bytes | None]]:
    """Yield number and content of each line that is not blank; None for one longer than `MAX_LINE_BYTES`.

    Numbers count from 1; a byte order mark at the beginning is removed.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield number, None
        elif line.strip():
            yield number, line
