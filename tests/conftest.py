"""What all tests share."""

from __future__ import annotations

import os
import shutil
import tempfile
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import leaks

from Heatmap.app.web_engine import prepare_web_engine
from Heatmap.ui.gl.graphics import configure_graphics

# On a machine that others use, too, slowness says nothing about the program.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

SAMPLE = Path(__file__).resolve().parent / "data"
# Real recordings lie beside the project on some machines.
REAL = Path(__file__).resolve().parents[2] / "shared" / "data"


FAILED = pytest.StashKey[bool]()


def pytest_configure() -> None:
    """Prepare Qt before pytest-qt makes its application, as every host must; and a folder for temporary files."""
    prepare_web_engine()
    configure_graphics()
    leaks.watch()
    # The system's folder is everybody's: in one of our own, what is new is ours, or of a program that a test started.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="heatmap-tests-")
    Path(tempfile.tempdir).chmod(0o755)  # some tests run a program as another user


def pytest_unconfigure() -> None:
    shutil.rmtree(tempfile.gettempdir(), ignore_errors=True)
    tempfile.tempdir = None
    os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report


@pytest.fixture(autouse=True)
def leaves_nothing(request):
    """Fail a test that leaves a thread, task, timer, widget, descriptor, process, OpenGL object or file behind.

    What fixtures of wider scopes hold was there before. A failed test is left alone: its traceback keeps objects alive.
    """
    before = leaks.present()
    yield
    if not request.node.stash.get(FAILED, False):
        left = leaks.left_since(before)
        if left:
            pytest.fail("the test left behind:\n" + "\n".join(left), pytrace=False)


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
def database(request, tmp_path, cluster):  # noqa: ARG001 - made before a test's own things are counted
    """An empty database of each kind."""
    from Heatmap.storage.database import database_of  # noqa: PLC0415 - few tests need it

    if request.param == "sqlite":
        return database_of(tmp_path / "record.sqlite3")
    return database_of(request.getfixturevalue("server_url"))
