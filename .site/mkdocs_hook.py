"""Hooks of MkDocs: navigation, generated pages, links, pictures. What they do is in `site_pages`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pictures
import site_pages
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

HERE = Path(__file__).resolve().parent
PICTURES = site_pages.ROOT / "build" / "pictures"


def on_config(config: MkDocsConfig) -> None:
    """Set the navigation."""
    config.nav = [{title: [{name: page} for name, page in pages]} for title, pages in site_pages.NAVIGATION]


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add what does not lie in Heatmap/docs."""
    for page, text in site_pages.added_pages():
        files.append(File.generated(config, page, content=text))
    for path in (HERE / "style.css", HERE / "icon.svg", HERE / "iframe-worker.js"):
        files.append(File.generated(config, f"assets/{path.name}", abs_src_path=str(path)))
    for name in pictures.PICTURES:
        path = PICTURES / f"{name}.png"
        if path.exists():  # else the link to it fails the build
            files.append(File.generated(config, f"pictures/{path.name}", abs_src_path=str(path)))


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links lead to pages of the site, and show the pictures."""
    del config, files
    captions = {name: picture.caption for name, picture in pictures.PICTURES.items()}
    name = page.file.src_uri
    page.meta["hide"] = site_pages.HIDDEN.get(name, [])
    try:
        return site_pages.with_pictures(site_pages.rewritten(markdown, name), name, captions)
    except (KeyError, ValueError) as error:
        raise PluginError(f"{name}: {error}") from error
