"""The docstrings of the public names say what a caller needs, and the reference is made from them."""

from __future__ import annotations

import ast
import inspect
import pkgutil
import re
import subprocess
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

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


def test_the_reference_is_made_by_one_command_and_its_links_lead_somewhere(tmp_path):
    command = ["bash", str(ROOT / ".ci" / "reference"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert "warn" not in done.stderr.lower(), done.stderr
    pages = {path: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.html")}
    first = pages[tmp_path / "Heatmap.html"]
    for name in [*PUBLIC, *(name for name in FUNCTIONS if name in Heatmap.__all__ or "." in name)]:
        assert f'id="{name}"' in first, name
    assert all(f'id="{name}"' in pages[tmp_path / "Heatmap" / "aggregation.html"] for name in aggregation._HOMES)
    for path, page in pages.items():
        text = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
        for target in re.findall(r'href="([^":]+)"', text):
            file, _, anchor = target.partition("#")
            linked = (path.parent / file).resolve() if file else path
            assert linked in pages, (path.name, target)
            assert not anchor or f'id="{anchor}"' in pages[linked], (path.name, target)


def test_every_module_of_the_reference_can_be_loaded():
    script = (ROOT / ".ci" / "reference").read_text(encoding="utf-8")
    names = re.search(r"^PUBLIC = (.*)$", script, re.MULTILINE)[1]
    assert all(import_module(f"Heatmap.{name}").__doc__ for name in ast.literal_eval(names))
