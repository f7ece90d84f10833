"""The pages of the site: navigation, where each comes from, and what is generated; needs nothing but Python.

Pages are Markdown files of Heatmap/docs. Some lie elsewhere in the repository (`ELSEWHERE`, `EXAMPLES`) and keep the
links that serve their readers there; `rewritten` makes links between pages of them. Options and settings are generated
from the program, the reference from docstrings.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]
DOCS = "Heatmap/docs"

Section = tuple[str, list[tuple[str, str]]]

# Page -> file of the repository.
ELSEWHERE = {
    "index.md": "README.md",
    "developers.md": "Heatmap/README.md",
    "contributing.md": "Heatmap/CONTRIBUTING.md",
    "changelog.md": "Heatmap/CHANGELOG.md",
    "licence.md": "Heatmap/LICENSE",
}
EXAMPLES = {
    f"examples/{path.stem.replace('_', '-')}.md": f"tests/examples/{path.name}"
    for path in sorted((ROOT / "tests" / "examples").glob("*.py"))
}
SOURCES = ELSEWHERE | EXAMPLES
# What public functions take and return; the names of the modules themselves are made by the program.
CLASSES_OF_DATA = (
    "Heatmap.events.LiquidationEvent", "Heatmap.events.Side", "Heatmap.events.Source", "Heatmap.events.Coverage",
    "Heatmap.event_columns.RecordedEvents", "Heatmap.event_columns.EventColumns",
    "Heatmap.record_sums.PriceProfile", "Heatmap.record_sums.DollarGrid",
    "Heatmap.reports.ServiceStatus", "Heatmap.reports.ConnectionState",
)  # fmt: skip
# Nobody calls the class: its arguments are left out.
MADE_BY_A_METHOD = {"Heatmap.HeatmapPlugin": "    options:\n      merge_init_into_class: false\n"}
GENERATED = {
    "reference/options.md": "Options of the commands",
    "reference/settings.md": "Settings by key",
    "reference/heatmap.md": "Heatmap",
    "reference/aggregation.md": "Heatmap.aggregation",
    "reference/data.md": "Classes of data",
    "reference/errors.md": "Heatmap.errors",
}
# What else the pages link to, and where it is in the site. The front page shows one of the gallery.
FOUND_AS = {".readme/demo.png": "pictures/bubbles.png", DOCS: "index.md"}

# Pages with little beside them: which columns of the theme they leave out.
HIDDEN = {"index.md": ["navigation"], "reference/settings.md": ["toc"]}
NAVIGATION: list[Section] = [
    ("Heatmap", [("Front page", "index.md")]),
    (
        "Tours",
        [
            ("For traders", "tour-traders.md"),
            ("For embedders", "tour-embedding.md"),
            ("For recorders", "tour-recording.md"),
            ("Gallery", "gallery.md"),
        ],
    ),
    (
        "Trade",
        [
            ("The window", "window.md"),
            ("Twenty questions", "tasks.md"),
            ("Settings", "settings.md"),
            ("List and alerts", "alerts.md"),
            ("Troubleshooting", "troubleshooting.md"),
        ],
    ),
    (
        "Record",
        [
            ("Record day and night", "recording.md"),
            ("Import and export", "import-export.md"),
            ("The database", "database.md"),
            ("PostgreSQL server", "server.md"),
        ],
    ),
    (
        "Build",
        [
            ("Add it to your program", "embedding.md"),
            ("Data for strategy code", "data.md"),
            *((PurePosixPath(file).name, page) for page, file in EXAMPLES.items()),
        ],
    ),
    (
        "Understand",
        [
            ("How it works", "how-it-works.md"),
            ("Why you might not want it", "why-not.md"),
            ("Performance", "performance.md"),
            ("Benchmarks", "benchmarks.md"),
            ("Stress", "stress.md"),
            ("Security", "security.md"),
        ],
    ),
    (
        "Reference",
        [
            ("Commands and exit codes", "commands.md"),
            *((title, page) for page, title in GENERATED.items()),
        ],
    ),
    (
        "Project",
        [
            ("What will not change", "compatibility.md"),
            ("Changes", "changelog.md"),
            ("For developers", "developers.md"),
            ("Contributing", "contributing.md"),
            ("Making a release", "release.md"),
            ("Licence", "licence.md"),
        ],
    ),
]

_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_PICTURE = re.compile(r"^<!-- picture: (.+?) -->$", re.MULTILINE)


def pages() -> set[str]:
    """Return all pages of the site, by their path in it."""
    own = {path.relative_to(ROOT / DOCS).as_posix() for path in (ROOT / DOCS).rglob("*.md")}
    return own | set(SOURCES) | set(GENERATED)


def source_of(page: str) -> str:
    """Return the file of the repository that a page is made of."""
    return SOURCES.get(page, f"{DOCS}/{page}")


def rewritten(text: str, page: str) -> str:
    """Return the Markdown of a page with links within the site; `ValueError` for one to a file that is not in it."""
    here = PurePosixPath(source_of(page)).parent
    found = {file: name for name, file in SOURCES.items()} | FOUND_AS

    def inside(match: re.Match[str]) -> str:
        target, _, anchor = match[2].partition("#")
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        file = os.path.normpath(here / target)
        linked = found.get(file) or (file.removeprefix(f"{DOCS}/") if file.startswith(f"{DOCS}/") else None)
        if linked is None:
            raise ValueError(
                f"{source_of(page)}: expected a link to a page of the site, was {match[2]}: add the file to ELSEWHERE "
                "in .site/site_pages.py, or name it without a link"
            )
        way = os.path.relpath(linked, PurePosixPath(page).parent)
        return f"{match[1]}{way}{'#' + anchor if anchor else ''}{match[3]}"

    return _LINK.sub(inside, text)


def picture_names(text: str) -> list[str]:
    """Return the pictures that a page shows, each by a line ``<!-- picture: NAME -->``."""
    return _PICTURE.findall(text)


def with_pictures(text: str, page: str, captions: dict[str, str]) -> str:
    """Return the Markdown of a page with each picture in place, and its caption; `KeyError` for an unknown one."""
    way = os.path.relpath("pictures", PurePosixPath(page).parent)

    def shown(match: re.Match[str]) -> str:
        name, caption = match[1], captions[match[1]]
        image = f"[![{caption}]({way}/{name}.png)]({way}/{name}.png)"
        return f'<figure markdown="span">\n{image}\n<figcaption>{caption}</figcaption>\n</figure>'

    return _PICTURE.sub(shown, text)


def licence_page(text: str) -> str:
    """Return the licence as a page."""
    return f"# Licence\n\n```text\n{text}```\n"


def example_page(text: str, file: str) -> str:
    """Return an example as a page."""
    return f"# {PurePosixPath(file).name}\n\n`{file}`, run by our tests.\n\n```python\n{text}```\n"


def options_page() -> str:
    """Return ``--help`` of the program and of each command."""
    from Heatmap.cli import COMMANDS, command_parser, program_parser  # noqa: PLC0415

    parsers = [program_parser(), *(command_parser(name) for name in COMMANDS)]
    parts = [f"## {parser.prog}\n\n```text\n{parser.format_help()}```\n" for parser in parsers]
    return "# Options of the commands\n\nWhat `--help` prints, of this version.\n\n" + "\n".join(parts)


def settings_page() -> str:
    """Return a table of the settings, from their declaration and the English catalogue."""
    from Heatmap.heatmap_settings import FIELDS  # noqa: PLC0415
    from Heatmap.message_catalogue import catalogue  # noqa: PLC0415

    texts = catalogue("en")
    rows = []
    for spec in FIELDS.values():
        values = ", ".join(f"`{choice}`" for choice in spec.choices)
        if not values:
            values = f"{spec.minimum:,g} to {spec.maximum:,g}" if spec.maximum else "`true`, `false`"
        default = str(spec.default).lower() if isinstance(spec.default, bool) else spec.default
        help_text = texts[spec.help_key].replace("\n", " ").replace("|", "\\|")
        rows.append(f"| `{spec.key}` | {texts[spec.label_key]} | {values} | `{default}` | {help_text} |")
    return (
        "# Settings by key\n\nFor `plugin.settings.update(KEY=VALUE)`, and in the settings file as `heatmap/KEY`. "
        "[Settings](../settings.md) explains them in their context.\n\n"
        "| key | name | values | default | what it does |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n"
    )


def public_names(module: str) -> list[str]:
    """Return the public names of the package or of `Heatmap.aggregation`, whose modules are loaded when first used."""
    found = import_module(module)
    names = found.__all__ if module == "Heatmap" else found._HOMES  # noqa: SLF001
    return sorted(f"{module}.{name}" for name in names if not name.startswith("_"))


def reference_page(title: str) -> str:
    """Return a page of names, which mkdocstrings replaces by their docstrings."""
    if title == "Heatmap.errors":
        parts = [f"::: {title}\n    options:\n      show_root_heading: false\n      show_root_toc_entry: false\n"]
    else:
        names = CLASSES_OF_DATA if title == "Classes of data" else public_names(title)
        parts = [f"::: {name}\n{MADE_BY_A_METHOD.get(name, '')}" for name in names]
    return f"# {title}\n\n" + "\n".join(parts)


def generated(page: str) -> str:
    """Return the Markdown of a page that is generated."""
    if page == "reference/options.md":
        return options_page()
    return settings_page() if page == "reference/settings.md" else reference_page(GENERATED[page])


def added_pages() -> Iterator[tuple[str, str]]:
    """Yield path and Markdown of each page that does not lie in Heatmap/docs; links are not rewritten yet."""
    for page, file in SOURCES.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        if file.endswith(".py"):
            text = example_page(text, file)
        elif not file.endswith(".md"):
            text = licence_page(text)
        yield page, text
    for page in GENERATED:
        yield page, generated(page)
