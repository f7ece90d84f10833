"""The recipes of the developer page (`Heatmap/README.md`): what they name is enough, and no more files are touched."""

from __future__ import annotations

import re

import pytest

from Heatmap import message_catalogue, vocabulary
from Heatmap.aggregation.palettes import PALETTES
from Heatmap.heatmap_settings import FIELDS
from Heatmap.message_catalogue import TRANSLATIONS, catalogue

PACKAGE = TRANSLATIONS.parent

SOURCES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def files_with(pattern):
    return {name for name, text in SOURCES.items() if re.search(pattern, text)}


@pytest.fixture
def fresh_catalogues():
    yield
    for cached in (message_catalogue.catalogue, message_catalogue.written_texts):
        cached.cache_clear()


def test_a_palette_is_named_in_two_files():
    # One that is nowhere a default or an example.
    assert files_with('"grey"') == {"vocabulary.py", "aggregation/palettes.py"}


def test_a_palette_without_texts_is_offered_under_its_name(monkeypatch, fresh_catalogues):
    del fresh_catalogues
    monkeypatch.setattr(message_catalogue, "PALETTE_NAMES", (*vocabulary.PALETTE_NAMES, "deep_sea"))
    message_catalogue.catalogue.cache_clear()
    assert catalogue("de")["settings.palette.choice.deep_sea"] == "Deep sea"


def test_every_palette_has_both_its_files():
    assert tuple(PALETTES) == vocabulary.PALETTE_NAMES == FIELDS["palette"].choices


def test_a_language_is_a_name_and_a_catalogue(monkeypatch, tmp_path, fresh_catalogues):
    del fresh_catalogues
    for path in TRANSLATIONS.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    french = (TRANSLATIONS / "en.toml").read_text(encoding="utf-8")
    french = french.replace('"English"', '"Français"', 1).replace('"en_US"', '"fr_FR"', 1)
    (tmp_path / "fr.toml").write_text(french, encoding="utf-8")
    monkeypatch.setattr(message_catalogue, "TRANSLATIONS", tmp_path)
    monkeypatch.setattr(message_catalogue, "LANGUAGES", (*vocabulary.LANGUAGES, "fr"))
    message_catalogue.catalogue.cache_clear()
    message_catalogue.written_texts.cache_clear()
    assert catalogue("de")["settings.language.choice.fr"] == "Français"
    assert catalogue("fr")["settings.language.choice.de"] == "Deutsch"
    assert files_with('[^`]"de"') == {"vocabulary.py"}
    assert {path.stem for path in TRANSLATIONS.iterdir()} == set(vocabulary.LANGUAGES)


# Used where they have their effect, and declared nowhere else.
@pytest.mark.parametrize("key", ["opacity", "spot_size", "clip_percentile", "min_notional_usd"])
def test_a_setting_is_declared_in_one_file_and_two_catalogues(key):
    assert files_with(rf"\n    {key}: \w+ = _\w+\(Group") == {"heatmap_settings.py"}
    for language in vocabulary.LANGUAGES:
        texts = catalogue(language)
        assert texts[FIELDS[key].label_key]
        assert texts[FIELDS[key].help_key]
