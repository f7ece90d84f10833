"""Signs that this machine slept or changed its network; either leaves a socket that looks open and is dead.

A program that only reads would not notice: TCP may take a quarter of an hour.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import Final

JUMP_S: Final = 5.0  # smallest difference between the clocks' steps that counts as a jump

# Documentation addresses, RFC 5737 and 3849: the route to them is that to the internet. Nothing is sent there.
ROUTE_PROBE_TARGET: Final = ("192.0.2.1", 9)
ROUTE_PROBE_TARGET_V6: Final = ("2001:db8::1", 9)

# What `socket.getsockname` returns: host and port, and flow and scope for IPv6.
SocketAddress = tuple[str, int] | tuple[str, int, int, int]


class SleepDetector:
    """Compares the wall clock with the monotonic one, which stands still while the machine sleeps."""

    def __init__(self, *, jump_s: float = JUMP_S) -> None:
        self._jump_s = jump_s
        self._last: tuple[int, float] | None = None

    def look(self, now_ms: int, monotonic_s: float) -> float:
        """Take both clocks; return by how many seconds the wall clock jumped since the last call, else 0.

        A jump forwards is a sleep, or somebody set the clock; a jump backwards can only be the latter.
        """
        last, self._last = self._last, (now_ms, monotonic_s)
        if last is None:
            return 0.0
        jump_s = (now_ms - last[0]) / 1000 - (monotonic_s - last[1])
        return jump_s if abs(jump_s) >= self._jump_s else 0.0


def local_addresses() -> tuple[str, ...]:
    """Return this machine's numeric addresses on the routes to the internet, IPv4 and IPv6; empty if there is none.

    Only the routing table is asked; nothing is sent.
    """
    addresses: list[str] = []
    for family, target in ((socket.AF_INET, ROUTE_PROBE_TARGET), (socket.AF_INET6, ROUTE_PROBE_TARGET_V6)):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(target)
            addresses.append(str(probe.getsockname()[0]))
    return tuple(addresses)


def owns_address(address: SocketAddress) -> bool:
    """Return True if a socket's local address still belongs to this machine.

    A connection from an address that went away with its network is dead. A new route alone proves nothing: IPv6
    changes its temporary addresses daily, and old connections go on.
    """
    family = socket.AF_INET if len(address) == len(ROUTE_PROBE_TARGET) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address[0], 0, *address[2:]))
    except OSError as error:
        return error.errno != errno.EADDRNOTAVAIL
    return True
