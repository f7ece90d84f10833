"""What keeps the heart readable: its size, and how many arguments a kernel takes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "Heatmap" / "aggregation"
SOURCES = sorted(FOLDER.glob("*.py"))


def lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def test_it_can_be_read_in_an_hour():
    assert sum(map(lines, SOURCES)) <= 4_200
    assert sum(map(lines, FOLDER.glob("kernel*.py"))) <= 1_300
    assert max(map(lines, SOURCES)) <= 350


@pytest.mark.parametrize("path", sorted(FOLDER.glob("kernel*.py")), ids=lambda path: path.stem)
def test_no_kernel_takes_more_than_eight_arguments(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert len(node.args.posonlyargs) + len(node.args.args) + len(node.args.kwonlyargs) <= 8, node.name
