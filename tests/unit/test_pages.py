"""The pages for people: their links lead somewhere, the site has all of them, and they name every command."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import pytest
from support.site import SITE, pictures, site_pages

from Heatmap.cli import COMMANDS, command_parser
from Heatmap.heatmap_settings import FIELDS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "Heatmap").rglob("*.md")])
IN_NAVIGATION = [page for _, pages in site_pages.NAVIGATION for _, page in pages]


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    titles = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles}


def links(text):
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            yield target, name, anchor


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_titles(page):
    for target, name, anchor in links(page.read_text(encoding="utf-8")):
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target


def test_the_page_of_commands_names_them_all():
    page = (ROOT / "Heatmap" / "docs" / "commands.md").read_text(encoding="utf-8")
    assert all(f"`heatmap {name}" in page for name in COMMANDS)


def test_the_navigation_of_the_site_names_each_page_once():
    assert sorted(IN_NAVIGATION) == sorted(site_pages.pages())
    assert all(page in IN_NAVIGATION for page in ("index.md", "embedding.md", "examples/smallest-host.md"))


def test_links_and_pictures_of_the_site_are_in_it():
    made = {f"pictures/{name}.png" for name in pictures.PICTURES}
    captions = {name: picture.caption for name, picture in pictures.PICTURES.items()}
    texts = dict(site_pages.added_pages())
    for path in (ROOT / site_pages.DOCS).rglob("*.md"):
        texts[path.relative_to(ROOT / site_pages.DOCS).as_posix()] = path.read_text(encoding="utf-8")
    assert set(texts) == set(IN_NAVIGATION)
    shown = set()
    for page, text in texts.items():
        shown |= set(site_pages.picture_names(text))
        for target, name, anchor in links(
            site_pages.with_pictures(site_pages.rewritten(without_code(text), page), page, captions)
        ):
            linked = PurePosixPath(page).parent / name if name else PurePosixPath(page)
            linked = (ROOT / linked).resolve().relative_to(ROOT).as_posix()
            assert linked in texts or linked in made or (ROOT / site_pages.DOCS / linked).is_file(), (page, target)
            assert not anchor or anchor in anchors(texts[linked]), (page, target)
    assert shown == set(pictures.PICTURES)


def test_a_link_out_of_the_site_and_an_unknown_picture_are_refused():
    with pytest.raises(ValueError, match=r"expected a link to a page of the site, was \.\./cli\.py"):
        site_pages.rewritten("[code](../cli.py)", "window.md")
    with pytest.raises(KeyError, match="nothing"):
        site_pages.with_pictures("<!-- picture: nothing -->", "window.md", {})


def test_generated_pages_have_every_option_and_every_setting():
    options, settings = site_pages.generated("reference/options.md"), site_pages.generated("reference/settings.md")
    for name in COMMANDS:
        for action in command_parser(name)._actions:
            assert all(option in options for option in action.option_strings), (name, action)
    assert all(f"\n| `{key}` |" in settings for key in FIELDS)


def test_the_site_loads_nothing_from_elsewhere():
    policy = re.search(r'content="(default-src .*?)"', (SITE / "theme" / "main.html").read_text(encoding="utf-8"))[1]
    assert "//" not in policy
    assert "*" not in policy
    assert "font: false" in (SITE / "mkdocs.yml").read_text(encoding="utf-8")
    for path in SITE.glob("*.css"):
        assert "//" not in path.read_text(encoding="utf-8").replace("http://www.w3.org", "")
