"""What keeps the heart readable: its size, and how many arguments a kernel takes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "Heatmap" / "aggregation"
SOURCES = sorted(FOLDER.glob("*.py"))


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_it_can_be_read_in_an_hour():
    assert sum(map(lines, SOURCES)) <= 4_200
    assert sum(map(lines, FOLDER.glob("kernel*.py"))) <= 1_300
    assert max(map(lines, SOURCES)) <= 350


def test_no_file_of_the_project_is_longer_than_600_lines():
    files = [path for part in ("Heatmap", "tests", ".build") for path in (ROOT / part).glob("**/*.py")]
    own = [path for path in files if "node_modules" not in path.parts]
    assert len(own) > 300
    assert [path.name for path in own if lines(path) > 600] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("kernel*.py")), ids=lambda path: path.stem)
def test_no_kernel_takes_more_than_eight_arguments(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) <= 8, node.name


def imports_of(path):
    """Modules of this package that one imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("Heatmap.aggregation"):
            inside = node.module.split(".")[2:]
            yield from inside or (alias.name for alias in node.names)


def test_imports_go_down_the_floors_that_the_package_describes():
    described = ast.get_docstring(ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8")))
    floors = described[described.index("a lower one only:") :]
    floor_of = {}
    for number, names in re.findall(r"^(\d)\. (.*)$", floors, re.MULTILINE):
        floor_of |= dict.fromkeys(re.findall(r"`(\w+)`", names), int(number))
    modules = {path.stem: path for path in SOURCES if path.stem != "__init__"}
    assert floor_of.keys() == modules.keys()
    for name, path in modules.items():
        assert all(floor_of[other] < floor_of[name] for other in imports_of(path)), name
