"""Qt bindings other than PyQt6, whose objects cannot be used together with it. Imports none of them."""

from __future__ import annotations

import sys
from typing import Final

from Heatmap.errors import AttachError

_OTHERS: Final = ("PySide6", "PyQt5", "PySide2")
_REMEDY: Final = (
    "Use PyQt6 throughout. lightweight-charts takes it if this stands before its first import:"
    " sys.modules['PyQt5'] = sys.modules['PySide6'] = None"
)


def check_binding(view: object) -> None:
    """Raise `AttachError` if a view comes from another Qt binding than PyQt6."""
    roots = {base.__module__.partition(".")[0] for base in type(view).__mro__}
    binding = next((name for name in _OTHERS if name in roots), None)
    if binding is not None:
        raise AttachError(
            f"expected a QWebEngineView of PyQt6, was {name_of(view)}: widgets of {binding} and of PyQt6 cannot be used"
            f" together. {_REMEDY}"
        )


def explained(error: ImportError) -> AttachError | None:
    """Return the error to raise if PyQt6 cannot be loaded beside another binding, None if that is not the reason."""
    binding = next((name for name in _OTHERS if f"{name}.QtCore" in sys.modules), None)
    if binding is None:
        return None
    return AttachError(
        f"expected a program that uses PyQt6, was one that has loaded {binding}: both cannot be loaded into one program"
        f" ({error}). {_REMEDY}"
    )


def name_of(thing: object) -> str:
    """Return what an argument is, for an error's text."""
    if thing is None:
        return "None"
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
