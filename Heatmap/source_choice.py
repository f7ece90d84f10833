"""Choice of the sources that are shown together: a set of exchanges, or one source that is never mixed with others."""

from __future__ import annotations

from typing import Final

from Heatmap.events import Source

Sources = str | tuple[str, ...]
"""One source, or several whose events are read together."""

_ALONE: Final = (Source.COIN_M, Source.DEMO, Source.REPLAY)

VENUES: Final = tuple(source for source in Source if source not in _ALONE)
"""Sources that may be shown together, in the order of texts and lists."""

ALL: Final = "all"
"""All of `VENUES`, those of later versions included."""

CHOICES: Final = (ALL, *VENUES, *_ALONE)

_BETWEEN: Final = "+"  # not a comma: settings files read that as a list


def each_source(sources: Sources) -> tuple[str, ...]:
    """Return the sources one by one."""
    return (sources,) if isinstance(sources, str) else sources


def chosen_sources(text: str) -> tuple[Source, ...]:
    """Return the sources of a choice: `ALL`, any of `VENUES` with "+" between them, or one other; () if it is none.

    Order, repetition and blanks do not matter.
    """
    if text.strip() == ALL:
        return VENUES
    try:
        names = {Source(name.strip()) for name in text.split(_BETWEEN)}
    except ValueError:
        return ()
    return tuple(venue for venue in VENUES if venue in names) if names <= set(VENUES) else _single(names)


def choice_text(sources: tuple[Source, ...]) -> str:
    """Return the text of a choice, of which `chosen_sources` returns the same sources."""
    return ALL if sources == VENUES else _BETWEEN.join(sources)


def _single(names: set[Source]) -> tuple[Source, ...]:
    return tuple(names) if len(names) == 1 else ()
