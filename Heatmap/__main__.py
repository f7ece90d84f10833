"""``python -m Heatmap`` is the ``heatmap`` command."""

from __future__ import annotations

import sys

from Heatmap.cli import main

if __name__ == "__main__":
    sys.exit(main())
