"""Named looks of the map: some built in, others saved by the user beside the settings."""

from __future__ import annotations

import json
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import quote, unquote

from PyQt6.QtCore import QObject, pyqtSignal

from Heatmap.errors import SettingsError
from Heatmap.heatmap_settings import FIELDS, Group, HeatmapSettings
from Heatmap.message_catalogue import catalogue
from Heatmap.vocabulary import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PyQt6.QtCore import QSettings

    from Heatmap.heatmap_settings import Value

UndoStep = Literal["reset", "preset"]

_LOG = logging.getLogger(__name__)
_FOLDER: Final = "heatmap/presets"
MAX_NAME_LENGTH: Final = 40

# What a preset contains: neither whether the map is shown, nor whose events, nor what is general.
LOOK: Final = tuple(
    key for key, spec in FIELDS.items() if spec.group not in (Group.SWITCH, Group.GENERAL) and key != "source"
)

# What differs from the defaults. The catalogues have the names (``preset.KEY``).
BUILT_IN: Final[Mapping[str, Mapping[str, Value]]] = MappingProxyType(
    {
        "standard": {},
        "levels": {"window": "2d", "trail": "60m", "spot_size": "medium", "normalization": "log"},
        "large": {"min_notional_usd": 100_000, "spot_size": "large"},
        "calm": {"opacity": 45, "trail": "off", "bubbles": False, "normalization": "sqrt", "gaps": False},
    }
)


class Settings(Protocol):
    """What presets need of a `SettingsModel`."""

    @property
    def value(self) -> HeatmapSettings: ...
    def update(self, **changes: object) -> None: ...
    def offer_undo(self, previous: HeatmapSettings, step: UndoStep) -> None: ...


class Presets(QObject):
    """The presets of a `SettingsModel`. Names are told apart without regard to upper and lower case.

    A preset that cannot be read stays in the list, so that it can be deleted.
    """

    changed = pyqtSignal()  # `names`

    def __init__(self, model: Settings, store: QSettings | None, parent: QObject) -> None:
        super().__init__(parent)
        self._model = model
        self._store = store
        self._looks: dict[str, tuple[dict[str, Value], list[str]]] = {}
        self._texts = self._read()  # values by key, as JSON, of each name

    def names(self) -> tuple[str, ...]:
        """Return the keys of `BUILT_IN`, then the user's names in alphabetical order."""
        return (*BUILT_IN, *sorted(self._texts, key=str.casefold))

    def is_built_in(self, name: str) -> bool:
        """Return True for a preset that cannot be replaced or deleted."""
        return name in BUILT_IN

    def look(self, name: str) -> tuple[dict[str, Value], list[str]]:
        """Return the values of a preset by key, and a sentence for each that is not valid and has its default.

        `SettingsError` if there is no such preset, or nothing of it can be read.
        """
        if name not in self._looks:  # asked for at every step of a slider
            problems: list[str] = []
            if name in BUILT_IN:
                settings = HeatmapSettings().replaced(**BUILT_IN[name])
            elif name in self._texts:
                settings, problems = HeatmapSettings.from_mapping(_parsed(name, self._texts[name]))
            else:
                raise SettingsError(f"There is no preset {name!r}; there are {', '.join(self.names())}.")
            self._looks[name] = _look_of(settings), problems
        look, problems = self._looks[name]
        return dict(look), list(problems)

    def apply(self, name: str) -> list[str]:
        """Change the settings to a preset; return what `look` found wrong, which is also logged.

        `SettingsModel.undo` takes it back. `SettingsError` as `look`.
        """
        look, problems = self.look(name)
        for problem in problems:
            _LOG.warning("preset %r: %s", name, problem)
        previous = self._model.value
        self._model.update(**look)
        self._model.offer_undo(previous, "preset")
        return problems

    def current(self) -> str | None:
        """Return the name of a preset that is as the settings are now, None if none is; the user's come first."""
        now = _look_of(self._model.value)
        for name in (*self.names()[len(BUILT_IN) :], *BUILT_IN):
            try:
                if self.look(name)[0] == now:
                    return name
            except SettingsError:
                continue
        return None

    def save(self, name: str) -> str:
        """Save the present look under a name, replacing the user's preset of that name; return the name as saved.

        `SettingsError` if the name is empty, too long, or that of a built-in preset.
        """
        name = " ".join(name.split())
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
            raise SettingsError(f"Preset: expected a name of 1 to {MAX_NAME_LENGTH} characters, was {name!r}.")
        if name.casefold() in _built_in_names():
            raise SettingsError(f"Preset {name!r} is built in and cannot be replaced: choose another name.")
        self._forget(name)
        self._texts[name] = text = json.dumps(_look_of(self._model.value))
        if self._store is not None:
            self._store.setValue(_key(name), text)
        self.changed.emit()
        return name

    def delete(self, name: str) -> None:
        """Delete one of the user's presets; `SettingsError` if there is none of that name."""
        if name not in self._texts:
            raise SettingsError(f"There is no saved preset {name!r} to delete.")
        self._forget(name)
        self.changed.emit()

    def _forget(self, name: str) -> None:
        for each in [each for each in self._texts if each.casefold() == name.casefold()]:
            del self._texts[each]
            self._looks.pop(each, None)
            if self._store is not None:
                self._store.remove(_key(each))

    def _read(self) -> dict[str, str]:
        if self._store is None:
            return {}
        self._store.beginGroup(_FOLDER)
        stored = {unquote(key): self._store.value(key) for key in self._store.childKeys()}
        self._store.endGroup()
        texts = {name: raw if isinstance(raw, str) else "" for name, raw in stored.items()}
        for name, text in texts.items():
            try:
                _parsed(name, text)
            except SettingsError as error:
                _LOG.warning("%s: %s", self._store.fileName(), error)
        return texts


def _look_of(settings: HeatmapSettings) -> dict[str, Value]:
    return {key: getattr(settings, key) for key in LOOK}


def _key(name: str) -> str:
    return f"{_FOLDER}/{quote(name, safe='')}"  # a "/" would make a folder


def _parsed(name: str, text: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise SettingsError(f"The saved preset {name!r} cannot be read: delete it and save it again.")
    return {key: value for key, value in values.items() if key in LOOK or key not in FIELDS}


def _built_in_names() -> set[str]:
    """Return the keys and, in every language, the names of the built-in presets, in lower case."""
    shown = (catalogue(language)[f"preset.{key}"] for language in LANGUAGES for key in BUILT_IN)
    return {name.casefold() for name in (*BUILT_IN, *shown)}
