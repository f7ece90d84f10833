"""``python -m Heatmap`` is the ``heatmap`` command.

Python puts the working directory first on its path, and a ``json.py`` there would be run. The entry is removed before
anything is imported that Python has not loaded by then. Python itself was faster with a few modules (``importlib``,
``warnings``, ``collections`` …) and with a folder ``Heatmap`` in the working directory: against those only
``python -P -m Heatmap`` or ``heatmap`` helps.
"""

import os
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib would be imported
if not sys.flags.safe_path and os.path.abspath(sys.path[0]) != _ROOT:  # noqa: PTH100
    del sys.path[0]

from Heatmap.cli import main  # noqa: E402 - after the path was cleaned

if __name__ == "__main__":
    sys.exit(main())
