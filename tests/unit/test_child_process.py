"""Command lines and environments of child processes, run by Python and in a bundle."""

from __future__ import annotations

import os
import sys

import pytest

from Heatmap.child_process import module_command, program_command, system_environment


@pytest.fixture
def bundled(monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", "/opt/heat map/heatmap")


def test_python_runs_modules_without_the_working_directory():
    assert module_command("Heatmap.x") == [sys.executable, "-P", "-m", "Heatmap.x"]
    assert program_command() == [sys.executable, "-P", "-m", "Heatmap"]


@pytest.mark.usefixtures("bundled")
def test_a_bundle_runs_itself():
    assert module_command("Heatmap.x") == ["/opt/heat map/heatmap", "-m", "Heatmap.x"]
    assert program_command() == ["/opt/heat map/heatmap"]


def test_programs_of_the_system_get_the_environment_as_it_is(monkeypatch):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/mine")
    assert system_environment() == dict(os.environ)


@pytest.mark.usefixtures("bundled")
@pytest.mark.parametrize("before", ["/mine", None])
def test_programs_of_the_system_do_not_load_the_libraries_of_a_bundle(monkeypatch, before):
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/heat map/_internal:/mine")
    monkeypatch.delenv("LD_LIBRARY_PATH_ORIG", raising=False)
    if before is not None:
        monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", before)
    assert system_environment().get("LD_LIBRARY_PATH") == before
    assert "LD_LIBRARY_PATH_ORIG" not in system_environment()
