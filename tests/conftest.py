"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from Heatmap.app.web_engine import prepare_web_engine
from Heatmap.ui.gl.graphics import configure_graphics

# On a machine that others use, too, slowness says nothing about the program.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

SAMPLE = Path(__file__).resolve().parent / "data"
# Real recordings lie beside the project on some machines.
REAL = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Prepare Qt before pytest-qt makes its application, as every host must."""
    prepare_web_engine()
    configure_graphics()


@pytest.fixture(params=[SAMPLE, *([REAL] if REAL.is_dir() else [])], ids=lambda folder: folder.parent.name)
def recorded(request) -> Path:
    """A folder of recorded frames: our sample, and the real recordings where they lie beside the project."""
    return request.param


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory, monkeypatch):
    """Keep the user's own settings and data folder out of every test."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder))
