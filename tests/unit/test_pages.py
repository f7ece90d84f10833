"""The pages for people: their links lead somewhere, and they name every command."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from Heatmap.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "Heatmap").rglob("*.md")])


def anchors(page):
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_titles(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_the_page_of_commands_names_them_all():
    page = (ROOT / "Heatmap" / "docs" / "commands.md").read_text(encoding="utf-8")
    assert all(f"`heatmap {name}" in page for name in COMMANDS)
