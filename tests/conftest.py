"""What all tests share."""

from __future__ import annotations

from itertools import count
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


@pytest.fixture(scope="session")
def cluster():
    """A private PostgreSQL server of this test process; fails, never skips, where none is installed."""
    from support.postgres import Cluster  # noqa: PLC0415 - only tests of a server need its driver

    made = Cluster()
    yield made
    made.remove()


_NAMES = count(1)


@pytest.fixture
def server_url(cluster):
    """The address of a new, empty database, whose user may do everything."""
    name = f"heatmap_{next(_NAMES)}"
    yield cluster.create(name)
    cluster.drop(name)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request, tmp_path):
    """An empty database of each kind."""
    from Heatmap.storage.database import database_of  # noqa: PLC0415 - few tests need it

    if request.param == "sqlite":
        return database_of(tmp_path / "record.sqlite3")
    return database_of(request.getfixturevalue("server_url"))
