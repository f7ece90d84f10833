"""The shared statements of `Heatmap.storage` in PostgreSQL's words."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count
from typing import Final

_HINT: Final = re.compile(r"\b(?:NOT INDEXED|INDEXED BY \w+)")
_PLACE: Final = re.compile(r"\?(\d*)")


@lru_cache(maxsize=256)
def translated(statement: str) -> str:
    """Return a statement with ``$1`` for ``?1`` or the first ``?``, and without SQLite's hints."""
    numbers = count(1)
    return _PLACE.sub(lambda place: f"${place[1] or next(numbers)}", _HINT.sub("", statement))
