"""The settings file of the program itself, checked before a value of it is read.

PyQt stores an unknown Python object pickled, and unpickles it when its value is read: such a file can run any code. The
program stores texts, numbers and bytes only, so a file with anything else was written by somebody else.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Final

from PyQt6.QtCore import QSettings

from Heatmap.errors import SettingsError

_LOG = logging.getLogger(__name__)

# A value, or an element of a list, that Qt would read as "@" and a type other than those of bytes and of nothing; also
# one that begins with an escape of "@", or with an escape that Qt passes over. Conservative: it knows no quotes.
_TYPED: Final = re.compile(
    rb"""[=,][\s"]*(?:
        @(?!@|ByteArray\(|Invalid\(\))
        |\\(?:x(?:[0-9a-f]*00|0*)40(?![0-9a-f])|[0-7]*100(?![0-7]))
        |\\(?![abfnrtv"?'\\0-7]|x[0-9a-f])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
REFUSED_SUFFIX: Final = ".refused"


def is_plain(content: bytes) -> bool:
    """Return True if the content of a settings file has only texts, numbers and bytes."""
    return _TYPED.search(content) is None


def own_settings(organization: str, application: str) -> QSettings:
    """Return the user's settings of a program, without those of the organization or of all users of the machine.

    A file that is not plain is moved aside, which is logged, and everything has its default; `SettingsError` if that
    fails. Where settings are in no file of lines (Windows, macOS) they are returned as they are.
    """
    store = QSettings(organization, application)
    store.setFallbacksEnabled(False)
    path = Path(store.fileName())
    try:
        content = path.read_bytes()
    except OSError:  # there is none yet; one that cannot be read Qt reports
        return store
    if not is_plain(content):
        found = f"The settings file {path} has Python objects, which can run any code when they are read"
        aside = path.with_name(path.name + REFUSED_SUFFIX)
        try:
            path.replace(aside)
        except OSError as error:
            raise SettingsError(f"{found}, and it cannot be moved aside ({error}): delete it.") from error
        store.sync()
        _LOG.error("%s. It was moved to %s; all settings have their defaults.", found, aside)
    return store
