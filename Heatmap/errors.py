"""The one exception tree: every error carries a sentence for people beside the long text for the log."""

from __future__ import annotations


class HeatmapError(Exception):
    """Base of all errors this package raises on purpose.

    Parameters
    ----------
    message
        The long text for the log: what was expected, what was there.
    short
        One plain sentence for the screen; the message itself when not given.
    """

    def __init__(self, message: str, *, short: str | None = None) -> None:
        super().__init__(message)
        self.short = short if short is not None else message


class SettingsError(HeatmapError):
    """A setting has a value outside its declared range or choices."""


class GridError(HeatmapError):
    """A grid was asked for that cannot exist: zero or inverted range, NaN, absurd size."""


class KernelCacheError(HeatmapError):
    """A compiled kernel that should be in the on-disk cache is not, and must not be compiled here."""


class FrameError(HeatmapError):
    """A frame from the exchange does not decode.

    Parameters
    ----------
    message
        What was expected and what was there.
    kind
        A short stable word for counting and for logging once per kind, e.g. ``"bad-json"`` or ``"bad-price"``.
    excerpt
        The first characters of the frame, for the log.
    """

    def __init__(self, message: str, *, kind: str, excerpt: str = "", short: str | None = None) -> None:
        super().__init__(message, short=short)
        self.kind = kind
        self.excerpt = excerpt


class FeedError(HeatmapError):
    """The exchange cannot be reached or refuses us; ``reason`` is a stable word such as ``"dns"``."""

    def __init__(self, message: str, *, reason: str, short: str | None = None) -> None:
        super().__init__(message, short=short)
        self.reason = reason


class RestError(FeedError):
    """A REST request failed.

    Parameters
    ----------
    message
        What was asked and what came back.
    reason
        A stable word of `Heatmap.ingestion.failure.Failure`, or ``"bad-json"``.
    status
        The HTTP status, or None when no answer came.
    retry_after_s
        Seconds the exchange asked us to wait, or None.
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
    """What lies there is not for this program to write: trying again does not help, only another place does."""


class NotADatabaseError(UnusableDatabaseError):
    """The file does not begin as a database does."""


class DamagedDatabaseError(StorageError):
    """The file is ours, and its content contradicts itself."""


class MovedDatabaseError(StorageError):
    """The database that is open was moved, deleted or replaced."""


class LogRemovedError(StorageError):
    """The log of the database that is open was deleted; only the connections that use it see all that was committed."""


class RecordFileError(HeatmapError):
    """A file cannot be imported, or an export cannot be made, as a whole."""


class RowError(HeatmapError):
    """One row of a file to be imported cannot be taken.

    Parameters
    ----------
    kind
        A short stable word to count by, e.g. ``"bad-price"``.
    message
        What was expected and what was there.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class ReplayError(HeatmapError):
    """A recording cannot be played back."""


class BridgeError(HeatmapError):
    """The chart page sent something the bridge does not accept."""


class AttachError(HeatmapError):
    """A heatmap cannot be put behind this view."""


class GraphicsError(HeatmapError):
    """OpenGL is missing or too old for the underlay."""
