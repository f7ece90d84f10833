"""Has this machine slept, or changed its network? Both leave a socket that looks open and is dead.

Neither tells a program that only waits for data: TCP may take a quarter of an hour to notice.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

JUMP_S: Final = 5.0
"""The clocks may drift apart by this much between two looks, in seconds, before it counts as a jump."""

# Documentation addresses, RFC 5737 and 3849: the way to them is the way out of this machine. Nothing is sent there.
_ANYWHERE: Final = ("192.0.2.1", 9)
_ANYWHERE_V6: Final = ("2001:db8::1", 9)

SocketAddress = tuple[str, int] | tuple[str, int, int, int]
"""What `socket.getsockname` returns: host and port, and flow and scope for IPv6."""


class SleepDetector:
    """Compares the wall clock with the monotonic one, which stands still while the machine sleeps. Pure."""

    def __init__(self, *, jump_s: float = JUMP_S) -> None:
        self._jump_s = jump_s
        self._last: tuple[int, float] | None = None

    def look(self, now_ms: int, monotonic_s: float) -> float:
        """Take both clocks; return by how many seconds the wall clock jumped since the last look, else 0.

        A jump forwards is a sleep, or somebody set the clock; a jump backwards can only be the latter.
        """
        last, self._last = self._last, (now_ms, monotonic_s)
        if last is None:
            return 0.0
        jump_s = (now_ms - last[0]) / 1000 - (monotonic_s - last[1])
        return jump_s if abs(jump_s) >= self._jump_s else 0.0


def ways_out() -> tuple[str, ...]:
    """Return this machine's own numeric addresses on the ways out, by IPv4 and IPv6; empty if there is none.

    Nothing is sent: only the routing table is asked.
    """
    ways: list[str] = []
    for family, target in ((socket.AF_INET, _ANYWHERE), (socket.AF_INET6, _ANYWHERE_V6)):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            ways.append(str(probe.getsockname()[0]))
    return tuple(ways)


def owns_address(address: SocketAddress) -> bool:
    """Return True if a socket's local address still belongs to this machine.

    A connection from an address that went away with its network is dead. That the way out begins elsewhere now proves
    nothing: IPv6 changes its temporary addresses daily, and old connections go on.
    """
    family = socket.AF_INET if len(address) == len(_ANYWHERE) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address[0], 0, *address[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True
