"""Builds the source distribution, from it the wheel, and looks at what an installation would get."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import Heatmap

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "Heatmap" / "app" / "page"
LICENCE = "Heatmap/app/page/vendor/lightweight-charts.LICENSE"
SCRIPT = "Heatmap/app/page/vendor/lightweight-charts.js"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

LOOK_AT_RESOURCES = """
import json
from Heatmap.app.chart_view import CHART_LIBRARY, CHART_PAGE
from Heatmap.message_catalogue import TRANSLATIONS
from Heatmap.storage.sqlite.migrations import SCHEMA
from Heatmap.ui.gl.heat_painter import SHADERS
from Heatmap.ui.page.bridge import JAVASCRIPT
names = "SHADERS", "CHART_PAGE", "CHART_LIBRARY", "JAVASCRIPT", "TRANSLATIONS", "SCHEMA"
print(json.dumps({name: str(globals()[name]) for name in names}))
"""


def build(source: Path, folder: Path) -> Path:
    """Build source distribution and wheel into a folder, as `.ci/release` does."""
    # The requirements are installed already, and the chart library was fetched by the set-up: this needs no network.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder with the source distribution and with the wheel that was built from it."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def wheel(built) -> Path:
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def unpacked(wheel, tmp_path_factory) -> Path:
    """The wheel as an installation lays it down."""
    folder = tmp_path_factory.mktemp("site")
    shutil.unpack_archive(wheel, folder, "zip")
    return folder


def run_from(folder: Path, *arguments: str) -> str:
    """Run Python on the unpacked wheel, with nothing of the repository in its way."""
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-P", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def files_of_the_package() -> set[str]:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "Heatmap").rglob("*") if path.is_file()}
    return {name for name in found if "__pycache__" not in name and "/vendor/" not in name}


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel):
    read_by_npm_alone = {"Heatmap/app/page/package.json", "Heatmap/app/page/package-lock.json"}
    pages = {name for name in files_of_the_package() if name.endswith(".md") or name.startswith("Heatmap/docs/")}
    shaders = {f"Heatmap/shaders/{path.name}" for path in (ROOT / "shaders").iterdir()}
    expected = files_of_the_package() - read_by_npm_alone - pages - {"Heatmap/LICENSE"} | shaders | {SCRIPT, LICENCE}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        metadata = set(archive.namelist()) - names
    assert names == expected
    assert any(name.endswith("licenses/Heatmap/LICENSE") for name in metadata)
    for kind in (".frag", ".vert", ".js", ".html", ".css", ".sql", ".toml", "py.typed"):
        assert any(name.endswith(kind) for name in names), kind


def test_the_source_distribution_holds_what_the_project_is_made_from(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    wanted = {
        "pyproject.toml",
        "README.md",
        ".build/hatch_build.py",
        ".build/heatmap.spec",
        ".build/bundle_entry.py",
        ".ci/release",
        ".requirements/release.txt",
        ".site/mkdocs.yml",
        "shaders/heatmap.frag",
        SCRIPT,
    }
    assert files_of_the_package() | wanted <= names
    assert {f"tests/{path.relative_to(ROOT / 'tests').as_posix()}" for path in ROOT.glob("tests/**/*.py")} <= names


def test_the_source_distribution_builds_the_same_files_again(built, tmp_path):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    for file in source.rglob("*"):
        os.utime(file)
    assert digests(build(source, tmp_path / "dist")) == digests(built)


def test_the_chart_library_is_the_locked_one_with_its_licence(unpacked):
    locked = json.loads((PAGE / "package-lock.json").read_text(encoding="utf-8"))
    version = locked["packages"]["node_modules/lightweight-charts"]["version"]
    head = (unpacked / SCRIPT).read_text(encoding="utf-8")[:400]
    assert "TradingView Lightweight Charts" in head
    assert f"v{version}" in head
    assert "Apache License" in (unpacked / LICENCE).read_text(encoding="utf-8")


def test_the_unpacked_wheel_finds_all_its_files_in_itself(unpacked):
    places = json.loads(run_from(unpacked, "-c", LOOK_AT_RESOURCES))
    for name, place in places.items():
        assert Path(place).is_relative_to(unpacked / "Heatmap"), name
        assert Path(place).exists(), name


def test_the_unpacked_wheel_tells_the_version_of_its_metadata(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    fields = message_from_bytes(metadata.read_bytes())
    assert fields["Version"] == Heatmap.__version__
    assert run_from(unpacked, "-m", "Heatmap", "--version") == f"heatmap {Heatmap.__version__}"
    assert fields["Requires-Python"] == PROJECT["requires-python"]
    required = {str(Requirement(text.lower())) for text in fields.get_all("Requires-Dist")}
    extras = [
        f'{text}; extra == "{name}"' for name, texts in PROJECT["optional-dependencies"].items() for text in texts
    ]
    assert required == {str(Requirement(text.lower())) for text in [*PROJECT["dependencies"], *extras]}


def test_the_wheel_installs_the_command(unpacked):
    (entry_points,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "heatmap = Heatmap.cli:main" in entry_points.read_text(encoding="utf-8").splitlines()
