"""Progress bar of a command, on a terminal only."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm


class ProgressBar(tqdm):  # type: ignore[misc]  # tqdm ships no types
    """Counts rows; elsewhere than on a terminal (``disable=None``) nothing is shown.

    Without tqdm's monitor: a thread that would stay after the last bar.
    """

    monitor_interval = 0

    def __init__(self, **options: Any) -> None:
        super().__init__(unit=" rows", leave=False, disable=None, **options)
