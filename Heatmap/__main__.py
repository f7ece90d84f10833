"""``python -m Heatmap`` is the ``heatmap`` command.

Python puts the working directory first on its path then, and a ``numpy.py`` that lies there would be run. The package
itself has imported nothing but the standard library so far, so the entry can still be removed; only a standard-library
name in that folder is beyond reach: ``python -P -m Heatmap`` helps there.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not sys.flags.safe_path and sys.path[0] != str(Path(__file__).resolve().parents[1]):
    del sys.path[0]

from Heatmap.cli import main

if __name__ == "__main__":
    sys.exit(main())
