"""Is the feed alive? A pure state machine, judged by market data and never by the handshake.

Silence of the liquidation stream proves nothing: 20 minutes without a BTCUSDT event occur. The mark price
comes every second on the same socket; when it stops, the socket is dead, however open it looks.
"""

from __future__ import annotations

from Heatmap.reports import ConnectionState

SILENT_AFTER_S = 10.0
"""Seconds without market data after which a socket counts as dead."""

QUIET_AFTER_S = 300.0
"""Seconds without a liquidation after which the market counts as calm."""


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

    Parameters
    ----------
    silent_after_s, quiet_after_s
        The two patiences, in seconds.
    """

    def __init__(self, *, silent_after_s: float = SILENT_AFTER_S, quiet_after_s: float = QUIET_AFTER_S) -> None:
        self.silent_after_s = silent_after_s
        self.quiet_after_s = quiet_after_s
        self._state = ConnectionState.CONNECTING
        self._reason = ""
        self._is_open = False
        self._delivered = False
        self._found_silent = False
        self._heard_s = 0.0
        self._calm_since_s: float | None = None  # the newest liquidation, or the first market data if there was none
        self._had_liquidation = False

    @property
    def state(self) -> ConnectionState:
        """The present state."""
        return self._state

    @property
    def reason(self) -> str:
        """A stable word for a state that needs one: SILENT, DOWN, and CONNECTING after a loss; else ""."""
        return self._reason

    @property
    def delivered(self) -> bool:
        """True if the present connection has brought market data."""
        return self._delivered

    def inherit(self, before: Liveness) -> None:
        """Go on where another connection of the same feed stands: its state, and when a liquidation came last."""
        if not self._had_liquidation and before._calm_since_s is not None:
            self._calm_since_s = before._calm_since_s
            if before._state is ConnectionState.QUIET:
                self._state = ConnectionState.QUIET
        if not self._delivered:
            self._state, self._reason = before._state, before._reason

    def opened(self, now_s: float) -> None:
        """Note that a handshake succeeded."""
        self._is_open = True
        self._delivered = False
        self._found_silent = False
        self._heard_s = now_s
        if self._state is not ConnectionState.SILENT:
            # Whatever went wrong before, this connection stands; a dead route stands, too.
            self._state, self._reason = ConnectionState.CONNECTING, ""

    def market(self, now_s: float) -> None:
        """Note that market data came, of whatever kind."""
        if self._found_silent:
            return  # too late: this connection is being closed
        self._heard_s = now_s
        self._delivered = True
        self._reason = ""
        if self._calm_since_s is None:
            # No liquidation seen yet: the market gets its full patience before it is called calm.
            self._calm_since_s = now_s
        if self._state is not ConnectionState.QUIET:
            self._state = ConnectionState.LIVE

    def liquidation(self, now_s: float) -> None:
        """Note that a liquidation came; market data too."""
        self.market(now_s)
        if not self._found_silent:
            self._calm_since_s, self._had_liquidation = now_s, True
            self._state = ConnectionState.LIVE

    def paused(self, now_s: float) -> None:
        """Note that nobody listened until now (the store was full): that silence is ours, not the feed's."""
        self._heard_s = now_s

    def tick(self, now_s: float) -> bool:
        """Let time pass; return True if the present connection is dead and should be closed."""
        if not self._is_open or self._found_silent:
            return self._is_open
        if now_s - self._heard_s >= self.silent_after_s:
            self._found_silent = True
            self._state = ConnectionState.SILENT
            self._reason = "silent" if self._delivered else "silent-route"
            return True
        if (
            self._state is ConnectionState.LIVE
            and self._calm_since_s is not None
            and now_s - self._calm_since_s >= self.quiet_after_s
        ):
            self._state = ConnectionState.QUIET
        return False

    def closed(self, reason: str) -> None:
        """Note that a connection ended or an attempt failed, and why."""
        self._is_open = False
        # Nobody listens now: the market's calm is not known to go on.
        self._calm_since_s, self._had_liquidation = None, False
        if self._found_silent:
            # We closed it ourselves because it was dead: the silence is what people must hear of, not the
            # close.
            self._found_silent = False
            self._delivered = False
            return
        self._state = ConnectionState.CONNECTING if self._delivered else ConnectionState.DOWN
        self._reason = reason
        self._delivered = False
