"""Exceptions: one tree, each with a long text for the log and a short sentence for people."""

from __future__ import annotations

from Heatmap.foreign_text import one_line


class HeatmapError(Exception):
    """Base of all errors of this package; ``short`` is one sentence for the screen, by default the message.

    Both may quote what a stranger sent, and are one line; see `Heatmap.foreign_text`.
    """

    def __init__(self, message: str, *, short: str | None = None) -> None:
        super().__init__(one_line(message))
        self.short = one_line(short if short is not None else message)


class SettingsError(HeatmapError):
    """A setting has a value outside its declared range or choices."""


class GridError(HeatmapError):
    """A grid or its options are invalid: zero or inverted range, NaN, absurd size."""


class MenuEntryError(HeatmapError):
    """The program's entry in the desktop's menu cannot be written or removed."""


class KernelCacheError(HeatmapError):
    """A compiled kernel is missing in the on-disk cache, and must not be compiled in this process."""


class FrameError(HeatmapError):
    """A frame from the exchange does not decode.

    ``kind`` is a stable word to count by, e.g. ``"bad-price"``; ``excerpt`` the beginning of the frame, for the log.
    """

    def __init__(self, message: str, *, kind: str, excerpt: str = "", short: str | None = None) -> None:
        super().__init__(message, short=short)
        self.kind = kind
        self.excerpt = excerpt


class FeedError(HeatmapError):
    """The exchange cannot be reached or refuses a request; ``reason`` is a stable word such as ``"dns"``."""

    def __init__(self, message: str, *, reason: str, short: str | None = None) -> None:
        super().__init__(message, short=short)
        self.reason = reason


class RestError(FeedError):
    """A REST request failed.

    ``reason`` is a word of `Heatmap.ingestion.failure.Failure` or ``"bad-json"``; ``status`` the HTTP status, None
    without an answer; ``retry_after_s`` the pause that the exchange asks for, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        status: int | None = None,
        retry_after_s: float | None = None,
        short: str | None = None,
    ) -> None:
        super().__init__(message, reason=reason, short=short)
        self.status = status
        self.retry_after_s = retry_after_s


class StorageError(HeatmapError):
    """The database cannot be opened, read or written."""


class UnusableDatabaseError(StorageError):
    """The file must not be written by this program; only another path helps."""


class ReadOnlyDatabaseError(StorageError):
    """The record may be read by this user, and not written."""


class NotADatabaseError(UnusableDatabaseError):
    """The file does not begin like an SQLite database."""


class DamagedDatabaseError(StorageError):
    """The file is a record, and its content is inconsistent."""


class MovedDatabaseError(StorageError):
    """The database that is open was moved, deleted or replaced."""


class LogRemovedError(StorageError):
    """The log of the open database was deleted; only the connections that use it see all that was committed."""


class QueryError(HeatmapError):
    """A record cannot answer: an unknown symbol or source, an empty span of time, a value that is no number."""


class RecordFileError(HeatmapError):
    """A whole file cannot be imported, or an export cannot be made."""


class RowError(HeatmapError):
    """One row of an imported file is invalid; ``kind`` is a stable word to count by, e.g. ``"bad-price"``."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ReplayError(HeatmapError):
    """A recording cannot be played back."""


class BridgeError(HeatmapError):
    """The chart page sent something the bridge does not accept."""


class AttachError(HeatmapError):
    """A heatmap cannot be attached to this view."""


class GraphicsError(HeatmapError):
    """OpenGL is missing or too old for the underlay."""
