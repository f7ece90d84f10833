"""Times of connection attempts, without clock and sleep."""

from __future__ import annotations

import math
import random
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S: Final = 60.0  # over which attempts are counted


class Backoff:
    """Exponential back-off with full jitter, a cap and a limit of attempts a minute. It never gives up.

    The n-th failure in a row waits a random time between 0 and ``min(cap_s, base_s * 2**(n-1))``, and longer if the
    limit of attempts asks for it. `reset` belongs to the first market message, not to the handshake: a server that
    accepts and closes would otherwise be called thousands of times a second.

    ``base_s`` and ``cap_s`` bound the first wait and any wait; ``attempts_per_min`` the attempts within any 60 s,
    however often the back-off is reset. ``chance`` returns a number in ``[0, 1)``.
    """

    def __init__(
        self,
        *,
        base_s: float = 1.0,
        cap_s: float = 60.0,
        attempts_per_min: int = 10,
        chance: Callable[[], float] = random.random,  # noqa: S311 - jitter is no secret
    ) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._chance = chance
        self._failures = 0
        self._attempts: deque[float] = deque(maxlen=attempts_per_min)
        self._not_before_s = -math.inf

    def attempted(self, now_s: float) -> None:
        """Count an attempt at ``now_s`` (monotonic seconds)."""
        self._attempts.append(now_s)

    def reset(self) -> None:
        """Begin again with the shortest wait; the attempts of the last minute still count."""
        self._failures = 0

    def next_delay_s(self, now_s: float, *, at_least_s: float = 0.0) -> float:
        """Count a failure and return the seconds to wait before the next attempt.

        ``at_least_s`` is what the exchange asked for (``Retry-After``); it may exceed the cap, and delays every
        further attempt.
        """
        if at_least_s > 0:
            self._not_before_s = max(self._not_before_s, now_s + at_least_s)
        # 2**30 seconds is beyond any cap; the bound keeps the power small after years of failures.
        bound_s = min(self._cap_s, self._base_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(self._chance() * bound_s, self.held_back_s(now_s))

    def held_back_s(self, now_s: float) -> float:
        """Return for how many seconds the limit of attempts or the exchange forbids the next one."""
        full = len(self._attempts) == self._attempts.maxlen
        limit_s = self._attempts[0] + WINDOW_S if full else -math.inf
        return max(0.0, limit_s - now_s, self._not_before_s - now_s)
