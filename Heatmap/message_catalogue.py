"""Catalogues of the program's texts, one for each language; without Qt, so that the command line can use them."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from Heatmap.vocabulary import LANGUAGES, PALETTE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRANSLATIONS: Final = Path(__file__).parent / "translations"


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return all texts of one of `LANGUAGES` by dotted key.

    A language is offered under its own name. A palette that has no text is offered under its name in the source.
    """
    palettes = {f"settings.palette.choice.{name}": name.replace("_", " ").capitalize() for name in PALETTE_NAMES}
    languages = {f"settings.language.choice.{name}": written_texts(name)["language.name"] for name in LANGUAGES}
    return MappingProxyType({**palettes, **languages, **written_texts(language)})


@cache
def written_texts(language: str) -> Mapping[str, str]:
    """Return the texts of one catalogue file by dotted key."""
    tree = tomllib.loads((TRANSLATIONS / f"{language}.toml").read_text(encoding="utf-8"))
    return dict(_flattened(tree, ""))


def _flattened(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, item in tree.items():
        key = prefix + name
        if isinstance(item, str):
            yield key, item
        else:
            yield from _flattened(item, key + ".")
