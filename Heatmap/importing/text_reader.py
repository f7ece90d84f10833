"""Text of a file of any size, line by line in constant memory: UTF-8 or UTF-16, with or without a byte order mark."""

from __future__ import annotations

import codecs
import io
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Self

from Heatmap.errors import RowError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from gzip import GzipFile

# Twice a frame: in an exported CSV a frame is one column, its quotes doubled.
MAX_LINE_CHARS: Final = 132 * 1024
"""Longest line that is read, in characters."""

_HEAD_LINES: Final = 40
_HEAD_CHARS: Final = 64 * 1024
_SAMPLE_BYTES: Final = 64
_ZEROS: Final = 0.35  # share of zeros above which a text is UTF-16
_NOT_TEXT: Final = re.compile("[\udc80-\udcff]")  # how Python marks bytes that are not UTF-8


class TextReader:
    """Reader of a binary stream as text with plain line feeds, to be used in a ``with`` statement.

    What the stream raises while it is read is passed on; it stays open.
    """

    def __init__(self, stream: io.BufferedReader[Any] | GzipFile) -> None:
        encoding = _encoding_of(stream)
        # Bytes that are no text are marked, so that only their line is refused.
        errors = "replace" if encoding.startswith("utf-16") else "surrogateescape"
        self._file = io.TextIOWrapper(stream, encoding, errors)
        self._ahead: deque[str] = deque()  # read by `head`, and still to be returned
        self._damage: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.detach()

    def head(self) -> list[tuple[int, str]]:
        """Return number and content of the first lines that are not blank, without consuming them.

        At most 40 lines and about 64,000 characters. Where the stream is damaged the lines before that are returned.
        """
        while len(self._ahead) < _HEAD_LINES and sum(map(len, self._ahead)) < _HEAD_CHARS and self._damage is None:
            try:
                line = self._file.readline(MAX_LINE_CHARS + 1)
            except Exception as error:  # noqa: BLE001 - raised again when the reader gets there
                self._damage = error
                break
            if not line:
                break
            self._ahead.append(line)
        return [(number, line.strip("\n")) for number, line in enumerate(self._ahead, start=1) if not line.isspace()]

    def read_line(self) -> str:
        """Return the next line with its end, at most its first `MAX_LINE_CHARS` + 1 characters; "" at the file's end.

        What is left of a longer line is returned by the next call.
        """
        if self._ahead:
            return self._ahead.popleft()
        if self._damage is not None:
            raise self._damage
        return self._file.readline(MAX_LINE_CHARS + 1)

    def lines(self) -> Iterator[tuple[int, str | RowError]]:
        """Yield number and content of each line that is not blank, without its end, or why it cannot be read.

        Numbers count from 1. A `RowError` stands for a line that is too long (``"too-long"``) or no text
        (``"not-text"``).
        """
        number = 0
        while line := self.read_line():
            number += 1
            if len(line) > MAX_LINE_CHARS and not line.endswith("\n"):
                while (rest := self.read_line()) and not rest.endswith("\n"):
                    pass
                yield number, RowError("too-long", "the line is longer than any liquidation")
                continue
            text = line.strip("\n")
            if not text or text.isspace():
                continue
            if not text.isascii() and _NOT_TEXT.search(text):
                yield number, RowError("not-text", "the line is not UTF-8 text")
            else:
                yield number, text


def _encoding_of(stream: io.BufferedReader[Any] | GzipFile) -> str:
    sample = stream.peek(_SAMPLE_BYTES)[:_SAMPLE_BYTES]
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    # In UTF-16 every second byte of ASCII characters is zero.
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if odd > len(sample) * _ZEROS and not even:
        return "utf-16-le"
    return "utf-16-be" if even > len(sample) * _ZEROS and not odd else "utf-8"
