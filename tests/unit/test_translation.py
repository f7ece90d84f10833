"""Texts: all languages complete and alike; numbers, money and durations as each language writes them."""

import logging
import re
from pathlib import Path
from string import Formatter

import pytest
from PyQt6.QtCore import QLocale

import Heatmap
from Heatmap.heatmap_settings import FIELDS, Group, Kind, Unit
from Heatmap.message_catalogue import catalogue
from Heatmap.reports import ConnectionState
from Heatmap.ui.settings_model import SettingsModel
from Heatmap.ui.translation import Translator
from Heatmap.vocabulary import LANGUAGES


def placeholders(text):
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


REASONS = (
    "dns", "refused", "tls", "timeout", "region", "banned", "closed", "silent-route", "silent", "protocol",
    "http", "too-large", "bad-json", "unknown", "unreachable", "network", "internal", "unknown-symbol", "slept",
    "network-changed", "proxy", "refused-subscription", "unacknowledged",
)  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_languages_have_the_same_keys(language):
    assert catalogue(language).keys() == catalogue("en").keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("key", catalogue("en"))
def test_all_languages_have_the_same_placeholders(key, language):
    text = catalogue(language)[key]
    assert placeholders(text) == placeholders(catalogue("en")[key])
    assert text.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_declared_field_state_and_reason_has_its_texts(language):
    wanted = {f"connection.{part}.{state}" for part in ("state", "help") for state in ConnectionState}
    wanted |= {f"connection.{part}.{reason}" for part in ("brief", "reason") for reason in REASONS}
    wanted |= {f"group.{group}" for group in Group if group is not Group.SWITCH}
    wanted |= {f"unit.{unit}" for unit in Unit}
    for spec in FIELDS.values():
        wanted |= {spec.label_key, spec.help_key} | {spec.choice_key(choice) for choice in spec.choices}
        if spec.kind in (Kind.INTEGER, Kind.NUMBER) and spec.minimum == 0:
            wanted.add(f"settings.{spec.key}.zero")
    assert wanted - catalogue(language).keys() == set()


def test_no_text_stands_for_a_choice_or_field_that_does_not_exist():
    known = {key for spec in FIELDS.values() for key in (spec.label_key, spec.help_key)}
    known |= {spec.choice_key(choice) for spec in FIELDS.values() for choice in spec.choices}
    written = {key for key in catalogue("en") if key.startswith("settings.") and not key.endswith(".zero")}
    assert written == known


# Texts whose key is put together: by the field, state, reason, unit or line they belong to.
COMPOSED = (
    "settings.",
    "connection.",
    "group.",
    "unit.",
    "money.",
    "statistics.",
    "toolbar.",
    "preset.",
    "picture.",
    "replay.",
)


def test_every_text_is_used():
    source = "".join(path.read_text(encoding="utf-8") for path in Path(Heatmap.__file__).parent.rglob("*.py"))
    written = set(re.findall(r"""["']([a-z_.]+)["']""", source))
    assert {key for key in catalogue("en") if not key.startswith(COMPOSED)} <= written


def test_german_is_german():
    translator = Translator("de")
    assert translator.text("settings.spot_size.choice.large") == "Groß"
    assert translator.text("app.title", symbol="BTCUSDT") == "BTCUSDT – Liquidations-Heatmap"


def test_a_missing_text_is_seen_and_logged_once(caplog):
    translator = Translator("en")
    with caplog.at_level(logging.ERROR):
        assert [translator.text("no.such.text") for _ in range(3)] == ["no.such.text"] * 3
        assert translator.text("app.title") == catalogue("en")["app.title"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        (0, "$0", "0 $"),
        (4.5, "$4.50", "4,50 $"),
        (850, "$850", "850 $"),
        (999.6, "$1K", "1 Tsd. $"),
        (1234, "$1.23K", "1,23 Tsd. $"),
        (999_499, "$999K", "999 Tsd. $"),
        (999_500, "$1M", "1 Mio. $"),
        (12_345_678, "$12.3M", "12,3 Mio. $"),
        (1.5e9, "$1.5B", "1,5 Mrd. $"),
        (4.56e13, "$45,600B", "45.600 Mrd. $"),
        (-5000, "-$5K", "-5 Tsd. $"),
        (float("nan"), "–", "–"),
        (float("inf"), "–", "–"),
    ],
)
def test_money(value, english, german):
    assert Translator("en").format_usd(value) == english
    assert Translator("de").format_usd(value) == german


@pytest.mark.parametrize(
    ("age_ms", "english", "german"),
    [
        (-3000, "just now", "gerade eben"),
        (999, "just now", "gerade eben"),
        (12_999, "12 s ago", "vor 12 s"),
        (119_000, "119 s ago", "vor 119 s"),
        (120_000, "2 min ago", "vor 2 min"),
        (7_200_000, "2 h ago", "vor 2 h"),
        (8_000_000, "2 h 13 min ago", "vor 2 h 13 min"),
        (200_000_000, "2 d ago", "vor 2 d"),
    ],
)
def test_age(age_ms, english, german):
    assert Translator("en").format_age(age_ms) == english
    assert Translator("de").format_age(age_ms) == german


def test_times_follow_the_zone_of_the_settings_or_of_the_chart(qapp):
    del qapp
    model, free, bound = SettingsModel(), Translator("en"), Translator("en")
    heard = []
    free.follow(model)
    free.languageChanged.connect(lambda: heard.append(free.zone_label(0)))
    bound.follow(model, lambda _utc_ms: -3_600_000)
    assert free.format_clock(0) == "00:00:00 UTC"
    model.update(time_zone="Asia/Tokyo")
    model.update(opacity=50)
    assert heard == ["UTC+9"]
    assert free.format_clock(0) == "09:00:00 UTC+9"
    assert bound.format_clock(0) == "23:00:00 UTC-1"
    model.update(time_zone="local")
    assert free.zone_label().startswith("UTC")


def test_numbers_and_measured_times():
    assert Translator("de").format_number(1234567.891, 2) == "1.234.567,89"
    assert Translator("en").format_number(1234567.891) == "1,234,568"
    assert Translator("de").format_milliseconds(3.27) == "3,3 ms"
    assert Translator("en").format_milliseconds(1234.5) in ("1,234 ms", "1,235 ms")


@pytest.mark.parametrize(
    ("system", "language"),
    [("de_CH", "de"), ("de_AT", "de"), ("en_GB", "en"), ("is_IS", "en"), ("C", "en")],
)
def test_automatic_takes_the_systems_language_or_else_english(monkeypatch, system, language):
    monkeypatch.setattr(QLocale, "system", staticmethod(lambda: QLocale(system)))
    assert Translator("auto").language == language


def test_the_numbers_of_the_systems_own_territory_are_kept(monkeypatch):
    monkeypatch.setattr(QLocale, "system", staticmethod(lambda: QLocale("de_CH")))
    assert Translator("auto").locale.territory() is QLocale.Country.Switzerland


def test_a_language_that_does_not_exist_is_refused():
    with pytest.raises(FileNotFoundError):
        Translator("xx")
