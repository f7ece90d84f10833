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

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure() -> None:
    """Prepare Qt before pytest-qt makes its application, as every host must."""
    prepare_web_engine()
    configure_graphics()


@pytest.fixture
def recorded() -> Path:
    """The folder of real recorded frames, which lies beside the project where it exists."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded frames are not on this machine")
    return RECORDED


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory, monkeypatch):
    """Keep the user's own settings and data folder out of every test."""
    folder = tmp_path_factory.mktemp("home")
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(folder))
