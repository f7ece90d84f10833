"""Start of the bundle that PyInstaller makes: the ``heatmap`` command, or a module for a child process of it.

The kernels were compiled at build time, for every 64-bit processor of the platform; they lie in the bundle.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

os.environ.setdefault("HEATMAP_KERNEL_CACHE", str(Path(getattr(sys, "_MEIPASS", "")) / "kernels"))
os.environ.setdefault("NUMBA_CPU_NAME", "generic")

if sys.argv[1:2] == ["-m"]:  # see Heatmap.child_process.module_command
    del sys.argv[:2]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
else:
    from Heatmap.cli import main

    sys.exit(main())
