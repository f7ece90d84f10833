"""What the program says, in German and English: the catalogues, without Qt, so that the command line has them, too."""

from __future__ import annotations

import tomllib
from functools import cache
from string import Formatter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from Heatmap.resources import TRANSLATIONS, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LANGUAGES: Final = ("en", "de")


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return all texts of one of `LANGUAGES` by dotted key.

    Raises
    ------
    FileNotFoundError
        The installation is incomplete.
    """
    tree = tomllib.loads(read_text(TRANSLATIONS / f"{language}.toml"))
    return MappingProxyType(dict(_flattened(tree, "")))


def placeholders(text: str) -> frozenset[str]:
    """Return the names in braces that a text wants filled in."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)


def _flattened(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, item in tree.items():
        key = prefix + name
        if isinstance(item, str):
            yield key, item
        else:
            yield from _flattened(item, key + ".")
