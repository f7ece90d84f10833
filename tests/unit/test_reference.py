"""The docstrings of the public names say what a caller needs, and the reference is made from them."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest
from support.site import site_pages

import Heatmap
from Heatmap import aggregation, errors

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = {name: getattr(Heatmap, name) for name in Heatmap.__all__ if name != "__version__"}
CONVENTIONAL = {"self", "cls", "parent"}
MADE_BY_A_METHOD = {"HeatmapPlugin"}  # nobody calls the class


def functions():
    """Yield the name, the function and the docstring of each public function and method."""
    for name, thing in PUBLIC.items():
        if not inspect.isclass(thing):
            yield name, thing, inspect.getdoc(thing)
            continue
        if name not in MADE_BY_A_METHOD:
            yield name, thing.__init__, inspect.getdoc(thing)
        for member, value in vars(thing).items():
            function = getattr(value, "__func__", value.fget if isinstance(value, property) else value)
            if inspect.isfunction(function) and not member.startswith("_"):
                yield f"{name}.{member}", function, inspect.getdoc(function)


FUNCTIONS = {name: (function, text) for name, function, text in functions()}


def class_text(name):
    """Return the docstring of the class that a method belongs to."""
    return inspect.getdoc(PUBLIC[name.partition(".")[0]]) or ""


def test_the_public_names_are_there():
    assert set(Heatmap.__all__) == {*Heatmap._HOMES, "__version__"}
    assert Heatmap.__all__ == sorted(Heatmap.__all__)
    assert len(FUNCTIONS) >= 30


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_says_what_it_is_takes_and_raises(name):
    function, text = FUNCTIONS[name]
    assert text, f"{name} has no docstring"
    parameters = set(inspect.signature(function).parameters) - CONVENTIONAL
    missing = [each for each in parameters if not re.search(rf"\b{each}\b", text)]
    # A single argument that the first line describes needs no name there.
    assert not missing or len(parameters) == 1, f"the docstring of {name} leaves out {missing}"
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = {
        getattr(getattr(node.exc, "func", node.exc), "id", None)
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise)
    }
    known = {each for each in raised if each and hasattr(errors, each)}
    assert all(each in text or each in class_text(name) for each in known), f"{name} raises {known} without a word"


def documented_modules():
    for info in pkgutil.walk_packages(Heatmap.__path__, "Heatmap."):
        if not info.name.endswith("__main__"):
            yield info.name, Path(ROOT, *info.name.split("."))


def test_what_docstrings_name_by_its_path_exists():
    wrong = []
    for module, path in documented_modules():
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        for name in re.findall(r"`(Heatmap(?:\.\w+)+)(?:\(\))?`", file.read_text(encoding="utf-8")):
            try:
                found = pkgutil.resolve_name(name)
            except (ImportError, AttributeError):
                owner, _, attribute = name.rpartition(".")  # fields of classes with slots or without a default
                found = attribute in getattr(pkgutil.resolve_name(owner), "__annotations__", {}) or None
            if found is None:
                wrong.append((module, name))
    assert not wrong


def test_the_pages_of_the_reference_have_every_public_name():
    pages = [site_pages.generated(page) for page in site_pages.GENERATED]
    named = set(re.findall(r"^::: (\S+)$", "\n".join(pages), re.MULTILINE))
    assert named >= {f"Heatmap.{name}" for name in PUBLIC}
    assert named >= {f"Heatmap.aggregation.{name}" for name in aggregation._HOMES}
    assert all(pkgutil.resolve_name(name) is not None for name in named)
