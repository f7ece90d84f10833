"""The lock under .requirements/ fits pyproject.toml, and names neither a host nor a path."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS = PYPROJECT["dependency-groups"]
BUILD = PYPROJECT["build-system"]["requires"]
RUN = PYPROJECT["project"]["dependencies"] + PYPROJECT["project"]["optional-dependencies"]["parquet"] + BUILD
DEV = RUN + [text for text in GROUPS["dev"] if isinstance(text, str)]
DOCS = RUN[: -len(BUILD)] + GROUPS["docs"]
LOCKS = {"run": RUN, "dev": DEV, "docs": DOCS, "release": GROUPS["release"]}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins_of(name: str) -> dict[str, list[tuple[Requirement, int]]]:
    """Return what the lock pins: name -> (requirement, number of hashes), several where they differ by platform."""
    text = (ROOT / ".requirements" / f"{name}.txt").read_text(encoding="utf-8")
    pins: dict[str, list[tuple[Requirement, int]]] = {}
    for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ")):
        if entry.startswith("#"):
            continue
        requirement = Requirement(HASH.sub("", entry).strip())
        pins.setdefault(canonicalize_name(requirement.name), []).append((requirement, len(HASH.findall(entry))))
    return pins


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_of_the_project_is_pinned_within_its_bounds(name):
    pins = pins_of(name)
    for text in LOCKS[name]:
        wanted = Requirement(text)
        for pin, _ in pins[canonicalize_name(wanted.name)]:
            (version,) = pin.specifier
            assert version.operator == "=="
            assert wanted.specifier.contains(version.version), f"{text} is locked as {pin}: run `bash .ci/lock`"


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes(name):
    pins = pins_of(name)
    assert len(pins) >= len(LOCKS[name])
    assert [str(pin) for entries in pins.values() for pin, hashes in entries if not hashes] == []


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_host_and_no_path(name):
    text = (ROOT / ".requirements" / f"{name}.txt").read_text(encoding="utf-8")
    assert re.findall(r"\w+://\S+|^--?\w.*|\s@\s.*", text, flags=re.MULTILINE) == []


def test_the_development_lock_only_adds_to_the_run_lock():
    development = pins_of("dev")
    for name, entries in pins_of("run").items():
        # Markers may be wider in the development lock, where more packages ask for the pin.
        assert [(pin.specifier, hashes) for pin, hashes in entries] == [
            (pin.specifier, hashes) for pin, hashes in development[name]
        ]


@pytest.mark.parametrize("name", ["docs", "release"])
def test_a_lock_that_is_added_to_another_environment_agrees_with_it(name):
    development = pins_of("dev")
    for package, entries in pins_of(name).items():
        if package in development:
            assert {str(pin.specifier) for pin, _ in entries} == {str(pin.specifier) for pin, _ in development[package]}


def test_the_build_group_repeats_the_build_requirements():
    assert sorted(GROUPS["build"]) == sorted(BUILD)
