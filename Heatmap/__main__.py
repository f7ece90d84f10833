"""``python -m Heatmap`` is the ``heatmap`` command.

Python puts the working directory first on its path, and a ``numpy.py`` there would be run. So far only the standard
library is imported, so the entry can be removed in time for everything else; against a file there with the name of a
standard module only ``python -P -m Heatmap`` helps.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not sys.flags.safe_path and sys.path[0] != str(Path(__file__).resolve().parents[1]):
    del sys.path[0]

from Heatmap.cli import main

if __name__ == "__main__":
    sys.exit(main())
