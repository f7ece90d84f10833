"""The sound of an alert: a short wave made at run time, or the system's beep where nothing can play it."""

from __future__ import annotations

import array
import io
import logging
import math
import wave
from typing import TYPE_CHECKING, Final

from PyQt6.QtCore import QDir, QObject, QTemporaryFile, QUrl
from PyQt6.QtWidgets import QApplication

if TYPE_CHECKING:
    from PyQt6.QtMultimedia import QSoundEffect

_LOG = logging.getLogger(__name__)

_RATE_HZ: Final = 22_050
_TONES_HZ: Final = (880.0, 1318.5)  # a fifth
_TONE_S: Final = 0.12
_LOUDNESS: Final = 0.4


def alert_wave() -> bytes:
    """Return two tones as a WAV file: mono, 16 bit, a quarter of a second."""
    samples = array.array("h")
    count = round(_TONE_S * _RATE_HZ)
    for tone_hz in _TONES_HZ:
        for number in range(count):
            fade = math.sin(math.pi * number / count) ** 0.5  # no click at the ends
            samples.append(round(32_767 * _LOUDNESS * fade * math.sin(2 * math.pi * tone_hz * number / _RATE_HZ)))
    text = io.BytesIO()
    with wave.open(text, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes(samples.tobytes())
    return text.getvalue()


class AlertSound(QObject):
    """Plays the sound: by Qt Multimedia if it can be loaded and the machine has an output, else the system's beep."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._effect: QSoundEffect | None = None
        self._file: QTemporaryFile | None = None
        self._is_prepared = False

    def prepare(self) -> None:
        """Load what `play` needs, once."""
        if self._is_prepared:
            return
        self._is_prepared = True
        try:
            # Only here: its libraries are missing on many servers, and a host without alerts need not load them.
            from PyQt6.QtMultimedia import QMediaDevices, QSoundEffect  # noqa: PLC0415
        except ImportError as error:
            _LOG.info("alerts beep: Qt Multimedia cannot be loaded (%s)", error)
            return
        if QMediaDevices.defaultAudioOutput().isNull():
            _LOG.info("alerts beep: this machine has no audio output")
            return
        file = QTemporaryFile(f"{QDir.tempPath()}/heatmap-alert-XXXXXX.wav", self)
        if not file.open():
            _LOG.warning("alerts beep: their sound could not be written: %s", file.errorString())
            return
        file.write(alert_wave())
        file.close()
        self._file = file
        self._effect = QSoundEffect(self)
        self._effect.setSource(QUrl.fromLocalFile(file.fileName()))

    def play(self) -> None:
        """Begin to play; returns at once."""
        self.prepare()
        if self._effect is not None and self._effect.status().name != "Error":
            self._effect.play()
        else:
            QApplication.beep()
