"""State machine of a connection, judged by market data and never by the handshake. No I/O.

Silence of the liquidation stream proves nothing: 20 minutes without a BTCUSDT event occur. Heartbeats come every
second on the same socket; when they stop, the socket is dead, however open it looks.
"""

from __future__ import annotations

from typing import Final

from Heatmap.reports import ConnectionState

SILENT_AFTER_S: Final = 10.0  # without market data: the socket counts as dead
QUIET_AFTER_S: Final = 300.0  # without a liquidation: the market counts as calm


class Liveness:
    """The connection's state, moved by events; all times are monotonic seconds.

    ======================  ==================================================================================
    event                   what follows
    ======================  ==================================================================================
    ``opened``              DOWN becomes CONNECTING; SILENT stays, for a handshake proves nothing
    ``market``              LIVE, or QUIET if it was so and still is
    ``liquidation``         LIVE
    ``tick``                QUIET after 300 s without a liquidation; SILENT after 10 s without market data
    ``closed``              CONNECTING if this connection had delivered, else DOWN; a dead one stays SILENT
    ======================  ==================================================================================
    """

    def __init__(self, *, silent_after_s: float = SILENT_AFTER_S, quiet_after_s: float = QUIET_AFTER_S) -> None:
        self.silent_after_s = silent_after_s
        self.quiet_after_s = quiet_after_s
        self.state = ConnectionState.CONNECTING
        self.reason = ""  # a stable word for SILENT, DOWN, and CONNECTING after a loss
        self.delivered = False  # whether the present connection has brought market data
        self._is_open = False
        self._found_silent = False
        self._market_s = 0.0
        self._calm_since_s: float | None = None  # the newest liquidation, or the first market data if there was none
        self._had_liquidation = False

    def inherit(self, before: Liveness) -> None:
        """Continue another connection of the same feed: its state, and the time of its last liquidation."""
        if not self._had_liquidation and before._calm_since_s is not None:
            self._calm_since_s = before._calm_since_s
            if before.state is ConnectionState.QUIET:
                self.state = ConnectionState.QUIET
        if not self.delivered:
            self.state, self.reason = before.state, before.reason

    def opened(self, now_s: float) -> None:
        """Take a successful handshake."""
        self._is_open = True
        self.delivered = False
        self._found_silent = False
        self._market_s = now_s
        if self.state is not ConnectionState.SILENT:
            # A dead route opens, too.
            self.state, self.reason = ConnectionState.CONNECTING, ""

    def market(self, now_s: float) -> None:
        """Take market data of whatever kind."""
        if self._found_silent:
            return  # too late: this connection is being closed
        self._market_s = now_s
        self.delivered = True
        self.reason = ""
        if self._calm_since_s is None:
            self._calm_since_s = now_s
        if self.state is not ConnectionState.QUIET:
            self.state = ConnectionState.LIVE

    def liquidation(self, now_s: float) -> None:
        """Take a liquidation; it is market data, too."""
        self.market(now_s)
        if not self._found_silent:
            self._calm_since_s, self._had_liquidation = now_s, True
            self.state = ConnectionState.LIVE

    def paused(self, now_s: float) -> None:
        """Disregard the silence up to now: nothing was read, for the store was full."""
        self._market_s = now_s

    def tick(self, now_s: float) -> bool:
        """Let time pass; return True if the present connection is dead and should be closed."""
        if not self._is_open or self._found_silent:
            return self._is_open
        if now_s - self._market_s >= self.silent_after_s:
            self._found_silent = True
            self.state = ConnectionState.SILENT
            self.reason = "silent" if self.delivered else "silent-route"
            return True
        calm_s = 0.0 if self._calm_since_s is None else now_s - self._calm_since_s
        if self.state is ConnectionState.LIVE and calm_s >= self.quiet_after_s:
            self.state = ConnectionState.QUIET
        return False

    def closed(self, reason: str) -> None:
        """Take the end of a connection, or a failed attempt, and its reason."""
        self._is_open = False
        self._calm_since_s, self._had_liquidation = None, False
        if not self._found_silent:
            self.state = ConnectionState.CONNECTING if self.delivered else ConnectionState.DOWN
            self.reason = reason
        # Else we closed it because it was dead, and the silence stays the reason.
        self._found_silent = False
        self.delivered = False
