"""Numbers with their nouns in English, for log and command line."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with a noun whose plural ends in "s", e.g. ``"1 row"``, ``"1,203 liquidations"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
