"""Decoding of the page's messages."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from Heatmap.errors import BridgeError

MAX_MESSAGE_CHARS: Final = 1_000_000

_Message = TypeVar("_Message", bound=msgspec.Struct)


def decode(text: str, kind: type[_Message]) -> _Message:
    """Return a message of a type that states its bounds; any other text raises `BridgeError`."""
    if len(text) > MAX_MESSAGE_CHARS:
        raise BridgeError(f"expected at most {MAX_MESSAGE_CHARS} characters from the page, was {len(text)}")
    try:
        return msgspec.json.decode(text, type=kind)
    # JavaScript's strings may contain half of a surrogate pair, which UTF-8 cannot encode.
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise BridgeError(f"the page sent a bad {kind.__name__}: {error}; began {text[:120]!r}") from error
