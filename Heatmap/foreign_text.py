"""Text of exchanges, pages and files as one line that cannot pass for another, for logs, terminals and messages."""

from __future__ import annotations

from typing import Final

MOST_CHARS: Final = 2000

_BLANKS: Final = "\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}"


def one_line(text: str, *, most: int = MOST_CHARS) -> str:
    """Return a text with escapes for line breaks, terminal commands and all else that is not printable.

    At most ``most`` characters, the last of which is then "…".
    """
    if len(text) > most:
        text = f"{text[: most - 1]}…"
    if text.isprintable():
        return text
    escaped = "".join(
        char if char.isprintable() or char in _BLANKS else char.encode("unicode_escape").decode() for char in text
    )
    return escaped if len(escaped) <= most else f"{escaped[: most - 1]}…"
