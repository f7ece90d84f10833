"""Text of exchanges, pages and files as one line that cannot pass for another, for logs, terminals and messages."""

from __future__ import annotations

from typing import Final

MOST_CHARS: Final = 2000

_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
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


def csv_cell(value: object) -> object:
    """Return a value for a CSV file; a text that a spreadsheet would take for a formula gets an apostrophe in front.

    That is how spreadsheets mark text themselves. Numbers stay numbers; `from_csv_cell` takes the apostrophe away.
    """
    return f"'{value}" if isinstance(value, str) and _is_like_formula(value) else value


def from_csv_cell(text: str) -> str:
    """Return the text of which `csv_cell` made a cell."""
    return text[1:] if text.startswith("'") and _is_like_formula(text) else text


def _is_like_formula(text: str) -> bool:
    return text.lstrip("'").startswith(_FORMULA_STARTS)
