"""What the site is made of, imported from .site without the tools that build its pages."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SITE = Path(__file__).resolve().parents[2] / ".site"


def _module(name):
    spec = importlib.util.spec_from_file_location(name, SITE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures, site_pages = _module("pictures"), _module("site_pages")
